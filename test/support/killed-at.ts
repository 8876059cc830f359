// host.sh as it is when it is killed at a certain line.
import assert from "node:assert/strict";

/** A function of host.sh, and how the line begins before which it is killed: the first such line after the function's head. */
export type KillPoint = readonly [inFunction: string, before: string];

/** Fails when there is no such line: a point that nobody reaches would prove nothing. */
export function killedAt(script: string, [inFunction, before]: KillPoint): string {
  const head = script.indexOf(`\n${inFunction}() {`);
  const at = script.indexOf(`\n${before}`, head);
  const end = script.indexOf("\n}\n", head);
  assert.ok(head >= 0 && at > head && at < end, `no line in ${inFunction} begins with ${before.trim()}`);
  // In a subshell it is not the one that is killed: it must not go on meanwhile.
  return `${script.slice(0, at)}\nkill -KILL $$; sleep 5${script.slice(at)}`;
}
