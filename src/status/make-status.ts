// From a release's plan, run and read-back observations to its published Status. Pure.
import type { DesiredRelease } from "../model/desired.ts";
import type { Observation } from "../model/observation.ts";
import type { Plan } from "../model/plan.ts";
import type { RestorePoint } from "../model/restore-point.ts";
import type { RunOutcome } from "../model/run-event.ts";
import type { TargetStatus } from "../model/status.ts";
import {
  type ComponentTiming,
  type Condition,
  type Cut,
  maxQuarantined,
  maxText,
  type QuarantinedVersion,
  type Status,
} from "../model/status.ts";
import { foldHostsInText } from "./fold-hosts.ts";
import { sharedFacts } from "./shared-facts.ts";
import { withTrees } from "./status-trees.ts";
import { type TaskFound, targetStatuses } from "./target-status.ts";

export interface StatusInput {
  readonly release: DesiredRelease;
  readonly commit: string;
  readonly generation: string;
  readonly plan: Plan;
  readonly run: string | undefined;
  readonly outcome: RunOutcome | "in-sync" | "stalled" | "waiting";
  /** Why the run ended as it did. */
  readonly reason: string;
  /** What keeps the release from being worked on at all, such as an error's code; comes before everything else. */
  readonly trouble?: { readonly reason: string; readonly message: string } | undefined;
  /** What the run heard of a task, undefined when it never started. */
  readonly task: (id: string) => TaskFound | undefined;
  /** What the run cut off, keyed by `host/component`. */
  readonly cuts?: ReadonlyMap<string, Cut>;
  /** How long the run took, for the components that it changed. */
  readonly timings?: readonly ComponentTiming[];
  /** Read back after the run. */
  readonly observations: ReadonlyMap<string, Observation>;
  /** What the run saved at one moment. */
  readonly restorePoint?: RestorePoint | undefined;
  readonly quarantined: readonly QuarantinedVersion[];
  /** The status before this one: `since` goes on where nothing changed. */
  readonly previous: Status | undefined;
  readonly now: number;
  readonly holder: string;
  readonly epoch: number;
}

/** Whatever hosts and runs say fits the schema: words that are none become null, long texts are cut. */
export function makeStatus(input: StatusInput): Status {
  const status = targetStatuses(input);
  const found = input.release.components.flatMap(({ name, targets }) =>
    targets.map(({ host, version, excluded }) => {
      return status({ host, component: name, wanted: excluded === undefined ? version : null });
    }),
  );
  const { targets, trees } = withTrees(found, input.observations, input.previous);
  const facts = sharedFacts(
    targets.map(({ host }) => host),
    input.observations,
    input.previous,
  );
  const timings = mergeTimings(input.timings ?? [], input.previous?.timings ?? []);
  const components = new Set(input.release.components.map(({ name }) => name));
  return {
    format: "cutover-status/1",
    release: input.release.name,
    commit: input.commit,
    generation: input.generation,
    planHash:
      input.plan.changes.length + input.plan.waiting.length > 0 ? input.plan.hash : (input.previous?.planHash ?? null),
    run: input.run ?? input.previous?.run ?? null,
    conditions: conditionsOf(input, targets),
    targets,
    ...(trees.length === 0 ? {} : { trees }),
    ...(facts.length === 0 ? {} : { facts }),
    ...(timings.length === 0 ? {} : { timings }),
    ...restorePointOf(input),
    quarantined: input.quarantined
      .filter(({ component }) => components.has(component))
      .slice(-maxQuarantined)
      .map((entry) => ({ ...entry, reason: cutText(entry.reason, 1_000) })),
    at: input.now,
    holder: input.holder,
    epoch: input.epoch,
  };
}

/** That of the run which the status names. */
function restorePointOf({ run, restorePoint, previous }: StatusInput): Pick<Status, "restorePoint"> {
  if (restorePoint !== undefined) return { restorePoint: { ...restorePoint, parts: restorePoint.parts.length } };
  if (run !== undefined || previous?.restorePoint === undefined) return {};
  return { restorePoint: previous.restorePoint };
}

