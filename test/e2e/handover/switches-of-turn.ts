// What the journal has of one turn of a row, on every host that has the component.
import assert from "node:assert/strict";
import { notSwitched, type SwitchSeen, switchesIn } from "../../../src/lab/grade/switch-seen.ts";
import type { JournalEvent } from "../../../src/model/run-event.ts";

export interface Turn {
  readonly row: string;
  readonly hosts: readonly string[];
  readonly component: string;
  readonly from: string;
  readonly to: string;
  /** The version is not well and goes back on each host that it came to; where the first one shows that, the others never have it. */
  readonly takenBack: boolean;
  /** See `notSwitched`. */
  readonly sameProcess: boolean;
}

/** Fails unless just the switches that are wanted are there, each of them one. */
export function switchesOfTurn(events: readonly JournalEvent[], turn: Turn): readonly SwitchSeen[] {
  const { row, hosts, component, from, to, takenBack, sameProcess } = turn;
  const wanted = [`do ${from} ${to}`, ...(takenBack ? [`undo ${to} ${from}`] : [])];
  const all = hosts.flatMap((host) => {
    const seen = switchesIn(events, { host, component });
    if (takenBack && seen.length === 0) return [];
    const moves = seen.map((move) => `${move.action} ${move.from} ${move.to}`);
    assert.deepEqual(moves, wanted, `${row}: switches to ${to} in the journal of ${host}`);
    for (const one of seen) assert.equal(notSwitched(one, { sameProcess }), undefined, `${row}, ${to} on ${host}`);
    return seen;
  });
  assert.notEqual(all.length, 0, `${row}: no host switched to ${to}`);
  return all;
}
