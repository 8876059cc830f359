// Random fleets and releases for properties of the planner: any graph without a circle, any state of hosts, any edits.
import fc from "fast-check";
import { CutoverError } from "../../src/errors.ts";
import type { Plan } from "../../src/model/plan.ts";
import type { Edit } from "../../src/model/plan-edit.ts";
import { builtInProcedure } from "../../src/model/procedure.ts";
import { makePlan, type PlanInput } from "../../src/plan/make-plan.ts";
import type { LabelsOf } from "../../src/plan/phases-of-changes.ts";
import { planInput, type SeenComponent, type WantedComponent, type World } from "./plan-input.ts";

export const componentNames = ["api", "cache", "db", "gateway", "runtime", "worker"];
export const hostNames = ["h1", "h2", "h3", "h4", "h5"];

const seenComponent: fc.Arbitrary<SeenComponent> = fc.constantFrom<SeenComponent>(
  {},
  { current: "1.0.0" },
  { current: "2.0.0" },
  { current: "1.1.0", committed: "1.0.0" },
  { current: "2.0.0", committed: "1.0.0", state: "confirmed" },
  { current: "2.0.0", committed: "1.0.0", state: "trial" },
);
const reason = "somebody wants it so";
const host = fc.constantFrom(...hostNames);
const batch = fc.integer({ min: 1, max: 8 });
const edit: fc.Arbitrary<Edit> = fc.oneof(
  fc.record({ kind: fc.constant("hold" as const), host, reason: fc.constant(reason) }),
  fc.record({
    kind: fc.constantFrom("hold" as const, "exclude" as const),
    host,
    component: fc.constantFrom(...componentNames),
    reason: fc.constant(reason),
  }),
  fc.record({ kind: fc.constant("split" as const), batch, size: fc.integer({ min: 1, max: 3 }), reason: fc.constant(reason) }), // biome-ignore format: one line
  fc.record({ kind: fc.constant("move" as const), host, toBatch: batch, reason: fc.constant(reason) }),
  fc.record({ kind: fc.constant("gate" as const), name: fc.constantFrom("g1", "g2"), afterBatch: batch, reason: fc.constant(reason) }), // biome-ignore format: one line
);

/** Dependencies only on names before it in a random order, and consumers only of names after: so there is no circle. */
export const arbitraryWorld: fc.Arbitrary<World> = fc
  .record({
    order: fc.shuffledSubarray(componentNames, { minLength: 1 }),
    parts: fc.array(
      fc.record({
        hosts: fc.subarray(hostNames, { minLength: 1 }),
        needs: fc.array(fc.nat(), { maxLength: 2 }),
        consumedBy: fc.option(fc.nat(), { nil: undefined, freq: 4 }),
        drain: fc.boolean(),
        backup: fc.boolean(),
        health: fc.boolean(),
      }),
      { minLength: componentNames.length, maxLength: componentNames.length },
    ),
    observed: fc.dictionary(
      host,
      fc.oneof(fc.constant("unreachable" as const), fc.dictionary(fc.constantFrom(...componentNames), seenComponent)),
    ),
    planes: fc.array(fc.constantFrom("control", "network", "data"), { minLength: 5, maxLength: 5 }),
    canaries: fc.nat(2),
    batchSize: fc.constantFrom<number | `${number}%`>(1, 2, 3, "25%", "50%", "100%"),
    edits: fc.array(edit, { maxLength: 3 }),
  })
  .map(({ order, parts, observed, planes, canaries, batchSize, edits }) => {
    const components: Record<string, WantedComponent> = {};
    const consumes = new Map<string, string[]>();
    for (const [index, name] of order.entries()) {
      const { needs = [], hosts = [], consumedBy, ...flags } = parts[index] ?? {};
      const below = index === 0 ? [] : [...new Set(needs.map((need) => order[need % index] ?? ""))];
      const consumer = consumedBy === undefined || index === 0 ? undefined : order[consumedBy % index];
      if (consumer !== undefined) consumes.set(consumer, [...(consumes.get(consumer) ?? []), name]);
      components[name] = { hosts, dependsOn: below, ...flags };
    }
    for (const [name, list] of consumes) components[name] = { hosts: [], ...components[name], consumes: list };
    const labels = Object.fromEntries(hostNames.map((name, at) => [name, { plane: planes[at] ?? "data", site: at % 2 === 0 ? "north" : "south" }])); // biome-ignore format: one line
    const known = edits.filter((each, at) => isKnown(each, { components, before: edits.slice(0, at) }));
    return {
      components,
      observed,
      labels,
      policy: { canaries, batchSize },
      ...(known.length === 0 ? {} : { edits: known }),
    };
  });

/** Edits of what is not there, or twice of the same, are refused in their documents already. */
function isKnown(
  each: Edit,
  { components, before }: { components: Record<string, WantedComponent>; before: readonly Edit[] },
): boolean {
  const here = Object.values(components).flatMap(({ hosts }) => hosts);
  if ("host" in each && each.host !== undefined && !here.includes(each.host)) return false;
  if ("component" in each && each.component !== undefined) {
    if (!components[each.component]?.hosts.includes("host" in each ? (each.host ?? "") : "")) return false;
  }
  const keyOf = (edit: Edit) =>
    edit.kind === "move"
      ? edit.host
      : edit.kind === "split"
        ? edit.batch
        : edit.kind === "gate"
          ? edit.name
          : undefined;
  return !before.some(
    (other) => other.kind === each.kind && keyOf(other) !== undefined && keyOf(other) === keyOf(each),
  );
}

/** Every other world goes by the built-in Procedure, in phases by the label `plane`. */
export function worldInput(world: World): PlanInput {
  const inPhases = world.policy?.canaries !== 1;
  return { ...planInput(world), labelsOf: labelsOfWorld(world), ...(inPhases ? { procedure: builtInProcedure } : {}) };
}

export function labelsOfWorld({ labels = {} }: World): LabelsOf {
  return (name) => labels[name] ?? {};
}

/** Undefined where the planner refuses: an edit or the Procedure breaks a dependency. */
export function planOrRefusal(input: PlanInput): Plan | undefined {
  try {
    return makePlan(input);
  } catch (error) {
    if (error instanceof CutoverError && ["plan-edit-refused", "procedure-breaks-order"].includes(error.code))
      return undefined;
    throw error;
  }
}
