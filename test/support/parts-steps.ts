// The steps of a release on a parts host, each of which has to succeed or is the test's own subject.
import assert from "node:assert/strict";
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { PartsHost, TaskResult } from "./host-parts.ts";

/** The run is named after the version. */
export function switchTo(host: PartsHost, version: string, deadline = "600"): Promise<TaskResult> {
  return host.task("switch", "do", { version, run: version, session: "a", options: { deadline } });
}

/** Each run of a host has a name of its own, by default that of the version. */
export async function confirmAndCommit(host: PartsHost, version: string, run = version): Promise<void> {
  for (const kind of ["confirm", "commit"]) {
    const done = await host.task(kind, "do", { version, run, session: "b" });
    assert.equal(done.exitCode, 0, `${kind}: ${done.reason} ${done.evidence}`);
  }
}

export async function commit(host: PartsHost, version: string): Promise<void> {
  const switched = await switchTo(host, version);
  assert.equal(switched.exitCode, 0, `${switched.reason} ${switched.evidence}`);
  await confirmAndCommit(host, version);
}

/** Resolves with the evidence. */
export async function undo(host: PartsHost, version: string, run = version): Promise<string> {
  const undone = await host.task("switch", "undo", { version, run });
  assert.equal(undone.exitCode, 0, `${undone.reason} ${undone.evidence}`);
  return undone.evidence;
}

/** The first try to put data back fails, as on a full disk. Before each later one, what `served` prints, pids of who serves then, is kept in the file that is returned. */
export async function restoreFailsOnce(host: PartsHost, served: string): Promise<string> {
  const [tried, kept] = [join(host.base, "tried"), join(host.base, "served")];
  const whole = await readFile(host.script, "utf8");
  const fails = `if [ ! -e ${tried} ]; then : >${tried}; WHY=restore-failed EVIDENCE=full; return 1; fi; ${served} >>${kept}`;
  const script = whole.replace("\ntrial_restore() {", (head) => `${head} ${fails};`);
  assert.notEqual(script, whole);
  await writeFile(host.script, script);
  return kept;
}
