// Labs for tests. A test file is a process of its own: its lab is started by the first test that asks, kept for the
// others, and taken down after the last one, when nothing of it may be left.
import assert from "node:assert/strict";
import { mkdtemp } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after } from "node:test";
import type { Lab, LabRequest } from "../../src/lab/lab.ts";
import { startLoopbackLab } from "../../src/lab/loopback-lab.ts";
import { startSystemdLab } from "../../src/lab/systemd-lab.ts";
import { takeDownLabs } from "../../src/lab/take-down.ts";
import { leaksOf } from "./leak-check.ts";
import { skipReason } from "./skip-reason.ts";

export const loopbackSkip = skipReason({ programs: ["sshd", "ssh-keygen", "flock"] });
const systemdNeeds = { root: true, programs: ["systemd-nspawn", "debootstrap", "ip", "nft", "ssh-keygen"] };
export const systemdSkip = skipReason(systemdNeeds);
/** For hosts of the systemd lab that run servers out of this machine's Debian packages. */
export const debianServersSkip = skipReason({ ...systemdNeeds, debian12: true });

const labs = new Map<string, Promise<Lab>>();

/** Runs `body` with the file's loopback lab of that many hosts. Tests of one file share it, so run them one after another. */
export async function withLoopbackLab<T>(hosts: number, body: (lab: Lab) => Promise<T>): Promise<T> {
  return body(
    await sharedLab(`loopback ${hosts}`, async () => startLoopbackLab({ directory: await labDirectory(), hosts })),
  );
}

/** The same with the file's systemd lab; use it with `{ skip: systemdSkip }`. The first on a machine builds the base image. */
export async function withSystemdLab<T>(hosts: LabRequest["hosts"], body: (lab: Lab) => Promise<T>): Promise<T> {
  return body(
    await sharedLab(`systemd ${hosts}`, async () => startSystemdLab({ directory: await labDirectory(), hosts })),
  );
}

/** Labs live in a directory of the temporary directory; the lab removes it. */
export function labDirectory(): Promise<string> {
  return mkdtemp(join(tmpdir(), "cutover-lab-"));
}

async function sharedLab(key: string, start: () => Promise<Lab>): Promise<Lab> {
  const known = labs.get(key);
  if (known !== undefined) return known;
  const started = takeDownLabs({ all: false }).then(start);
  labs.set(key, started);
  return started;
}

after(async () => {
  for (const starting of labs.values()) {
    const lab = await starting.catch(() => undefined); // the test that asked for it has failed with the reason
    if (lab === undefined) continue;
    await lab.down();
    assert.deepEqual(await leaksOf({ ...lab, hosts: lab.hosts.length }), [], "the lab left something behind");
  }
});
