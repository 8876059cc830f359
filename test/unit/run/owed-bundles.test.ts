// A run that was amended: whose task is tried again goes first; nobody else does anything with the old task bundle.
import assert from "node:assert/strict";
import test from "node:test";
import type { Plan, Step } from "../../../src/model/plan.ts";
import type { EventBody } from "../../../src/model/run-event.ts";
import { makePlan } from "../../../src/plan/make-plan.ts";
import { decide } from "../../../src/run/decide.ts";
import type { Effect } from "../../../src/run/effect.ts";
import { reduce } from "../../../src/run/machine.ts";
import { isOwed } from "../../../src/run/owed-bundles.ts";
import { initialRunState, type RunState } from "../../../src/run/run-state.ts";
import { planInput } from "../../support/plan-input.ts";

const hosts = ["h1", "h2", "h3", "h4"];
const plan: Plan = makePlan(
  planInput({ components: { app: { hosts } }, policy: { canaries: 1, batchSize: 2 }, rollbackPolicy: "manual" }),
);
const apply = (state: RunState, ...events: readonly EventBody[]) =>
  events.reduce((before, event) => reduce(before, event, "r1"), state);
const ended = (step: string, host: string, outcome: "done" | "failed" | "unknown"): EventBody => ({ kind: "host-ended", step, host, outcome, evidence: "" }); // biome-ignore format: one line

/** What each effect comes to; hosts end as `report` says, until it says nothing. Each line is one effect. */
function play(
  from: RunState,
  report: (step: Step, host: string) => "done" | "failed" | "unknown" | undefined,
): { state: RunState; told: string[] } {
  let state = from;
  const told: string[] = [];
  for (let effect = decide(state); effect !== undefined && told.length < 100; effect = decide(state)) {
    told.push(wordsOf(effect));
    if (effect.kind === "hold" || effect.kind === "wait") break;
    const events = eventsOf(effect, report);
    if (events === undefined) break;
    state = apply(state, ...events);
  }
  return { state, told };
}

function wordsOf(effect: Effect): string {
  if (effect.kind === "reopen") return `bring ${effect.turns.map(({ host }) => host).join(" ")}`;
  if (effect.kind === "run-step") return `${effect.step.id} ${effect.hosts.join(" ")}`;
  return "step" in effect && typeof effect.step !== "string" ? `${effect.kind} ${effect.step.id}` : effect.kind;
}

function eventsOf(effect: Effect, report: Parameters<typeof play>[1]): readonly EventBody[] | undefined {
  if (effect.kind === "start-step") return [{ kind: "step-started", step: effect.step.id }];
  if (effect.kind === "end-step") return [{ kind: "step-ended", step: effect.step.id }];
  if (effect.kind === "end") return [{ kind: "run-ended", outcome: effect.outcome, reason: effect.reason }];
  if (effect.kind === "reopen") return effect.turns;
  if (effect.kind !== "run-step") throw new Error(`unforeseen: ${effect.kind}`);
  const said = effect.hosts.map((host) => [host, report(effect.step, host)] as const);
  if (said.some(([, outcome]) => outcome === undefined)) return undefined;
  return said.flatMap(([host, outcome]): EventBody[] => [
    { kind: "submitted", step: effect.step.id, host },
    ended(effect.step.id, host, outcome ?? "unknown"),
  ]);
}

const digest = `sha256:${"0".repeat(64)}` as const;
const amended: EventBody = { kind: "amended", component: "app", version: plan.changes[0]?.to ?? "", contract: digest, bundle: {}, hash: digest, changes: ["changed convert"], by: "anna", reason: "mended" }; // biome-ignore format: one line
const turn = (step: string, host: string, tasks: readonly string[]): EventBody => ({ kind: "host-reopened", step, host, turn: 1, tasks, rest: [], by: "anna", reason: "mended" }); // biome-ignore format: one line
const start = apply(initialRunState, { kind: "run-planned", commit: "c", generation: "g", plan, epoch: 1, fleet: [] });
/** h2 failed in the second batch, beside h3; h4 has not begun. */
const failed = play(start, (step, host) => (step.id === "switch.2" && host === "h2" ? "failed" : "done")).state;
const again = (state: RunState, host: string) => apply(state, amended, turn("distribute", host, [`${host}/app/distribute do`, `${host}/app/build do`]), turn("switch.2", host, [`${host}/app/switch do`])); // biome-ignore format: one line
/** Lines up to the first that starts so, it included. */
const until = (told: readonly string[], start: string) => told.slice(0, told.findIndex((line) => line.startsWith(start)) + 1); // biome-ignore format: one line

