// host.sh as it is when it is killed at a certain line, or when something else happens there.
import assert from "node:assert/strict";

/** A function of host.sh, and how the line begins before which it is killed: the first such line after the function's head. */
export type KillPoint = readonly [inFunction: string, before: string];

export function killedAt(script: string, point: KillPoint): string {
  // In a subshell it is not the one that is killed: it must not go on meanwhile.
  return insertedAt(script, point, "kill -KILL $$; sleep 5");
}

/** Fails when there is no such line: a point that nobody reaches would prove nothing. */
export function insertedAt(script: string, [inFunction, before]: KillPoint, line: string): string {
  const head = script.indexOf(`\n${inFunction}() {`);
  const at = script.indexOf(`\n${before}`, head);
  const end = script.indexOf("\n}\n", head);
  assert.ok(head >= 0 && at > head && at < end, `no line in ${inFunction} begins with ${before.trim()}`);
  return `${script.slice(0, at)}\n${line}${script.slice(at)}`;
}

/** It waits there until there is the file `until`, having made the file `at`; not for ever, should the test fail meanwhile. */
export function heldAt(
  script: string,
  point: KillPoint,
  files: { readonly at?: string; readonly until: string },
): string {
  const waits = `held_=0; until [ -e "${files.until}" ] || [ "$held_" -ge 3000 ]; do nap; held_=$((held_ + 1)); done`;
  return insertedAt(script, point, files.at === undefined ? waits : `: >"${files.at}"; ${waits}`);
}
