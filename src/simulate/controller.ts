// One life of a controller process in a simulated world: passes as `serve` makes them, with the production planner, driver
// and journal code, and nothing of git or SSH.
import { openRuns } from "../run/replay.ts";
import { keepQuarantines, type Life, type LifeInput, planNow, resume, start } from "./life.ts";
import { isAtRest, movesOf, type PassResult, pauseMs } from "./passes.ts";
import { makeBeside, makePassBeside } from "./side-by-side.ts";

/** More with more hosts: what fails once on every host fails on some of them in each run. */
const passesOf = (hosts: number) => 60 + 2 * hosts;
const pollMs = 30_000;
/** Until somebody who steps through a run has looked at what it did. */
const stepMs = 3_000;

/** Resolves when two passes in a row had nothing to do, or after too many of them; rejects when the lease is another's. */
export async function liveAsController(input: LifeInput): Promise<"in-sync" | "given-up"> {
  const life: Life = { ...input, epoch: input.acquire(), tries: new Map() };
  const beside = input.releases().length > 1 ? await makeBeside(life) : undefined;
  for (let pass = 0, idle = 0; pass < passesOf(input.fleet.length); ) {
    const isCalm = input.isCalm();
    const result = beside === undefined ? await makePass(life) : await makePassBeside(beside);
    idle = isCalm ? Math.max(0, idle + idleness[result]) : 0;
    if (idle >= 1) return "in-sync";
    // A pass is short beside a run that it looks at.
    if (isCalm) pass += result === "driving" || result === "stepping" ? 1 / 16 : 1;
    await input.clock.sleep(result === "stepping" ? stepMs : pollMs);
  }
  return "given-up";
}

/** Two passes without anything to do are enough; what is held may need time, a deadline of a trial for example. */
const idleness: Readonly<Record<PassResult, number>> = {
  "nothing-to-do": 0.5,
  held: 1 / 32,
  busy: -1_000,
  driving: -1_000,
  stepping: -1_000,
};

async function makePass(life: Life): Promise<PassResult> {
  const last = (await life.journal.streams("run/")).at(-1);
  if (last !== undefined) await keepQuarantines(life, last.slice("run/".length));
  for (const run of await openRuns(life.journal)) {
    const state = await resume(life, run);
    if (state.outcome === undefined) return state.pace === "one-task" ? "stepping" : "busy";
  }
  const [release] = life.releases();
  if (release === undefined) return "nothing-to-do";
  const plan = await planNow(life, release);
  await life.executor.close();
  if (plan.changes.length === 0) return isAtRest(plan) ? "nothing-to-do" : "held";
  const tried = life.tries.get(movesOf(plan)) ?? 0;
  life.tries.set(movesOf(plan), tried + 1);
  if (tried === 0) await start(life, plan);
  else {
    await life.clock.sleep(pauseMs(tried));
    const again = await planNow(life, release);
    if (movesOf(again) === movesOf(plan)) await start(life, again);
  }
  return "busy";
}
