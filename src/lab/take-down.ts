// Ends a lab from its record alone, so that it makes no difference whether its owner still lives.
import { rm } from "node:fs/promises";
import { removeControlGroups } from "./control-groups.ts";
import { withFileLock } from "./file-lock.ts";
import { removeNetwork } from "./lab-network.ts";
import { isAbandoned, type LabRecord, readRecords, recordsLock, removeRecord } from "./lab-record.ts";
import { killUntilGone, processesIn } from "./processes.ts";

const WITHIN_MS = 120_000;

/** Processes first (mounts live and die with them), then network, then files, then the record. Repeating is harmless. */
export async function takeDownLab(record: LabRecord): Promise<void> {
  await killUntilGone(() => processesIn(record.directory));
  if (record.kind === "systemd") {
    await removeControlGroups(record);
    await removeNetwork(record);
  }
  await rm(record.directory, { recursive: true, force: true, maxRetries: 5 });
  await removeRecord(record.id);
}

/** Takes down the labs whose owner is gone, or with `all` every lab of this user; returns what was taken down. */
export async function takeDownLabs({ all }: { readonly all: boolean }): Promise<LabRecord[]> {
  return withFileLock(await recordsLock(), WITHIN_MS, async () => {
    const records = (await readRecords()).filter((record) => all || isAbandoned(record));
    for (const record of records) await takeDownLab(record);
    return records;
  });
}
