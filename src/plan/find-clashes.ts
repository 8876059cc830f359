// Pairs of versions that may not run at the same time, and where a plan would have them do so: looked for at every point of
// it. Within a step any host may be on either side; one host's own components move in their order. A way back passes the
// same points in reverse, so it needs no look of its own. Near-linear in hosts: they are sets by version. Pure.
import type { Step } from "../model/plan.ts";
import {
  addVersion,
  copyVersions,
  type MovingVersions,
  type RunningVersions,
  settleVersion,
  switchesOf,
  type VersionPlace,
} from "./running-versions.ts";

export interface PairRule {
  /** Equal names: about one component on several hosts. */
  readonly left: string;
  readonly right: string;
  /** `host`: only what meets on one host counts. */
  readonly scope: "fleet" | "host";
  /** Why these two versions may not run at the same time; undefined when they may. */
  problem(left: string, right: string): string | undefined;
}

export interface Clash<Rule extends PairRule = PairRule> {
  readonly rule: Rule;
  /** The step during which both may run. */
  readonly step: string;
  readonly left: { readonly version: string; readonly host: string };
  readonly right: { readonly version: string; readonly host: string };
  readonly problem: string;
}

interface ClashInput<Rule extends PairRule> {
  readonly steps: readonly Step[];
  readonly running: RunningVersions;
  readonly rules: readonly Rule[];
}

/** The first place of each forbidden pair, in order of the plan. A pair that is there before anything moves is not the plan's doing. */
export function findClashes<Rule extends PairRule>({ steps, running, rules: all }: ClashInput<Rule>): Clash<Rule>[] {
  const rules = suspects({ steps, running, rules: all });
  if (rules.length === 0) return [];
  const components = new Set(rules.flatMap(({ left, right }) => [left, right]));
  const state = copyVersions(running);
  const pairs = new Map(rules.map((rule) => [rule, memo(rule)]));
  const known = new Set<string>();
  const found: Clash<Rule>[] = [];
  /** `step` undefined: before anything moves. */
  const look = (step: string | undefined, rule: Rule, { left, right }: Sides): void => {
    const problem = pairs.get(rule)?.(left.version, right.version);
    const versions = [left.version, right.version];
    if (rule.left === rule.right) versions.sort();
    const key = `${rules.indexOf(rule)} ${versions.join(" ")}`;
    if (problem === undefined || known.has(key)) return;
    known.add(key);
    if (step !== undefined) found.push({ rule, step, left, right, problem });
  };
  const everywhere = (step: string | undefined): void => {
    for (const rule of rules)
      for (const [left, leftHosts] of state.get(rule.left) ?? [])
        for (const [right, rightHosts] of state.get(rule.right) ?? []) {
          if (pairs.get(rule)?.(left, right) === undefined) continue;
          const hosts = meeting(rule, { leftHosts, rightHosts, isMoving: step !== undefined });
          if (hosts === undefined) continue;
          look(step, rule, { left: { version: left, host: hosts[0] }, right: { version: right, host: hosts[1] } });
        }
  };
  everywhere(undefined);
  for (const step of steps) {
    const switches = switchesOf(step, components);
    if (switches.size === 0) continue;
    for (const [host, series] of switches)
      for (const pair of ownPairs(state, { host, series, rules })) look(step.id, pair.rule, pair);
    for (const place of [...switches.values()].flat(2)) addVersion(state, place);
    everywhere(step.id);
    for (const place of [...switches.values()].flat(2)) settleVersion(state, place);
  }
  return found;
}

/** Rules that forbid some two of the versions that run at any time: mostly none, and then nobody has to walk the plan. */
function suspects<Rule extends PairRule>({ steps, running, rules }: ClashInput<Rule>): Rule[] {
  const versions = new Map([...running].map(([component, found]) => [component, new Set(found.keys())]));
  for (const { work } of steps)
    for (const { groups } of work)
      for (const group of groups)
        for (const { kind, action, component, version } of group)
          if (kind === "switch" && action === "do") versions.get(component)?.add(version);
  return rules.filter((rule) =>
    [...(versions.get(rule.left) ?? [])].some((left) =>
      [...(versions.get(rule.right) ?? [])].some((right) => rule.problem(left, right) !== undefined),
    ),
  );
}

type Sides = Pick<Clash, "left" | "right">;

/** Two hosts on which both run. While nothing moves one host may be both; during a step its own order decides. */
function meeting(
  { left, right, scope }: PairRule,
  {
    leftHosts,
    rightHosts,
    isMoving,
  }: { leftHosts: ReadonlySet<string>; rightHosts: ReadonlySet<string>; isMoving: boolean },
): readonly [string, string] | undefined {
  if (!isMoving && left !== right) {
    const [small, large] = leftHosts.size < rightHosts.size ? [leftHosts, rightHosts] : [rightHosts, leftHosts];
    for (const host of small) if (large.has(host)) return [host, host];
  }
  if (scope === "host") return undefined;
  const [a] = leftHosts;
  const [b, second] = rightHosts;
  if (a === undefined || b === undefined) return undefined;
  if (a !== b) return [a, b];
  if (second !== undefined) return [a, second];
  const [, other] = leftHosts;
  return other === undefined ? undefined : [other, b];
}

/** Pairs that one host passes through by its own order: each group moves after the one before it, its members side by side. */
function* ownPairs<Rule extends PairRule>(
  state: MovingVersions,
  { host, series, rules }: { host: string; series: readonly (readonly VersionPlace[])[]; rules: readonly Rule[] },
): Generator<Sides & { readonly rule: Rule }> {
  const here = new Map<string, readonly string[]>();
  const versionsOf = (component: string): readonly string[] => {
    const known =
      here.get(component) ??
      [...(state.get(component) ?? [])].flatMap(([version, hosts]) => (hosts.has(host) ? [version] : []));
    here.set(component, known);
    return known;
  };
  for (const group of series) {
    for (const { component, version } of group) here.set(component, [...new Set([...versionsOf(component), version])]);
    const moved = new Set(group.map(({ component }) => component));
    for (const rule of rules) {
      if (rule.left === rule.right || !(moved.has(rule.left) || moved.has(rule.right))) continue;
      for (const left of versionsOf(rule.left))
        for (const right of versionsOf(rule.right))
          yield { rule, left: { version: left, host }, right: { version: right, host } };
    }
    for (const { component, version } of group) here.set(component, [version]);
  }
}

/** A rule's answers: versions are few, hosts are many. */
function memo(rule: PairRule): (left: string, right: string) => string | undefined {
  const known = new Map<string, string | undefined>();
  return (left, right) => {
    const key = `${left} ${right}`;
    if (!known.has(key)) known.set(key, rule.problem(left, right));
    return known.get(key);
  };
}
