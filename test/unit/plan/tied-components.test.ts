// Of which components no host may fall silent on the way, and what a run does when one does (R39, P7).
import assert from "node:assert/strict";
import test from "node:test";
import { makePlan } from "../../../src/plan/make-plan.ts";
import { tiedComponents } from "../../../src/plan/tied-components.ts";
import { decide } from "../../../src/run/decide.ts";
import { reduce } from "../../../src/run/machine.ts";
import { initialRunState } from "../../../src/run/run-state.ts";
import { planInput, type World } from "../../support/plan-input.ts";

const world = (skew: object[], version = "1.1.0"): World => ({
  components: {
    api: { hosts: ["a1", "a2"], version, dependsOn: ["db"], skew: skew as never },
    db: { hosts: ["d1", "d2"], version },
  },
});
function tied(made: World): string[] {
  const input = planInput(made);
  return tiedComponents({ ...input, plan: makePlan(input), components: input.release.components, known: new Map() });
}

test("what would break a limit by staying behind is tied, and only that", () => {
  const limit = (ahead?: string, behind?: string, scope = "fleet") => [
    { of: "db", scope, ...(ahead === undefined ? {} : { ahead }), ...(behind === undefined ? {} : { behind }) },
  ];
  assert.deepEqual(tied(world([])), []);
  assert.deepEqual(tied(world(limit("1 minor", "1 minor"))), []);
  // The database goes first: a host of it that stays behind would have new ones of api ahead of it.
  assert.deepEqual(tied(world(limit("0 minor"))), ["db"]);
  assert.deepEqual(tied(world(limit(undefined, "0 minor"))), ["api"]);
  assert.deepEqual(tied(world(limit("0 minor", undefined, "host"))), []);
});

test("a run in which a tied host falls silent ends before anything switches; with any other host it goes on without", () => {
  const input = planInput(world([{ of: "db", ahead: "0 minor", scope: "fleet" }]));
  const plan = { ...makePlan(input), tied: ["db"] };
  const silentAt = (host: string) => {
    const begun = [
      { kind: "run-planned", commit: "c", generation: "g", plan, epoch: 1, fleet: [] },
      { kind: "step-started", step: "distribute" },
      ...["a1", "a2", "d1", "d2"].map((each) => ({
        ...{ kind: "host-ended", step: "distribute", host: each, outcome: each === host ? "unknown" : "done" },
        ...{ reason: "", evidence: "" },
      })),
    ] as const;
    return decide(begun.reduce((state, event) => reduce(state, event as never, "r1"), initialRunState));
  };
  const effect = silentAt("d2");
  assert.deepEqual(effect?.kind === "end" && [effect.outcome, effect.reason], [
    "stuck",
    "d2 silent, and no host may stay behind with db: nothing has switched",
  ]);
  assert.equal(silentAt("a2")?.kind, "leave-out");
});
