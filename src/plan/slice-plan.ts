// A slice: a part of a plan that is itself a plan, with a hash of its own, and can be run alone (R29). The smallest part is
// what one step does with one component on one host: a switch is never torn from its drain and its health check. Pure.
import { canonicalJson, digestOf } from "../model/digest.ts";
import type { HostWork, Plan, SlicedWork, Step } from "../model/plan.ts";
import { targetOf } from "./balancer-steps.ts";
import { byHostThenComponent, compareText } from "./difference.ts";
import { matchesValue, type SliceTerm, sliceText } from "./parse-slice.ts";
import type { LabelsOf } from "./phases-of-changes.ts";
import { missingBefore } from "./slice-order.ts";
import { type Unit, unitsOf } from "./slice-units.ts";

export interface SliceInput {
  readonly plan: Plan;
  /** Any of them. */
  readonly terms: readonly SliceTerm[];
  readonly labelsOf: LabelsOf;
}

export interface Slice {
  readonly plan: Plan;
  /** Why it must not run alone: a sentence for each thing that has to come before and is not part of it. */
  readonly missing: readonly string[];
}

/**
 * Of each component on each host a slice has the beginning of what the plan does there: it brings what its tasks stand on
 * (bytes, build, checks), and a switch brings its confirm, since without one the host would go back. What comes after, such
 * as the commit, is left and named. What other hosts or components must do before is not brought, but said in `missing`.
 * Gates stay in front of what they were in front of. Undefined when nothing of the plan is meant.
 */
export function slicePlan({ plan, terms, labelsOf }: SliceInput): Slice | undefined {
  const units = unitsOf(plan.steps);
  const asked = new Set(units.filter((unit) => isMeant(unit, { plan, terms, labelsOf })));
  if (asked.size === 0) return undefined;
  const chosen = completed(plan.steps, units, asked);
  const places = new Set([...chosen].map(placeOf));
  const changes = plan.changes.filter((change) => places.has(placeOf(change)));
  const untouched = Map.groupBy(
    plan.changes.filter((change) => !places.has(placeOf(change))),
    ({ component }) => component,
  );
  const steps = stepsWith(plan, chosen);
  const slice = {
    of: plan.hash,
    terms: terms.map(sliceText),
    brought: summary([...chosen].filter((unit) => !asked.has(unit))),
    left: summary(units.filter((unit) => places.has(placeOf(unit)) && !chosen.has(unit))),
    untouched: [...untouched].map(([component, { length: hosts }]) => ({ component, hosts })),
  };
  const { transfers, paths, ...rest } = plan;
  const ownPaths = forHosts(paths ?? [], changes);
  return {
    plan: {
      ...rest,
      changes,
      waiting: [],
      steps,
      ...(transfers === undefined ? {} : { transfers: forHosts(transfers, changes) }),
      ...(ownPaths.length === 0 ? {} : { paths: ownPaths }),
      slice,
      hash: digestOf(canonicalJson({ of: plan.hash, steps: steps.map(stepWords) })),
    },
    missing: missingBefore({ plan, units, chosen }),
  };
}

/** Whether anything of a plan is meant. */
export function meansPart(input: SliceInput): boolean {
  return unitsOf(input.plan.steps).some((unit) => isMeant(unit, input));
}

export function placeOf({ host, component }: { readonly host: string; readonly component: string }): string {
  return `${host}/${component}`;
}

function isMeant({ step, host, component, tasks }: Unit, { plan, terms, labelsOf }: SliceInput): boolean {
  const wordsFor = (key: string): readonly string[] => {
    switch (key) {
      case "phase":
        return [plan.steps[step]?.phase ?? ""];
      case "component":
        return [component];
      case "host":
        return [host];
      case "task":
        return tasks.flatMap(({ id, kind }) => [kind, id.slice(placeOf({ host, component }).length + 1)]);
      default: {
        const label = labelsOf(host)[key];
        return label === undefined ? [] : [label];
      }
    }
  };
  return terms.some((term) => term.every(({ key, value }) => wordsFor(key).some((word) => matchesValue(value, word))));
}

