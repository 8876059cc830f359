// What people may change about a plan, and what is refused (R36).
import assert from "node:assert/strict";
import { test } from "node:test";
import type { Edit } from "../../../src/model/plan-edit.ts";
import { makePlan } from "../../../src/plan/make-plan.ts";
import { planInput, type World } from "../../support/plan-input.ts";
import { outlinePlan } from "../../support/plan-outline.ts";

const why = { reason: "asked by the owner" };
const stack: World = {
  components: {
    database: { hosts: ["db1", "db2"] },
    cache: { hosts: ["web1", "web2", "web3"] },
    api: { hosts: ["web1", "web2", "web3"], dependsOn: ["cache", "database"] },
  },
  policy: { batchSize: 1 },
};
const plan = (edits: readonly Edit[], world: World = stack) => makePlan(planInput({ ...world, edits }));
const switches = (edits: readonly Edit[], world: World = stack) =>
  outlinePlan(plan(edits, world)).filter((line) => /^(switch|gate)/.test(line));
const effects = (edits: readonly Edit[], world: World = stack) => plan(edits, world).edits?.map(({ effect }) => effect);
const refused = (edits: readonly Edit[], evidence: RegExp, world: World = stack) =>
  assert.throws(() => plan(edits, world), { code: "plan-edit-refused", evidence });

test("without edits the stack switches bottom up: the numbers that edits refer to", () => {
  assert.deepEqual(
    outlinePlan(makePlan(planInput(stack))).filter((line) => line.startsWith("switch")),
    [
      "switch.1 db1: database switch",
      "switch.2 db2: database switch",
      "switch.3 web1: cache switch, api switch",
      "switch.4 web2: cache switch, api switch",
      "switch.5 web3: cache switch, api switch",
    ],
  );
});

test("an exclusion that leaves a host's dependency behind is refused by name; with what depends on it, it holds", () => {
  const cache: Edit = { kind: "exclude", host: "web2", component: "cache", ...why };
  refused([cache], /^api goes to 2\.0\.0 on web2 and comes after cache, which would not get 2\.0\.0 there \(plan edit by-hand: asked by the owner\)$/); // biome-ignore format: one line
  const both = [cache, { kind: "exclude", host: "web2", component: "api", ...why } as const];
  const made = plan(both);
  assert.ok(!made.changes.some(({ host }) => host === "web2"));
  assert.deepEqual([made.waiting, made.held], [[], []], "nothing is meant there, so nothing waits");
});

test("an exclusion of what runs its version already breaks nothing", () => {
  const observed = { web2: { cache: { current: "2.0.0" } } };
  const made = plan([{ kind: "exclude", host: "web2", component: "cache", ...why }], { ...stack, observed });
  assert.ok(made.changes.some(({ host, component }) => host === "web2" && component === "api"));
});

test("one instance of a dependency elsewhere may be left behind, all of them may not", () => {
  const [one, two] = ["db1", "db2"].map((host): Edit => ({ kind: "exclude", host, component: "database", ...why }));
  assert.ok(one && two);
  assert.equal(plan([one]).changes.length, 7);
  refused([one, two], /api goes to 2\.0\.0 on web1 and comes after database, .* on db1, and on no other host/);
});

test("a hold of one component keeps only that one, and its intent waits with the reason; of a host, everything there", () => {
  const made = plan([{ kind: "hold", host: "web2", component: "api", ...why }]);
  assert.deepEqual(
    made.changes.filter(({ host }) => host === "web2").map(({ component }) => component),
    ["cache"],
  );
  assert.deepEqual(
    made.waiting.map(({ host, component }) => `${host} ${component}`),
    ["web2 api"],
  );
  assert.deepEqual(made.held, [
    { host: "web2", component: "api", reason: "held", evidence: "plan edit by-hand: asked by the owner" },
  ]);
  refused(
    [{ kind: "hold", host: "web2", component: "cache", ...why }],
    /api goes to 2\.0\.0 on web2 and comes after cache/,
  );
  assert.ok(!plan([{ kind: "hold", host: "web2", ...why }]).changes.some(({ host }) => host === "web2"));
});

test("a pin gives the hosts that it names or matches another version, and says instead of which", () => {
  const labels = { web1: { site: "north" }, web3: { site: "north" } };
  const pin: Edit = { kind: "pin", component: "api", match: { site: "north" }, version: "1.9.0", ...why };
  const made = plan([pin], { ...stack, labels });
  const api = made.changes.filter(({ component }) => component === "api").map(({ host, to }) => `${host} ${to}`);
  assert.deepEqual(api, ["web1 1.9.0", "web2 2.0.0", "web3 1.9.0"]);
  assert.deepEqual(effects([pin], { ...stack, labels }), ["2 hosts get api 1.9.0 instead of 2.0.0"]);
});