test("the host whose task was mended goes first; the others get the bundle before anything else of the plan (R31, R68)", () => {
  assert.equal(decide(failed)?.kind, "hold");
  const { told, state } = play(again(failed, "h2"), () => "done");
  assert.deepEqual(until(told, "start-step switch.3"), [
    "distribute h2",
    "end-step distribute",
    "switch.2 h2",
    "end-step switch.2",
    "confirm.2 h2",
    "end-step confirm.2",
    "bring h1 h3 h4",
    "distribute h1 h3 h4",
    "end-step distribute",
    "start-step switch.3",
  ]);
  assert.equal(state.outcome, "done");
});

test("a mended script that fails again has troubled no other host, and the run waits as before", () => {
  const { told, state } = play(again(failed, "h2"), (step) => (step.kind === "switch" ? "failed" : "done"));
  assert.deepEqual(told.slice(-2), ["switch.2 h2", "hold switch.2"]);
  assert.ok(!told.some((line) => line.startsWith("bring")));
  assert.deepEqual(
    hosts.filter((host) => isOwed(state, { host, component: "app" })),
    ["h1", "h3", "h4"],
  );
});

test("another host that is tried again gets the bundle for itself, before its task", () => {
  const both = play(start, (step) => (step.id === "switch.2" ? "failed" : "done")).state;
  const first = play(again(both, "h2"), () => "done");
  assert.equal(first.told.at(-1), "hold switch.2", "h3 failed as well");
  const { told } = play(apply(first.state, turn("switch.2", "h3", ["h3/app/switch do"])), () => "done");
  assert.deepEqual(until(told, "switch.2"), ["bring h3", "distribute h3", "end-step distribute", "switch.2 h3"]);
});

test("a batch that only now switched is confirmed before anybody else gets anything (P8)", () => {
  const alone = play(start, (step) => (step.id === "switch.1" ? "failed" : "done")).state;
  const reopened = apply(alone, amended, turn("distribute", "h1", ["h1/app/distribute do", "h1/app/build do"]), turn("switch.1", "h1", ["h1/app/switch do"])); // biome-ignore format: one line
  const { told } = play(reopened, () => "done");
  assert.deepEqual(told.slice(told.indexOf("switch.1 h1"), told.indexOf("bring h2 h3 h4") + 1), [
    "switch.1 h1",
    "end-step switch.1",
    "start-step confirm.1",
    "confirm.1 h1",
    "end-step confirm.1",
    "bring h2 h3 h4",
  ]);
});

test("a host that the run goes on without, and a way back, are owed nothing", () => {
  const left = apply(again(failed, "h2"), { kind: "host-left-out", step: "switch.2", host: "h4", reason: "held" });
  assert.ok(play(left, () => "done").told.includes("bring h1 h3"));
  const back = apply(again(failed, "h2"), { kind: "rollback-started", scope: "release", reason: "no", by: "anna" });
  const { told, state } = play(back, () => "done");
  assert.ok(!told.some((line) => line.startsWith("bring")));
  assert.equal(state.outcome, "rolled-back");
});

test("what is owed at the end of a plan is brought before the run ends", () => {
  const last = play(start, (step) => (step.kind === "commit" ? "failed" : "done")).state;
  assert.equal(decide(last)?.kind, "hold");
  const { told, state } = play(apply(last, amended, ...hosts.map((host) => turn("commit", host, [`${host}/app/commit do`]))), () => "done"); // biome-ignore format: one line
  assert.ok(told.includes("bring h1 h2 h3 h4"));
  assert.equal(state.outcome, "done");
  assert.equal(state.owed.size, 0);
});
