// Runs one row: installs A, then switches to B and back, N times in all, through the real product and under load. What each
// switch did is read from the journal, not assumed.
import assert from "node:assert/strict";
import { spawnLoad } from "../../../src/lab/demo/spawn-load.ts";
import type { JournalEvent } from "../../../src/model/run-event.ts";
import { assertOutcomes } from "../../support/assert-outcome.ts";
import type { Row } from "./row.ts";
import { type Stage, withStage } from "./with-stage.ts";

/** One switch by the journal's word. */
export interface SwitchSeen {
  readonly oldPid: string;
  readonly newPid: string;
  readonly from: string;
  readonly to: string;
  readonly ms: number;
}

export interface RowResult {
  readonly switches: readonly SwitchSeen[];
  readonly requests: number;
  readonly failed: number;
}

const versions = { A: "1.0.0", B: "2.0.0" } as const;

export async function runRow(row: Row, { switches }: { readonly switches: number }): Promise<RowResult> {
  return withStage(row, async (stage) => {
    const { strategy, manager } = contractSays(stage);
    assert.deepEqual({ strategy, manager }, { strategy: row.strategy, manager: row.manager }, row.name);
    for (const which of ["A", "B"] as const) await stage.publish(versions[which], which);
    await release(stage, versions.A);
    const load = spawnLoad({
      targets: row
        .traffic(stage.place)
        .filter(({ kind }) => kind === "new")
        .map(({ port }) => ({ name: row.name, address: stage.front.address, port })),
      onSecond: () => {},
      ratePerSecond: 100,
      timeoutMs: 10_000,
      maxSeconds: 60 * switches,
    });
    const seen: SwitchSeen[] = [];
    try {
      for (let turn = 1; turn <= switches; turn += 1)
        seen.push(switchIn(await release(stage, turn % 2 === 1 ? versions.B : versions.A), row, stage));
    } finally {
      await load.stop();
    }
    const { sent, failed, failures } = await load.stop();
    assert.deepEqual([failed, failures], [0, []], row.name);
    return { switches: seen, requests: sent, failed };
  });
}

function contractSays({ contract }: Stage): { strategy: unknown; manager: unknown } {
  const { strategy } = contract.switch as { strategy?: unknown };
  return { strategy, manager: contract.manager };
}

/** Pushes the version and lets a controller bring it out; returns what the journal got. */
async function release(stage: Stage, version: string): Promise<JournalEvent[]> {
  const events: JournalEvent[] = [];
  await stage.push(version);
  assertOutcomes(await stage.home.reconcile({ onEvent: (event) => events.push(event) }), "done");
  return events;
}

/**
 * Fails unless the component was switched exactly once, to another version, by another process. Under strategy reload the main
 * process may stay: there it is the answers that must come from the new version.
 */
function switchIn(
  events: readonly JournalEvent[],
  { strategy }: Row,
  { host, contract }: Pick<Stage, "host" | "contract">,
): SwitchSeen {
  const words = events.flatMap((event) =>
    event.kind === "task" &&
    event.event.task === `${host.name}/${contract.name}/switch` &&
    event.event.action === "do" &&
    event.event.state === "done"
      ? [event.event.evidence]
      : [],
  );
  const [evidence = ""] = words;
  const found = /\bold-pid=(\S+) new-pid=(\S+) from=(\S+) to=(\S+) ms=(\d+)/.exec(evidence);
  assert.ok(words.length === 1 && found, `one switch of ${contract.name} in the journal, got ${JSON.stringify(words)}`);
  const [, oldPid = "", newPid = "", from = "", to = "", ms] = found;
  assert.notEqual(from, to, evidence);
  assert.match(newPid, /^\d+$/, evidence);
  if (strategy !== "reload") assert.notEqual(newPid, oldPid, `the same process serves on: ${evidence}`);
  return { oldPid, newPid, from, to, ms: Number(ms) };
}
