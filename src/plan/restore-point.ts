// The step that saves several components at one moment, before anything of the plan touches their data, and the one that puts
// them back when the whole run is taken back (R17). Pure.
import { CutoverError, ExitCode } from "../errors.ts";
import type { DesiredRelease } from "../model/desired.ts";
import type { Observation } from "../model/observation.ts";
import type { Held, PlannedChange, Step } from "../model/plan.ts";
import type { RestorePointPart } from "../model/restore-point.ts";
import type { Task } from "../model/task.ts";
import { byHostThenComponent, compareText, type DifferenceInput, publishedVersion } from "./difference.ts";
import { makeTask } from "./host-tasks.ts";
import { idsOfWayBack } from "./make-rollback.ts";

export interface RestorePointInput {
  readonly release: DesiredRelease;
  readonly changes: readonly PlannedChange[];
  readonly held: readonly Held[];
  readonly observations: ReadonlyMap<string, Observation>;
  readonly published: DifferenceInput["published"];
}

/**
 * The steps with that one before the first that runs tasks or switches; as they were where the release asks for none, or
 * nothing switches. Components that do not change are saved as well, on hosts that are not left alone. Throws
 * `nothing-to-save` when a contract saves nothing.
 */
export function withRestorePoint(steps: readonly Step[], input: RestorePointInput): readonly Step[] {
  const place = steps.findIndex(({ kind }) => kind === "task" || kind === "switch");
  const next = steps[place];
  if (next === undefined || input.release.restorePoint === undefined || !steps.some(({ kind }) => kind === "switch"))
    return steps;
  const parts = partsOf(input);
  const byHost = Map.groupBy(parts, ({ host }) => host);
  const work = [...byHost]
    .sort(([a], [b]) => compareText(a, b))
    .map(([host, mine]) => ({ host, groups: [mine.map((part) => makeTask(part, "backup"))] }));
  if (work.length === 0) return steps;
  const step: Step = { id: "restore-point", kind: "restore-point", phase: next.phase, batch: 0, work, soakSeconds: 0 };
  return [...steps.slice(0, place), step, ...steps.slice(place)];
}

interface Part {
  readonly host: string;
  readonly component: string;
  /** The version whose contract says what is saved. */
  readonly to: string;
}

function partsOf({ release, changes, held, observations, published }: RestorePointInput): Part[] {
  const names = new Set(release.restorePoint?.components);
  const alone = new Set(held.map(({ host }) => host));
  const changing = changes.filter(({ component }) => names.has(component));
  const places = new Set(changing.map(({ host, component }) => `${host}/${component}`));
  const settled = release.components.flatMap(({ name: component, targets }) => {
    if (!names.has(component)) return [];
    return targets.flatMap(({ host, version: to, held: byEdit, excluded }): Part[] => {
      if (byEdit !== undefined || excluded !== undefined) return [];
      const observation = observations.get(host);
      const runs =
        observation?.kind === "observed" &&
        observation.components.some((seen) => seen.component === component && seen.current === to);
      return runs && !alone.has(host) && !places.has(`${host}/${component}`) ? [{ host, component, to }] : [];
    });
  });
  const parts = [...changing, ...settled].sort(byHostThenComponent);
  const empty = parts.filter(({ component, to }) => !publishedVersion(published, component, to).hasBackup);
  if (empty.length > 0) throw nothingToSave(release.name, empty);
  return parts;
}

function nothingToSave(release: string, parts: readonly Part[]): CutoverError {
  const versions = [...new Set(parts.map(({ component, to }) => `${component} ${to}`))].sort(compareText);
  return new CutoverError({
    code: "nothing-to-save",
    message: `The restore point of ${release} names components whose contracts save nothing`,
    exitCode: ExitCode.refused,
    evidence: versions.join(", "),
    impact: "Nothing was changed on any host",
    remedy: "Give these components `backup` or `backupTask` and publish them again, or take them out of restore_point",
  });
}

/**
 * Every part that was taken is put back where nothing has done so. The way back of a trial does it where it is told of the restore point, or
 * nothing else was saved there; the host knows. What an earlier way back of the run put back has been written to since. Undefined when no
 * point was taken, or nothing is left.
 */
export function putBackStep(
  steps: readonly Step[],
  {
    point,
    run,
    nth,
    isPutBack,
  }: {
    readonly point:
      | { readonly id: string; readonly parts: readonly Pick<RestorePointPart, "host" | "component">[] }
      | undefined;
    readonly run: string;
    /** Counts the ways back of the run, from 1. */
    readonly nth: number;
    /** Whether a host has done that step. */
    readonly isPutBack: (step: string, host: string) => boolean;
  },
): Step | undefined {
  const step = steps.find(({ kind }) => kind === "restore-point");
  if (step === undefined || point === undefined) return undefined;
  const undo = (task: Task): Task => {
    return { ...task, action: "undo", options: { point: point.id, "trial-run": run } };
  };
  const taken = new Set(point.parts.map(({ host, component }) => `${host}/${component}`));
  const isPart = ({ host, component }: Task) => taken.has(`${host}/${component}`);
  const idOf = (way: number) => `${idsOfWayBack(way)}${step.id}`;
  const earlier = Array.from({ length: nth - 1 }, (_, index) => idOf(index + 1));
  const work = step.work
    .filter(({ host }) => !earlier.some((id) => isPutBack(id, host)))
    .map(({ host, groups }) => ({ host, groups: groups.map((group) => group.filter(isPart).map(undo)) }))
    .filter(({ groups }) => groups.flat().length > 0);
  return nth > 1 && work.length === 0 ? undefined : { ...step, id: idOf(nth), kind: "task", work };
}