/** Everything up to the last thing that is asked for at each place; with a switch, its confirm. */
function completed(steps: readonly Step[], units: readonly Unit[], asked: ReadonlySet<Unit>): Set<Unit> {
  const chosen = new Set<Unit>();
  for (const mine of Map.groupBy(units, placeOf).values()) {
    const last = mine.findLastIndex((unit) => asked.has(unit));
    const kept = mine.slice(0, last + 1);
    const kindOf = (unit: Unit) => steps[unit.step]?.kind;
    const confirm = mine.findIndex((unit) => kindOf(unit) === "confirm");
    const end = kept.some((unit) => kindOf(unit) === "switch") ? Math.max(confirm + 1, kept.length) : kept.length;
    for (const unit of mine.slice(0, end)) chosen.add(unit);
  }
  return chosen;
}

/** A slice that switches saves what it changes, and what a restore point holds beside the changes of its plan. */
function stepsWith({ steps, changes }: Plan, chosen: ReadonlySet<Unit>): Step[] {
  const bySteps = Map.groupBy(chosen, ({ step }) => step);
  const switches = [...chosen].some((unit) => steps[unit.step]?.kind === "switch");
  const changing = new Set(changes.map(placeOf));
  const last = Math.max(...bySteps.keys());
  return steps.flatMap((step, at): Step[] => {
    if (step.kind === "gate") return at < last ? [step] : [];
    if (step.traffic !== undefined) return trafficOf({ steps, changes }, step, chosen);
    const mine = new Set((bySteps.get(at) ?? []).map(placeOf));
    const isSaved = step.kind === "restore-point" && switches;
    if (mine.size === 0 && !isSaved) return [];
    const work = step.work.flatMap(({ host, groups }): HostWork[] => {
      const kept = groups
        .map((group) => group.filter((task) => mine.has(placeOf(task)) || (isSaved && !changing.has(placeOf(task)))))
        .filter(({ length }) => length > 0);
      return kept.length === 0 ? [] : [{ host, groups: kept }];
    });
    return work.length === 0 ? [] : [{ ...step, work }];
  });
}

/** What balancers do for the chosen switches of the same batch. */
function trafficOf({ steps, changes }: Pick<Plan, "steps" | "changes">, step: Step, chosen: ReadonlySet<Unit>): Step[] {
  const leaving = new Set(changes.flatMap((change) => (change.strategy === "balancer" ? [placeOf(change)] : [])));
  const hosts = new Set(
    [...chosen]
      .filter((unit) => leaving.has(placeOf(unit)))
      .filter((unit) => steps[unit.step]?.kind === "switch" && steps[unit.step]?.batch === step.batch)
      .map(({ host }) => host),
  );
  const work = step.work
    .map(({ host, groups }) => ({
      host,
      groups: groups
        .map((group) => group.filter((task) => hosts.has(targetOf(task) ?? "")))
        .filter((group) => group.length > 0),
    }))
    .filter(({ groups }) => groups.length > 0);
  return work.length === 0 ? [] : [{ ...step, work }];
}

/** Entries for several hosts with those that the changes are about. */
function forHosts<T extends { readonly component: string; readonly hosts: readonly string[] }>(
  entries: readonly T[],
  changes: Plan["changes"],
): T[] {
  const places = new Set(changes.map(placeOf));
  return entries.flatMap((entry) => {
    const hosts = entry.hosts.filter((host) => places.has(placeOf({ host, component: entry.component })));
    return hosts.length === 0 ? [] : [{ ...entry, hosts }];
  });
}

/** One entry for each kind of task of each component, with its hosts. */
function summary(units: readonly Unit[]): SlicedWork[] {
  const tasks = units.flatMap(({ host, component, tasks }) =>
    tasks
      .filter(({ action }) => action === "do")
      .map(({ id }) => {
        return { task: id.slice(placeOf({ host, component }).length + 1), host, component };
      }),
  );
  const groups = Map.groupBy(tasks, ({ task, component }) => `${component} ${task}`);
  return [...groups.values()].flatMap((group): SlicedWork[] => {
    const [first] = group;
    if (first === undefined) return [];
    const hosts = [...new Set(group.sort(byHostThenComponent).map(({ host }) => host))].sort(compareText);
    return [{ task: first.task, component: first.component, hosts }];
  });
}

function stepWords({ id, work }: Step): readonly unknown[] {
  return [
    id,
    work.map(({ groups }) => groups.map((group) => group.map(({ id: task, action }) => `${task} ${action}`))),
  ];
}
