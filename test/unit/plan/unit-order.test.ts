// The order of the hosts' units in a plan (R28): respected where the release says nothing, shown where it says otherwise.
import assert from "node:assert/strict";
import { test } from "node:test";
import type { DesiredComponent } from "../../../src/model/desired.ts";
import { plainProcedure } from "../../../src/model/procedure.ts";
import { assessRisk } from "../../../src/plan/assess-risk.ts";
import { makePlan, type PlanInput } from "../../../src/plan/make-plan.ts";
import { orderByUnits } from "../../../src/plan/unit-order.ts";
import { planInput } from "../../support/plan-input.ts";

function withUnits(
  components: Readonly<Record<string, readonly string[]>>,
  units: Readonly<Record<string, readonly string[]>>,
) {
  const hosts = Object.keys(units);
  const world = Object.entries(components).map(([name, dependsOn]) => [name, { hosts, dependsOn }] as const);
  return planInput({ components: Object.fromEntries(world), units });
}

const askOrder = ({ release, observations }: PlanInput) =>
  orderByUnits({ components: release.components, observations });
const needs = (components: readonly DesiredComponent[]) =>
  Object.fromEntries(components.map(({ name, dependsOn }) => [name, dependsOn]));
const brief = ({ findings }: ReturnType<typeof orderByUnits>) =>
  findings.map(({ kind, component, after, hosts }) => `${kind}: ${component} after ${after} on ${hosts.join(" ")}`);

test("R28: where the release says nothing, units that come after or need others are an order of components", () => {
  const input = withUnits(
    { api: [], cache: [], database: [] },
    { h1: ["api After database", "api Requires database", "cache Wants database"], h2: ["api After database"] },
  );
  const ordered = askOrder(input);
  assert.deepEqual(needs(ordered.components), { api: ["database"], cache: ["database"], database: [] });
  assert.deepEqual(ordered.findings, [
    {
      kind: "respected",
      component: "api",
      after: "database",
      directives: ["api.service After=database.service", "api.service Requires=database.service"],
      hosts: ["h1", "h2"],
    },
    {
      kind: "respected",
      component: "cache",
      after: "database",
      directives: ["cache.service Wants=database.service"],
      hosts: ["h1"],
    },
  ]);
});

test("R28: where units say the contrary of the release, also through another component, the release counts and both are shown", () => {
  const input = withUnits(
    { api: ["cache"], cache: ["database"], database: [] },
    { h1: ["api After cache", "database After api"], h2: [] },
  );
  const ordered = askOrder(input);
  assert.deepEqual(needs(ordered.components), needs(input.release.components));
  assert.deepEqual(brief(ordered), ["contradicts: database after api on h1"], "what agrees is no news");
});

test("R28: hosts that disagree, and orders that lead round in a circle, are shown and none of them is taken", () => {
  const input = withUnits(
    { api: [], cache: [], database: ["cache"], worker: [] },
    { h1: ["api After database", "cache After api", "worker After api"], h2: ["api After worker"] },
  );
  const ordered = askOrder(input);
  assert.deepEqual(needs(ordered.components), { api: [], cache: [], database: ["cache"], worker: [] });
  assert.deepEqual(brief(ordered), [
    "circle: api after database on h1",
    "circle: api after worker on h2",
    "circle: cache after api on h1",
    "circle: worker after api on h1",
  ]);
});

test("R28: a unit that pulls in another one which starts after it does not come after it", () => {
  const input = withUnits({ api: [], worker: [] }, { h1: ["api Requires worker", "worker After api"] });
  assert.deepEqual(brief(askOrder(input)), ["respected: worker after api on h1"]);
  const several = withUnits({ api: [], worker: [] }, { h1: ["api/x Requires worker", "worker After api/y"] });
  assert.deepEqual(
    brief(askOrder(several)),
    ["circle: api after worker on h1", "circle: worker after api on h1"],
    "of other units nothing is said",
  );
});

test("P12: the order in which hosts are told of changes nothing; components that the release does not have there say nothing", () => {
  const input = withUnits(
    { api: [], database: [] },
    { h1: ["api After database", "api After elsewhere", "elsewhere After api"], h2: ["api Wants database"] },
  );
  const reversed = { ...input, observations: new Map([...input.observations].reverse()) };
  assert.equal(JSON.stringify(askOrder(reversed)), JSON.stringify(askOrder(input)));
  assert.deepEqual(brief(askOrder(input)), ["respected: api after database on h1 h2"]);
});

test("first installs and hosts with an older host.sh say nothing, and nothing changes", () => {
  const input = withUnits({ api: [], database: [] }, { h1: [] });
  const ordered = askOrder(input);
  assert.equal(ordered.components, input.release.components);
  assert.deepEqual(ordered.findings, []);
});

const switched = ({ steps }: ReturnType<typeof makePlan>) =>
  steps.flatMap(({ kind, work }) =>
    kind === "switch" ? [work.flatMap(({ groups }) => groups.flat().map(({ id }) => id))] : [],
  );

test("R28: a plan moves components of one host in the order of their units, and shows where that is from", () => {
  const said = withUnits({ api: [], database: [] }, { h1: ["api After database"] });
  const plan = makePlan(said);
  assert.deepEqual(switched(plan), [["h1/database/switch", "h1/api/switch"]]);
  assert.deepEqual(plan.unitOrder, askOrder(said).findings);
  assert.deepEqual(assessRisk({ plan, traits: new Map() }), [], "what is respected is no risk");
  const silent = makePlan(withUnits({ api: [], database: [] }, { h1: [] }));
  assert.deepEqual(switched(silent), [["h1/api/switch", "h1/database/switch"]]);
  assert.equal(plan.hash, silent.hash, "an edited unit changes nothing that was agreed to");
  assert.equal(silent.unitOrder, undefined);
});

test("R28: a contradiction is a risk that names hosts, unit and directive, as long as both components change", () => {
  const components = { api: ["database"], database: [] };
  const plan = makePlan(withUnits(components, { h1: ["database After api"], h2: ["database After api"] }));
  assert.deepEqual(switched(plan)[0], ["h1/database/switch", "h1/api/switch"], "the release counts");
  assert.deepEqual(assessRisk({ plan, traits: new Map() }), [
    {
      kind: "risky",
      component: "database",
      reason: "unit-order",
      text: "database moves before api, as the release or its Procedure says; the hosts' units say database.service After=api.service",
      hosts: ["h1", "h2"],
    },
  ]);
  const settled = planInput({
    components: { api: { hosts: ["h1"], dependsOn: ["database"] }, database: { hosts: ["h1"] } },
    observed: { h1: { database: { current: "2.0.0" } } },
    units: { h1: ["database After api"] },
  });
  assert.equal(makePlan(settled).unitOrder, undefined);
});

test("R28: units that contradict the Procedure's phases hold up no plan: the phases count, and the plan shows both", () => {
  const said = withUnits({ api: [], database: [] }, { h1: ["api After database"] });
  const plain = plainProcedure.phases.flatMap((phase) =>
    phase.name === "switch" ? [{ ...phase, name: "front", components: ["api"] }, phase] : [phase],
  );
  const plan = makePlan({ ...said, procedure: { ...plainProcedure, phases: plain } });
  assert.deepEqual(switched(plan), [["h1/api/switch"], ["h1/database/switch"]]);
  assert.deepEqual(plan.unitOrder?.map(({ kind }) => kind), ["contradicts"]); // biome-ignore format: one line
});
