// The steps of a release on a parts host, each of which has to succeed or is the test's own subject.
import assert from "node:assert/strict";
import type { PartsHost, TaskResult } from "./host-parts.ts";

/** The run is named after the version. */
export function switchTo(host: PartsHost, version: string, deadline = "60"): Promise<TaskResult> {
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
