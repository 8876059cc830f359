// A part of a plan beside runs that are open. It is all that was asked for, so no other run is taken up for it; and beside an open
// run of the same release it is refused, unless that is the run of this very part.
import { CutoverError } from "../errors.ts";
import type { Desired, DesiredRelease } from "../model/desired.ts";
import type { Plan } from "../model/plan.ts";
import { matchesValue, type SliceTerm, sliceText } from "../plan/parse-slice.ts";
import { meansPart } from "../plan/slice-plan.ts";
import { labelsOf } from "./release-context.ts";
import type { StandingRun } from "./standing-runs.ts";

interface SliceBesideRuns {
  readonly desired: Pick<Desired, "releases" | "hosts">;
  readonly terms: readonly SliceTerm[];
  readonly open: readonly StandingRun[];
}

export interface SliceStart {
  /** Runs of this very part, which go on. */
  readonly goOn: readonly StandingRun[];
  /** Releases of which the part is to be planned. */
  readonly due: readonly DesiredRelease[];
  /** Of releases that are meant, and have nothing of the part left to do before their open run has ended. */
  readonly behind: readonly StandingRun[];
}

/** Throws `run-open`, before anything is driven, when a run of a release stands open of which the slice means a part. */
export function startSlice({ desired, terms, open }: SliceBesideRuns): SliceStart {
  const inTheWay = runsInTheWay({ desired, terms, open });
  if (inTheWay.length > 0) throw runOpenError(inTheWay, terms);
  const goOn = open.filter((run) => isOfSlice(run, terms));
  const busy = new Set(open.map(({ plan }) => plan.release));
  const due = desired.releases.filter(({ name }) => !busy.has(name));
  return { goOn, due, behind: runsBehind({ desired, terms, open }) };
}

/** Of the releases that the slice means a part of. */
export function runsInTheWay(input: SliceBesideRuns): StandingRun[] {
  const labels = labelsOf(input.desired.hosts);
  return runsMeant(input).flatMap(({ run, terms }) => (terms.some((term) => isLeft(run, term, labels)) ? [run] : []));
}

/** One for each release that has nothing of the part left, by the open runs that it has: they have it behind them, or never had it. */
export function runsBehind(input: SliceBesideRuns): StandingRun[] {
  const others = [...runsInTheWay(input), ...input.open.filter((run) => isOfSlice(run, input.terms))];
  const busy = new Set(others.map(({ plan }) => plan.release));
  const behind = new Map<string, StandingRun>();
  for (const { run } of runsMeant(input)) if (!busy.has(run.plan.release)) behind.set(run.plan.release, run);
  return [...behind.values()];
}

/** Runs of other parts, with the terms that mean something of their releases. */
function runsMeant({ desired, terms, open }: SliceBesideRuns): { run: StandingRun; terms: readonly SliceTerm[] }[] {
  const labels = labelsOf(desired.hosts);
  const releases = new Map(desired.releases.map((release) => [release.name, release]));
  return open.flatMap((run) => {
    const release = releases.get(run.plan.release);
    if (release === undefined || isOfSlice(run, terms)) return [];
    const meant = terms.filter((term) => isMeant(release, term, labels));
    return meant.length === 0 ? [] : [{ run, terms: meant }];
  });
}

/** A run of this very part of the plan of its release, of whichever documents: it goes on with its own plan. */
export function isOfSlice(run: StandingRun, terms: readonly SliceTerm[]): boolean {
  return !run.isWayBack && hasTerms(run.plan, terms);
}

/** Several terms mean any of them, in whatever order they were typed. */
function hasTerms({ slice }: Plan, terms: readonly SliceTerm[]): boolean {
  return slice !== undefined && [...slice.terms].sort().join("\n") === terms.map(sliceText).sort().join("\n");
}

const isOfPlan = ({ key }: SliceTerm[number]): boolean => key === "phase" || key === "task";

/** Every release may have each phase and each task: those are known only by its plan. */
function isMeant({ components }: DesiredRelease, term: SliceTerm, labels: ReturnType<typeof labelsOf>): boolean {
  return components.some(({ name, targets }) =>
    targets.some(({ host }) =>
      term.every((condition) => {
        const { key, value } = condition;
        if (isOfPlan(condition)) return true;
        const word = key === "component" ? name : key === "host" ? host : labels(host)[key];
        return word !== undefined && matchesValue(value, word);
      }),
    ),
  );
}

/** A phase or a task that a run has behind it, or never had, is none of its own. */
function isLeft({ plan, left }: StandingRun, term: SliceTerm, labels: ReturnType<typeof labelsOf>): boolean {
  return !term.some(isOfPlan) || meansPart({ plan: { ...plan, steps: left }, terms: [term], labelsOf: labels });
}

function runOpenError(open: readonly StandingRun[], terms: readonly SliceTerm[]): CutoverError {
  const [first, ...others] = open;
  const words = ({ plan, trouble }: StandingRun) => `${plan.release} has an open run: ${trouble.message}`;
  return new CutoverError({
    code: "run-open",
    message: first === undefined ? "A run is open" : words(first),
    ...(others.length === 0 ? {} : { evidence: others.map(words).join("\n") }),
    impact: `No part of a plan is run beside an open run of its release: nothing was changed, and no run was driven on${hintOf(terms)}`,
    remedy: first?.trouble.next ?? "cutover status",
  });
}

/** A phase or a task alone means those of every release. */
function hintOf(terms: readonly SliceTerm[]): string {
  if (terms.every((term) => term.some(({ key }) => key === "component"))) return "";
  return ". If only another release is meant: add component=NAME to --slice";
}
