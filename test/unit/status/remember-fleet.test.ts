// From what a pass publishes back to a plan: a review must come to the hash that the live plan has while the world stays.
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import type { Observation } from "../../../src/model/observation.ts";
import { Status } from "../../../src/model/status.ts";
import { makePlan, type PlanInput } from "../../../src/plan/make-plan.ts";
import { makeStatus } from "../../../src/status/make-status.ts";
import { encodeNote, parseNotes } from "../../../src/status/note-codec.ts";
import { rememberFleet } from "../../../src/status/remember-fleet.ts";
import { planInput, type SeenComponent, type World } from "../../support/plan-input.ts";

const hosts = ["h1", "h2", "h3", "h4"];
const names = ["api", "db"];
const seen: fc.Arbitrary<SeenComponent> = fc.constantFrom<SeenComponent>(
  {},
  { current: undefined },
  { current: "1.0.0" },
  { current: "2.0.0" },
  { current: "1.1.0", committed: "1.0.0" },
  { current: undefined, committed: "1.0.0" },
  { current: "2.0.0", committed: "1.0.0", state: "confirmed" },
  { current: "2.0.0", committed: "1.0.0", state: "trial" },
  { current: "2.0.0", committed: undefined, state: "trial" },
  { current: "1.0.0", committed: "1.0.0", state: "reverting" },
);
const world: fc.Arbitrary<World> = fc
  .record({
    observed: fc.dictionary(
      fc.constantFrom(...hosts),
      fc.oneof(fc.constant("unreachable" as const), fc.dictionary(fc.constantFrom(...names), seen)),
    ),
    holds: fc.dictionary(fc.constantFrom(...hosts), fc.constant("maintenance")),
    quarantined: fc.subarray(["api@2.0.0"]),
    drift: fc.constantFrom<"report" | "heal">("report", "heal"),
  })
  .map(({ drift, ...rest }) => {
    const components = { db: { hosts: ["h1", "h2"] }, api: { hosts, dependsOn: ["db"], health: true } };
    return { ...rest, components, policy: { drift } };
  });

let at = 0;
function statusOf(input: PlanInput, previous?: Status): Status {
  at += 1_000;
  const status = makeStatus({
    ...{ release: input.release, commit: "c".repeat(40), generation: input.generation, plan: makePlan(input) },
    ...{ run: undefined, outcome: "in-sync", reason: "", task: () => undefined, observations: input.observations },
    ...{ quarantined: [], previous, now: at, holder: "control", epoch: 1 },
  });
  const [read] = parseNotes(encodeNote(Status.parse(status)));
  assert.ok(read, "what is published can be read");
  return read.status;
}

/** The same question, answered from a status instead of the hosts. */
function remembered(input: PlanInput, status: Status): PlanInput {
  const { observations } = rememberFleet([status], hosts);
  return { ...input, observations };
}

test("a plan from the published status has the hash of the live plan, whatever state hosts are in (R4, P12)", () => {
  fc.assert(
    fc.property(world, (made) => {
      const input = planInput(made);
      assert.equal(makePlan(remembered(input, statusOf(input))).hash, makePlan(input).hash);
    }),
    { numRuns: 300 },
  );
});

test("a host that fell silent keeps its place in the plan, pass after pass", () => {
  const components = { web: { hosts } };
  const before = planInput({ components, observed: { h2: { web: { current: "1.1.0", committed: "1.0.0" } } } });
  const lost = new Map<string, Observation>([
    ...before.observations,
    ["h2", { kind: "unreachable", host: "h2", at: 1, code: "host-unreachable", message: "no route" }],
  ]);
  const first = statusOf(before);
  const second = statusOf({ ...before, observations: lost }, first);
  const third = statusOf({ ...before, observations: lost }, second);
  const plan = makePlan(remembered(before, third));
  assert.equal(plan.hash, makePlan(before).hash);
  assert.deepEqual(plan.held.map(({ host, reason }) => [host, reason]), [["h2", "unreachable"]]); // biome-ignore format: one line
  assert.deepEqual(plan.waiting.map(({ host, from }) => [host, from]), [["h2", "1.0.0"]]); // biome-ignore format: one line
});

test("drift, holds, quarantines and facts come back as they were published, and a host that no status names has nothing", () => {
  const made: World = {
    components: { web: { hosts } },
    observed: { h2: { web: { current: "1.1.0", committed: "1.0.0" } } },
    holds: { h3: "maintenance" },
  };
  const input = planInput(made);
  const fleet = rememberFleet([statusOf(input)], [...hosts, "h9"]);
  const plan = makePlan({ ...input, ...fleet });
  assert.deepEqual(plan.held.map(({ host, reason }) => [host, reason]), [["h2", "drifted"], ["h3", "held"]]); // biome-ignore format: one line
  assert.deepEqual(plan.changes.map(({ host, revertsAfterReboot }) => [host, revertsAfterReboot]), [["h1", true], ["h4", true]]); // biome-ignore format: one line
  const stranger = fleet.observations.get("h9");
  assert.deepEqual(stranger?.kind === "observed" ? stranger.components : undefined, []);
  assert.equal(fleet.observedAt, at);
});

test("R28: the order of units comes back as it was published: a review shows what the live plan will", () => {
  const input = planInput({
    components: { api: { hosts }, db: { hosts } },
    units: { h1: ["api After db"], h2: ["api After db"], h4: ["db Requires api"] },
  });
  const plan = makePlan(input);
  assert.deepEqual(plan.unitOrder?.map(({ kind }) => kind), ["circle", "circle"]); // biome-ignore format: one line
  const status = statusOf(input);
  assert.deepEqual(status.facts?.map(({ hosts: names }) => names), [["h1", "h2"], ["h4"], ["h3"]]); // biome-ignore format: one line
  assert.deepEqual(makePlan(remembered(input, status)).unitOrder, plan.unitOrder);
});

test("trees are written once a version, and where a host differs, with the host: a status of 10,000 hosts stays small", () => {
  const many = Array.from({ length: 10_000 }, (_, index) => `h${index}`);
  const input = planInput({ components: { web: { hosts: many } } });
  const status = statusOf(input);
  assert.deepEqual([status.trees?.length, status.facts?.length], [1, 1]);
  assert.ok(
    encodeNote(status).length / many.length < 250,
    `${encodeNote(status).length / many.length} characters a host`,
  );
});

test("plan edits mean the same from a status as from hosts, also of what they hold and leave out (R36)", () => {
  const reason = "somebody wants it so";
  const components = { db: { hosts: ["h1", "h2"] }, api: { hosts, dependsOn: ["db"] } };
  const edits = [
    { kind: "hold", host: "h1", component: "api", reason },
    { kind: "exclude", host: "h3", component: "api", reason },
    { kind: "hold", host: "h4", reason },
    { kind: "pin", component: "api", host: "h2", version: "1.9.0", reason },
  ] as const;
  const input = planInput({ components, edits });
  const live = makePlan(input);
  const status = statusOf(input);
  const fromNotes = makePlan({ ...input, ...rememberFleet([status], hosts) });
  assert.equal(fromNotes.hash, live.hash);
  const places = ({ changes, waiting }: typeof live) =>
    [changes, waiting].map((list) => list.map(({ host, component, from, to }) => `${host} ${component} ${from} ${to}`));
  assert.deepEqual(places(fromNotes), places(live));
  const lifted = makePlan({ ...planInput({ components }), ...rememberFleet([status], hosts) });
  assert.ok(
    lifted.changes.some(({ host, component, from }) => host === "h3" && component === "api" && from === "1.0.0"),
    "what was left out is still known when it comes back",
  );
});
