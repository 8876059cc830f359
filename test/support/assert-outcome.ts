// What came out of a pass, with the failed tasks' own words when it is not what the test expects.
import assert from "node:assert/strict";
import type { PassResult } from "../../src/app/pass-result.ts";

/** Outcomes of the newest commit's releases; a run that an earlier controller left open counts as the first one. */
export function assertOutcomes(result: PassResult, ...expected: readonly string[]): void {
  const resumed = result.resumed.map(({ state }) => state.outcome ?? "waiting");
  const outcomes = [...resumed, ...result.results.map(({ outcome }) => outcome)];
  assert.deepEqual(outcomes, expected, explain(result));
}

function explain({ resumed, results }: PassResult): string {
  const runs = [...resumed, ...results.flatMap(({ run }) => run ?? [])];
  const tasks = runs.flatMap(({ run, state }) => [
    `${run}: ${state.outcome ?? "open"}: ${state.reason}`,
    ...[...state.tasks]
      .filter(([, { state: reached }]) => reached !== "done")
      .map(([id, { state: reached, reason, evidence }]) => `  ${id} ${reached}: ${reason}: ${evidence}`),
    ...[...state.hosts].filter(([, outcome]) => outcome !== "done").map(([place, outcome]) => `  ${place} ${outcome}`),
  ]);
  const held = results.flatMap(({ plan }) =>
    plan.held.map(({ host, reason, evidence }) => `  held ${host}: ${reason}: ${evidence}`),
  );
  return ["", ...tasks, ...held].join("\n");
}
