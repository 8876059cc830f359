// A retry asks the host what became of its switch, and goes by that.
import assert from "node:assert/strict";
import test from "node:test";
import { HostUnreachableError } from "../../../src/errors.ts";
import type { HostVersionState, ObservedComponent } from "../../../src/model/observation.ts";
import type { EventBody } from "../../../src/model/run-event.ts";
import { makePlan } from "../../../src/plan/make-plan.ts";
import { decide } from "../../../src/run/decide.ts";
import { reduce } from "../../../src/run/machine.ts";
import { initialRunState } from "../../../src/run/run-state.ts";
import { tryAgain } from "../../../src/run/try-again.ts";
import {
  badly,
  batch,
  byHand,
  change,
  convert,
  ended,
  inBatch,
  said,
  tasks,
  whole,
} from "../../support/by-hand-run.ts";
import { planInput } from "../../support/plan-input.ts";

const hasUndo = async () => true;
const asked = { run: "r1", step: batch, host: "h1", hasUndo, by: "ann", reason: "-" } as const;

function seen(state: HostVersionState, { run = "r1" } = {}): ObservedComponent {
  const isNew = state !== "reverted" && state !== "reverting";
  const trial = { from: "1.0.0", to: "2.0.0", run, reason: undefined };
  return {
    component: "app",
    current: isNew ? "2.0.0" : "1.0.0",
    committed: state === "committed" ? "2.0.0" : "1.0.0",
    state,
    trial: state === "committed" ? undefined : trial,
  } as unknown as ObservedComponent;
}

test("what a host has on trial, or committed, is not taken back for a retry, whatever came of an undo by hand (P4)", async () => {
  const undone = inBatch(...whole, ...byHand(convert, "undo"));
  const refused = inBatch(...whole, ...badly(change, "undo", { word: "failed" }));
  for (const there of ["trial", "committed"] as const)
    for (const [state, key] of [
      [undone, "h1/app/convert do"],
      [refused, "h1/app/switch do"],
    ] as const) {
      const again = await tryAgain({ ...asked, state, events: whole, observe: async () => [seen(there)] });
      assert.deepEqual([again.undo, again.turns.map(({ tasks }) => tasks)], [[], [[key]]], there);
    }
});

/** Its switch, or the conversion before it, fails under a policy that leaves the decision to people; a backup and a drain came before both. */
async function triedAfterFailedSwitch(
  there: ObservedComponent,
  {
    isUndone = false,
    failing = "switch",
    ...asks
  }: { isUndone?: boolean; failing?: "switch" | "hook"; hasUndo?: () => Promise<boolean> } = {},
): Promise<{ undone: string[]; turns: string[][] }> {
  const hook = { name: "convert", at: "before-switch", scope: "host", hasUndo: true, canDryRun: true } as const;
  const components = { app: { hosts: ["h1"], tasks: [hook], drain: true, backup: true } };
  const plan = makePlan(planInput({ components, rollbackPolicy: "manual" }));
  const step = plan.steps.find(({ id }) => id === "switch.1");
  assert.ok(step);
  const own = step.work.flatMap(({ groups }) => groups.flat());
  const at = own.findIndex(({ kind }) => kind === failing);
  const ahead = plan.steps.slice(0, plan.steps.indexOf(step));
  const events: EventBody[] = [
    { kind: "run-planned", commit: "c", generation: "g", plan, epoch: 1, fleet: [] } as unknown as EventBody,
    ...ahead.flatMap(
      ({ id }) =>
        [
          { kind: "step-started", step: id },
          { kind: "step-ended", step: id },
        ] as EventBody[],
    ),
    { kind: "step-started", step: step.id },
    { kind: "submitted", step: step.id, host: "h1" },
    ...own.map((task, nth) => said(step.id, task, nth < at ? "done" : nth === at ? "failed" : "skipped")),
    ended("failed"),
    ...(isUndone && own[at] !== undefined ? byHand(own[at], "undo") : []),
  ];
  const state = events.reduce((now, event) => reduce(now, event, "r1"), initialRunState);
  assert.equal(decide(state)?.kind, "hold");
  const { undo, turns } = await tryAgain({ ...asked, ...asks, step, state, events, observe: async () => [there] });
  const added = undo.flatMap((event) => (event.kind === "step-added" ? event.step.work : []));
  return {
    undone: added.flatMap(({ groups }) => groups.flat().map(({ id }) => id)),
    turns: turns.map((turn) => [...turn.tasks]),
  };
}

test("a failed switch whose trial the host took back at its deadline is tried again with all that belongs to it: data and service are as before (P4)", async () => {
  const all = ["backup do", "drain do", "convert do", "switch do", "drain undo"].map((task) => `h1/app/${task}`);
  for (const state of ["reverted", "reverting"] as const) {
    const again = await triedAfterFailedSwitch(seen(state));
    assert.deepEqual(again, { undone: ["h1/app/switch", "h1/app/convert"], turns: [all] }, state);
  }
  const byPerson = await triedAfterFailedSwitch(seen("reverted"), { isUndone: true });
  assert.deepEqual(byPerson, { undone: ["h1/app/convert"], turns: [all] });
});

test("a failed switch that is still on trial is tried again from where it failed; one that never was saves anew first what the old version wrote since (R17, P4)", async () => {
  const rest = ["h1/app/switch do", "h1/app/drain undo"];
  assert.deepEqual(await triedAfterFailedSwitch(seen("trial")), { undone: [], turns: [rest] });
  const anew = { undone: ["h1/app/convert"], turns: [["h1/app/backup do", "h1/app/convert do", ...rest]] };
  for (const there of [seen("reverted", { run: "r0" }), seen("committed")]) {
    assert.deepEqual(await triedAfterFailedSwitch(there), anew, "what converted the data is undone before that");
    assert.deepEqual(await triedAfterFailedSwitch(there, { hasUndo: async () => false }), {
      undone: [],
      turns: [["h1/app/backup do", ...rest]],
    });
  }
  assert.deepEqual(await triedAfterFailedSwitch(seen("committed"), { failing: "hook" }), anew);
});

test("a host is asked only where its switch may have begun: what failed before it is tried again also where nobody answers (P7)", async () => {
  const at = tasks.indexOf(convert);
  const events: EventBody[] = [
    { kind: "submitted", step: "switch.1", host: "h1" },
    ...tasks.map((task, nth) => said("switch.1", task, nth < at ? "done" : nth === at ? "failed" : "skipped")),
    ended("failed"),
  ];
  const silent = async () => {
    throw new HostUnreachableError({ name: "h1", address: "h1", port: 22 }, "timeout");
  };
  const again = await tryAgain({ ...asked, state: inBatch(...events), events, observe: silent });
  assert.deepEqual(again.turns.map(({ tasks: todo }) => todo[0]), ["h1/app/convert do"]); // biome-ignore format: one line
  await assert.rejects(tryAgain({ ...asked, state: inBatch(...whole), events: whole, observe: silent }), { code: "host-unreachable" }); // biome-ignore format: one line
});
