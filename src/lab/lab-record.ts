// What outlives a killed owner: one small file for each lab, written before the lab makes anything, removed last.
import { mkdir, readdir, readFile, rename, rm, writeFile } from "node:fs/promises";
import { homedir } from "node:os";
import { join } from "node:path";
import { findProcess, isAlive, type ProcessName } from "./processes.ts";

export interface LabRecord {
  readonly id: string;
  readonly kind: "loopback" | "systemd";
  readonly directory: string;
  readonly owner: ProcessName;
  /** Names of what a systemd lab made in the kernel. */
  readonly bridge?: string;
  readonly namespaces?: readonly string[];
}

function recordsDirectory(): string {
  return join(process.env.XDG_STATE_HOME || join(homedir(), ".local/state"), "cutover/labs");
}

export async function writeRecord(record: LabRecord): Promise<void> {
  await mkdir(recordsDirectory(), { recursive: true, mode: 0o700 });
  const path = join(recordsDirectory(), `${record.id}.json`);
  await writeFile(`${path}.new`, JSON.stringify(record));
  await rename(`${path}.new`, path);
}

/** Removing twice is fine. */
export async function removeRecord(id: string): Promise<void> {
  await rm(join(recordsDirectory(), `${id}.json`), { force: true });
}

/** Path of the lock under which several labs are taken down, so that two callers do not fight over the same ones. */
export async function recordsLock(): Promise<string> {
  await mkdir(recordsDirectory(), { recursive: true, mode: 0o700 });
  return join(recordsDirectory(), "lock");
}

/** Every lab that is up or was left behind, of this user. */
export async function readRecords(): Promise<LabRecord[]> {
  const names = await readdir(recordsDirectory()).catch(() => []);
  const texts = names
    .filter((name) => name.endsWith(".json"))
    .map((name) => readFile(join(recordsDirectory(), name), "utf8"));
  const settled = await Promise.allSettled(texts);
  return settled.flatMap((one) => (one.status === "fulfilled" ? [JSON.parse(one.value) as LabRecord] : []));
}

/** True when the process that started the lab is gone. */
export function isAbandoned(record: LabRecord): boolean {
  return !isAlive(record.owner);
}

/** This process, as the owner of a lab. */
export function thisProcess(): ProcessName {
  const { pid, startTime = "" } = findProcess(process.pid) ?? { pid: process.pid };
  return { pid, startTime };
}
