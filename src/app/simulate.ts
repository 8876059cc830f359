// `cutover simulate`: the production planner, driver and journal code in simulated worlds, from seeds alone. Touches no host.
import { readFile, stat } from "node:fs/promises";
import { didYouMean, meantName } from "../desired/nearest.ts";
import { UsageError } from "../errors.ts";
import type { Component } from "../model/component.ts";
import type { DesiredRelease } from "../model/desired.ts";
import type { Plan } from "../model/plan.ts";
import { makeScenario } from "../simulate/make-scenario.ts";
import { type FaultKind, faultKinds, type Scenario } from "../simulate/scenario.ts";
import {
  plainTraits,
  type SimulatedTraits,
  scenarioOfPlan,
  scenarioOfRelease,
} from "../simulate/scenario-of-release.ts";
import { type SimulationProgress, type SimulationResult, simulateSeeds } from "../simulate/simulate-seeds.ts";
import { validateDirectory } from "./validate.ts";

export interface SimulateRequest {
  /** A directory of documents, or a file that `cutover plan --json` wrote; undefined: fleets from the seed. */
  readonly source: string | undefined;
  readonly firstSeed: number;
  readonly seeds: number;
  readonly hosts: number | undefined;
  readonly faults: readonly string[] | undefined;
  /** Called after every seed; false stops. */
  readonly onSeed?: (progress: SimulationProgress) => boolean;
}

export type { SimulationProgress, SimulationResult };

/** Runs until a promise breaks or the seeds are through. Throws UsageError for what cannot be simulated. */
export async function simulate(request: SimulateRequest): Promise<SimulationResult> {
  const { firstSeed, seeds, onSeed } = request;
  const scenarioOf = await scenarioSource(request);
  return simulateSeeds({ firstSeed, seeds, scenarioOf, ...(onSeed === undefined ? {} : { onSeed }) });
}

async function scenarioSource({ source, hosts, faults: words }: SimulateRequest): Promise<(seed: number) => Scenario> {
  const faults = words?.map(faultKind);
  if (source === undefined) return (seed) => makeScenario({ seed, hosts, faults });
  if (hosts !== undefined)
    throw new UsageError(
      "--hosts says how many hosts a fleet from the seed has; a plan and documents name theirs",
      `cutover simulate ${source}`,
    );
  const entry = await stat(source).catch(() => undefined);
  if (entry === undefined)
    throw new UsageError(`${source} is neither a directory nor a file`, "cutover simulate releases");
  if (!entry.isDirectory()) {
    const plan = findPlan(source, await readFile(source, "utf8"));
    return (seed) => scenarioOfPlan(plan, { seed, faults });
  }
  const { releases, traitsOf } = await readReleases(source);
  return (seed) => {
    // One release after the other, each with every seed once as many seeds as releases have passed.
    const release = releases[seed % releases.length];
    if (release === undefined) throw new UsageError(`${source} holds no release`, "cutover validate");
    return scenarioOfRelease({ release, traitsOf, seed, faults });
  };
}

function faultKind(word: string): FaultKind {
  const kind = faultKinds.find((each) => each === word);
  if (kind === undefined) {
    const meant = meantName(word, faultKinds);
    throw new UsageError(
      `there is no fault ${word}; there are ${faultKinds.join(", ")}${didYouMean(meant)}`,
      `cutover simulate --faults ${meant ?? "crash,cut"}`,
    );
  }
  return kind;
}

/** The plan itself, a document with one, or the first that moves something of `cutover plan --json`. */
function findPlan(file: string, text: string): Plan {
  let read: unknown;
  try {
    read = JSON.parse(text);
  } catch (error) {
    throw new UsageError(`${file} is not JSON: ${error instanceof Error ? error.message : String(error)}`, remedy);
  }
  const candidates = [read, field(read, "plan"), ...[field(read, "plans") ?? []].flat()];
  const plan = candidates.find((each): each is Plan => isPlan(each) && each.changes.length > 0);
  if (plan === undefined)
    throw new UsageError(
      `${file} holds no plan that changes something`,
      candidates.some(isPlan) ? "cutover simulate work/releases, for what documents ask for in all" : remedy,
    );
  return plan;
}

const remedy = "cutover plan --json > plan.json; cutover simulate plan.json";

function field(value: unknown, name: string): unknown {
  return typeof value === "object" && value !== null && name in value
    ? (value as Record<string, unknown>)[name]
    : undefined;
}

function isPlan(value: unknown): value is Plan {
  return Array.isArray(field(value, "changes")) && Array.isArray(field(value, "steps"));
}

async function readReleases(directory: string): Promise<{
  readonly releases: readonly DesiredRelease[];
  readonly traitsOf: (component: string) => SimulatedTraits;
}> {
  const { desired, diagnostics, components } = await validateDirectory(directory);
  if (desired === undefined || diagnostics.some(({ severity }) => severity === "error"))
    throw new UsageError(`the documents in ${directory} are not valid`, `cutover validate ${directory}`);
  const releases = desired.releases.filter((release) => release.components.some(({ targets }) => targets.length > 0));
  if (releases.length === 0)
    throw new UsageError(`no release in ${directory} names a host`, `cutover validate ${directory}`);
  const traits = new Map(components.map((component) => [component.name, traitsOf(component)]));
  return { releases, traitsOf: (component) => traits.get(component) ?? plainTraits };
}

function traitsOf({ manager, drain, backup, health, tasks, deadlineSeconds }: Component): SimulatedTraits {
  return {
    manager: manager === "systemd" ? "systemd" : "process",
    hasDrain: drain !== undefined,
    hasBackup: backup !== undefined && backup.length > 0,
    hasHealth: health.length > 0,
    deadlineSeconds,
    tasks: tasks.map(({ name, at, scope, undo }) => {
      return { name, ...(at === undefined ? {} : { at }), scope, hasUndo: undo !== undefined, canDryRun: false };
    }),
  };
}