/** Of each component the newest run that changed it. */
function mergeTimings(fresh: readonly ComponentTiming[], before: readonly ComponentTiming[]): ComponentTiming[] {
  const merged = new Map([...before, ...fresh].map((timing) => [timing.component, timing]));
  return [...merged.values()].sort((a, b) => (a.component < b.component ? -1 : 1));
}

/** Two statuses that say the same, whenever and by whichever run they were made: nothing to publish again. */
export function saysTheSame(a: Status, b: Status): boolean {
  const essence = (status: Status) => {
    const { at: _at, epoch: _epoch, holder: _holder, run: _run, facts: _facts, timings: _timings, ...rest } = status;
    return JSON.stringify(rest);
  };
  return essence(a) === essence(b);
}

function cutText(text: string, length: number = maxText): string {
  return text.slice(0, length).toWellFormed();
}

function conditionsOf(input: StatusInput, targets: readonly TargetStatus[]): Condition[] {
  const good = targets.filter(({ outcome }) => outcome === "in-sync" || outcome === "done").length;
  const count = `${good} of ${targets.length} read back as asked`;
  const [reason, said] = troubleOf(input, targets);
  if (reason === undefined) return [{ type: "Ready", status: "True", reason: "Converged", message: count }];
  const hosts = new Set(targets.map(({ host }) => host));
  const message = cutText(foldHostsInText(said, hosts));
  const waiting = input.outcome === "waiting";
  const goesOn = waiting || (reason === "Pending" && wentWell(input));
  return [
    { type: "Ready", status: waiting ? "Unknown" : "False", reason, message: count },
    { type: goesOn ? "Reconciling" : "Stalled", status: "True", reason, message },
  ];
}

/** What was meant this time is done. What is pending then, such as the rest of a plan of which a slice was run, the next pass does. */
function wentWell({ outcome, trouble }: StatusInput): boolean {
  return trouble === undefined && (outcome === "done" || outcome === "in-sync");
}

/** The first thing that keeps the release from being Ready: a stable word and a sentence. */
function troubleOf(input: StatusInput, targets: readonly TargetStatus[]): [string, string] | [undefined, undefined] {
  if (input.trouble) return [input.trouble.reason, input.trouble.message];
  if (input.outcome === "rolled-back") return ["RolledBack", input.reason];
  if (input.outcome === "stuck") return ["Stuck", input.reason];
  if (input.outcome === "waiting") return ["RunOpen", "a run has not ended"];
  const isPending = wentWell(input) && targets.some(({ outcome }) => outcome === "pending");
  for (const [outcome, word] of Object.entries(words)) {
    if (isPending && leftAlone.has(outcome)) continue;
    const found = targets.filter((target) => target.outcome === outcome);
    const [first] = found;
    if (!first) continue;
    const others = found.length > 1 ? ` and ${found.length - 1} more` : "";
    const reason = first.outcome === "failed" && first.detail === "not running" ? "NotRunning" : word;
    const text = `${first.host} ${first.component}${others}: ${first.detail ?? outcome}`.slice(0, 500);
    const { slice } = input.plan;
    const isRest = reason === "Pending" && isPending && slice !== undefined && input.run !== undefined;
    return [
      reason,
      isRest ? `the slice ${slice.terms.join(" or ")} is done, the rest is still to come: ${text}` : text,
    ];
  }
  return [undefined, undefined];
}

/** While something else can be done, it is not these that the release waits for. */
const leftAlone: ReadonlySet<string> = new Set(["drifted", "held", "unreachable"]);

/** Worst first. */
const words = {
  quarantined: "Quarantined",
  drifted: "Drifted",
  held: "Held",
  unreachable: "Unreachable",
  failed: "Failed",
  unknown: "Unknown",
  "rolled-back": "RolledBack",
  pending: "Pending",
} as const;
