// From a release's plan, run and read-back observations to its published Status. Pure.
import type { DesiredRelease } from "../model/desired.ts";
import type { Observation } from "../model/observation.ts";
import type { Plan } from "../model/plan.ts";
import type { RunOutcome } from "../model/run-event.ts";
import type { Condition, QuarantinedVersion, Status, TargetStatus } from "../model/status.ts";
import type { TaskState } from "../model/task.ts";

export interface StatusInput {
  readonly release: DesiredRelease;
  readonly commit: string;
  readonly generation: string;
  readonly plan: Plan;
  readonly run: string | undefined;
  readonly outcome: RunOutcome | "in-sync" | "stalled" | "waiting";
  /** Why the run ended as it did. */
  readonly reason: string;
  /** State of a task by id, undefined when it never started. */
  readonly taskState: (id: string) => TaskState | undefined;
  /** Read back after the run. */
  readonly observations: ReadonlyMap<string, Observation>;
  readonly quarantined: readonly QuarantinedVersion[];
  /** The status before this one: `since` goes on where nothing changed. */
  readonly previous: Status | undefined;
  readonly now: number;
  readonly holder: string;
  readonly epoch: number;
}

export function makeStatus(input: StatusInput): Status {
  const targets = input.release.components.flatMap(({ name, targets }) =>
    targets.map(({ host, version }) => targetStatus(input, { host, component: name, wanted: version })),
  );
  return {
    format: "cutover-status/1",
    release: input.release.name,
    commit: input.commit,
    generation: input.generation,
    planHash: input.plan.changes.length > 0 ? input.plan.hash : (input.previous?.planHash ?? null),
    run: input.run ?? input.previous?.run ?? null,
    conditions: conditionsOf(input, targets),
    targets,
    quarantined: [...input.quarantined],
    at: input.now,
    holder: input.holder,
    epoch: input.epoch,
  };
}

/** Two statuses that say the same, whenever they were made: nothing to publish again. */
export function saysTheSame(a: Status, b: Status): boolean {
  const essence = ({ at: _at, epoch: _epoch, holder: _holder, ...rest }: Status) => JSON.stringify(rest);
  return essence(a) === essence(b);
}

function targetStatus(
  input: StatusInput,
  { host, component, wanted }: { host: string; component: string; wanted: string },
): TargetStatus {
  const observation = input.observations.get(host);
  const seen =
    observation?.kind === "observed"
      ? observation.components.find((entry) => entry.component === component)
      : undefined;
  const change = input.plan.changes.find((candidate) => candidate.host === host && candidate.component === component);
  const held = input.plan.held.find(
    (entry) => entry.host === host && (entry.component === undefined || entry.component === component),
  );
  const before = input.previous?.targets.find((target) => target.host === host && target.component === component);
  const version = observation?.kind === "observed" ? (seen?.current ?? null) : null;
  const changed = before === undefined || before.version !== version;
  const base = {
    host,
    component,
    wanted,
    version,
    from: change?.from ?? null,
    since: changed ? input.now : before.since,
  };
  if (observation?.kind === "unreachable")
    return { ...base, outcome: "unreachable", detail: observation.message.slice(0, 500) };
  if (held)
    return {
      ...base,
      outcome: held.reason === "in-trial" ? "pending" : held.reason,
      detail: held.evidence.slice(0, 500),
    };
  if (change === undefined) return { ...base, outcome: version === wanted ? "in-sync" : "pending" };
  return { ...base, outcome: changeOutcome(input.taskState(`${host}/${component}/switch`), version === wanted) };
}

/** "Done" needs both: the host said so, and was read back running it (P10). */
function changeOutcome(state: TaskState | undefined, readBack: boolean): TargetStatus["outcome"] {
  switch (state) {
    case "undone":
      return "rolled-back";
    case "failed":
      return "failed";
    case "unknown":
    case "running":
      return "unknown";
    case "done":
      return readBack ? "done" : "unknown";
    default:
      return readBack ? "in-sync" : "pending";
  }
}

function conditionsOf(input: StatusInput, targets: readonly TargetStatus[]): Condition[] {
  const good = targets.filter(({ outcome }) => outcome === "in-sync" || outcome === "done").length;
  const count = `${good} of ${targets.length} read back as asked`;
  const [reason, message] = troubleOf(input, targets);
  if (reason === undefined) return [{ type: "Ready", status: "True", reason: "Converged", message: count }];
  const waiting = input.outcome === "waiting";
  return [
    { type: "Ready", status: waiting ? "Unknown" : "False", reason, message: count },
    { type: waiting ? "Reconciling" : "Stalled", status: "True", reason, message },
  ];
}

/** The first thing that keeps the release from being Ready: a stable word and a sentence. */
function troubleOf(input: StatusInput, targets: readonly TargetStatus[]): [string, string] | [undefined, undefined] {
  if (input.outcome === "rolled-back") return ["RolledBack", input.reason];
  if (input.outcome === "stuck") return ["Stuck", input.reason];
  if (input.outcome === "waiting")
    return ["HostUnknown", "a host does not answer; nothing more switches until it does"];
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
  for (const [outcome, word] of Object.entries(words)) {
    const found = targets.filter((target) => target.outcome === outcome);
    const [first] = found;
    if (first)
      return [
        word,
        `${first.host} ${first.component}${found.length > 1 ? ` and ${found.length - 1} more` : ""}: ${first.detail ?? outcome}`.slice(
          0,
          500,
        ),
      ];
  }
  return [undefined, undefined];
}
