// A part of a plan beside runs that are open. It is all that was asked for, so no other run is taken up for it; and beside an open
// run of the same release it is refused, unless that is the run of this very part.
import { CutoverError } from "../errors.ts";
import type { Desired, DesiredRelease } from "../model/desired.ts";
import type { Plan } from "../model/plan.ts";
import { matchesValue, type SliceTerm, sliceText } from "../plan/parse-slice.ts";
import { labelsOf } from "./release-context.ts";
import { carriesOut, type StandingRun } from "./standing-runs.ts";

interface SliceBesideRuns {
  readonly desired: Pick<Desired, "releases" | "hosts" | "generation">;
  readonly terms: readonly SliceTerm[];
  readonly open: readonly StandingRun[];
}

export interface SliceStart {
  /** Runs of this very part, which go on. */
  readonly goOn: readonly StandingRun[];
  /** Releases of which the part is to be planned. */
  readonly due: readonly DesiredRelease[];
}

/** Throws `run-open`, before anything is driven, when a run of a release stands open of which the slice means a part. */
export function startSlice({ desired, terms, open }: SliceBesideRuns): SliceStart {
  const inTheWay = runsInTheWay({ desired, terms, open });
  if (inTheWay.length > 0) throw runOpenError(inTheWay);
  const goOn = open.filter((run) => isOfSlice(run, { desired, terms }));
  const busy = new Set(open.map(({ plan }) => plan.release));
  return { goOn, due: desired.releases.filter(({ name }) => !busy.has(name)) };
}

/** Of the releases that the slice means a part of. */
export function runsInTheWay({ desired, terms, open }: SliceBesideRuns): StandingRun[] {
  const labels = labelsOf(desired.hosts);
  const meant = new Set(desired.releases.filter((release) => isMeant(release, terms, labels)).map(({ name }) => name));
  return open.filter((run) => meant.has(run.plan.release) && !isOfSlice(run, { desired, terms }));
}

/** A run of this very part of the plan that these documents ask for. */
export function isOfSlice(
  run: StandingRun,
  {
    desired: { generation },
    terms,
  }: Pick<SliceBesideRuns, "terms"> & { readonly desired: Pick<Desired, "generation"> },
): boolean {
  return carriesOut(run, { release: run.plan.release, generation }) && hasTerms(run.plan, terms);
}

/** Several terms mean any of them, in whatever order they were typed. */
function hasTerms({ slice }: Plan, terms: readonly SliceTerm[]): boolean {
  return slice !== undefined && [...slice.terms].sort().join("\n") === terms.map(sliceText).sort().join("\n");
}

/** Every release may have each phase and each task: those are known only by its plan. */
function isMeant({ components }: DesiredRelease, terms: readonly SliceTerm[], labels: ReturnType<typeof labelsOf>) {
  return terms.some((term) =>
    components.some(({ name, targets }) =>
      targets.some(({ host }) =>
        term.every(({ key, value }) => {
          if (key === "phase" || key === "task") return true;
          const word = key === "component" ? name : key === "host" ? host : labels(host)[key];
          return word !== undefined && matchesValue(value, word);
        }),
      ),
    ),
  );
}

function runOpenError(open: readonly StandingRun[]): CutoverError {
  const [first, ...others] = open;
  const words = ({ plan, trouble }: StandingRun) => `${plan.release} has an open run: ${trouble.message}`;
  return new CutoverError({
    code: "run-open",
    message: first === undefined ? "A run is open" : words(first),
    ...(others.length === 0 ? {} : { evidence: others.map(words).join("\n") }),
    impact: "No part of a plan is run beside an open run of its release: nothing was changed, and no run was driven on",
    remedy: `${first?.trouble.next ?? "cutover status"}; then the same command again`,
  });
}