test("a host that moves behind what depends on it is refused; behind its peers it goes", () => {
  refused(
    [{ kind: "move", host: "db2", toBatch: 4, ...why }],
    /^api on web1 would go in batch 2 and comes after database, which db2 gets in batch 3$/m,
  );
  assert.deepEqual(switches([{ kind: "move", host: "web1", toBatch: 5, ...why }]), [
    "switch.1 db1: database switch",
    "switch.2 db2: database switch",
    "switch.3 web2: cache switch, api switch",
    "switch.4 web1: cache switch, api switch",
    "switch.4 web3: cache switch, api switch",
  ]);
});

test("moves past the last batch make one behind it, together when they say the same number", () => {
  const moves = ["web1", "web2"].map((host): Edit => ({ kind: "move", host, toBatch: 9, ...why }));
  assert.deepEqual(switches(moves).slice(2), [
    "switch.3 web3: cache switch, api switch",
    "switch.4 web1: cache switch, api switch",
    "switch.4 web2: cache switch, api switch",
  ]);
  assert.deepEqual(effects(moves), ["web1 goes from batch 3 to a batch of its own, the last", "web2 goes from batch 4 to a batch of its own, the last"]); // biome-ignore format: one line
});

test("every switch that was moved or split is still followed at once by the confirm of the same hosts (P8)", () => {
  const { steps } = plan(
    [
      { kind: "move", host: "w1", toBatch: 2, ...why },
      { kind: "split", batch: 2, size: 2, ...why },
    ],
    { components: { api: { hosts: ["w1", "w2", "w3", "w4", "w5"] } }, policy: { batchSize: 4 } },
  );
  const pairs = steps.flatMap((step, at) => (step.kind === "switch" ? [[step, steps[at + 1]] as const] : []));
  assert.deepEqual(
    pairs.map(([step]) => step.work.map(({ host }) => host)),
    [["w1", "w2"], ["w3", "w4"], ["w5"]],
  );
  for (const [step, next] of pairs) {
    assert.deepEqual([next?.kind, next?.batch, next?.work.map(({ host }) => host)], ["confirm", step.batch, step.work.map(({ host }) => host)]); // biome-ignore format: one line
  }
});

test("a gate never vanishes because its batch does: it closes behind what is left, and before the first batch when nothing is", () => {
  const gate = (afterBatch: number): Edit => ({ kind: "gate", name: `g${afterBatch}`, afterBatch, ...why });
  assert.deepEqual(effects([gate(1), gate(5), gate(9)]), [
    "the run waits after batch 1 of 5",
    "the run waits after batch 5 of 5",
    "the run waits after batch 5 of 5; there is no batch 9",
  ]);
  assert.equal(switches([gate(9)]).at(-1), "gate.g9: waits for a person");
  const alone: World = { components: { api: { hosts: ["w1", "w2"] } }, policy: { batchSize: 1 } };
  assert.deepEqual(switches([{ kind: "move", host: "w1", toBatch: 2, ...why }, gate(1)], alone), [
    "gate.g1: waits for a person",
    "switch.1 w1: api switch",
    "switch.1 w2: api switch",
  ]);
});

test("a gate before a phase stands there, and a phase with nothing to do needs none", () => {
  const world: World = { components: { api: { hosts: ["w1"] } } };
  const gate: Edit = { kind: "gate", name: "commit", beforePhase: "commit", ...why };
  assert.deepEqual(
    plan([gate], world)
      .steps.map(({ id }) => id)
      .slice(-2),
    ["gate.commit", "commit"],
  );
  const settled: World = { ...world, observed: { w1: { api: { current: "2.0.0" } } } };
  assert.deepEqual(plan([gate], settled).steps, []);
  assert.deepEqual(effects([gate], settled), ["nothing to do in phase commit, so nothing waits for it"]);
});

test("edits are part of the plan's hash, also those of order and those that do nothing now (P12)", () => {
  const edits: readonly Edit[] = [
    { kind: "hold", host: "web2", component: "api", ...why },
    { kind: "exclude", host: "web2", component: "api", ...why },
    { kind: "move", host: "web1", toBatch: 5, ...why },
    { kind: "split", batch: 7, size: 1, ...why },
    { kind: "gate", name: "look", afterBatch: 1, ...why },
    { kind: "gate", name: "look", afterBatch: 2, ...why },
  ];
  const hashes = [makePlan(planInput(stack)).hash, ...edits.map((edit) => plan([edit]).hash)];
  assert.equal(new Set(hashes).size, hashes.length);
});
