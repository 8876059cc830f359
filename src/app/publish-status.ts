// Status goes to git as a signed note, when it says something new. A status that could not be pushed is pushed by the next pass.
import { CutoverError, ExitCode } from "../errors.ts";
import type { Desired, DesiredRelease } from "../model/desired.ts";
import type { Host } from "../model/fleet.ts";
import type { Observation } from "../model/observation.ts";
import type { Plan } from "../model/plan.ts";
import type { JournalEvent } from "../model/run-event.ts";
import { Status } from "../model/status.ts";
import { observeFleet } from "../observed/observe-fleet.ts";
import type { Lease } from "../ports.ts";
import { makeAppender } from "../run/append.ts";
import { runStream } from "../run/replay.ts";
import { makeStatus, type StatusInput, saysTheSame } from "../status/make-status.ts";
import { encodeNote, noteNamespace, notePayload } from "../status/note-codec.ts";
import type { Controller } from "./controller.ts";
import { recall } from "./controller-memory.ts";
import type { RunResult } from "./execute-run.ts";
import { cutsOf } from "./status-cuts.ts";
import { timingsOf } from "./status-timings.ts";

const statusStream = (release: string): string => `status/${release}`;

/** What a pass, or a run by hand, came to for one release. */
export interface ReportedRelease {
  readonly release: string;
  readonly plan: Plan;
  /** Empty: the hosts are asked now. */
  readonly observations: ReadonlyMap<string, Observation>;
  readonly run: RunResult | undefined;
  readonly outcome: StatusInput["outcome"];
  readonly trouble?: StatusInput["trouble"];
}

export interface PublishStatusInput {
  readonly controller: Controller;
  readonly lease: Lease;
  readonly desired: Pick<Desired, "commit" | "generation" | "hosts" | "releases">;
  readonly results: readonly ReportedRelease[];
}

export interface PublishedStatuses {
  readonly statuses: ReadonlyMap<string, Status>;
  /** Why something could not be pushed, undefined when everything is in git. Only an unreachable remote is forgiven. */
  readonly notPublished: string | undefined;
}

export async function publishStatus(input: PublishStatusInput): Promise<PublishedStatuses> {
  let notPublished: string | undefined;
  const statuses = new Map<string, Status>();
  for (const result of input.results) {
    const { status, isNew } = await keepStatus(input, result);
    statuses.set(result.release, status);
    if (!isNew) continue;
    try {
      await pushStatus(input.controller, status);
    } catch (error) {
      if (!(error instanceof CutoverError) || error.disposition !== "retry") throw error;
      notPublished = error.message;
    }
  }
  return { statuses, notPublished };
}

/**
 * Journals the status when it differs from the last one, or when the last one never reached git. One that only another run
 * made again is journaled and not published: a loop of equal runs must not fill the notes.
 */
async function keepStatus(input: PublishStatusInput, result: ReportedRelease) {
  const { controller } = input;
  const memory = await readStatusStream(controller, result.release);
  const status = checkedStatus(await statusOf(input, result, await rememberedBy(controller, memory.last)));
  const same = memory.last !== undefined && saysTheSame(memory.last, status);
  if (same && memory.last && memory.last.run === status.run) return { status: memory.last, isNew: !memory.isPublished };
  const known = same && memory.isPublished;
  const appender = makeAppender({ ...controller, stream: statusStream(result.release), last: memory.sequence });
  await appender.append(
    { kind: "status-made", status },
    ...(known ? [{ kind: "published" as const, commit: status.commit }] : []),
  );
  return { status, isNew: !known };
}

const olderStatuses = 3;

/**
 * The newest status, with what only older ones know: a run of an earlier commit may end after one of a later commit that has
 * more components, and says nothing of these.
 */
async function rememberedBy(controller: Controller, last: Status | undefined): Promise<Status | undefined> {
  if (last === undefined) return undefined;
  const known = new Set(last.targets.map(({ host, component }) => `${host}/${component}`));
  const missing: Status["targets"] = [];
  for (const { targets } of (await readStatuses(controller, { release: last.release, count: olderStatuses })).slice(1))
    for (const target of targets) {
      const place = `${target.host}/${target.component}`;
      if (!known.has(place)) missing.push(target);
      known.add(place);
    }
  return missing.length === 0 ? last : { ...last, targets: [...last.targets, ...missing] };
}

/** What is journaled can be published: a fault of ours shows here, by name, before it is kept. */
function checkedStatus(status: Status): Status {
  const checked = Status.safeParse(status);
  if (checked.success) return checked.data;
  throw new CutoverError({
    code: "status-invalid",
    message: `The status of ${status.release} does not fit its own schema`,
    evidence: checked.error.issues
      .slice(0, 5)
      .map(({ path, message }) => `${path.join(".")}: ${message}`)
      .join("\n"),
    impact: "The hosts are as the run left them; only the report is missing",
    remedy: "cutover status; please report this",
    exitCode: ExitCode.bug,
  });
}

/** The newest status of a release that this controller made, and whether git has it. One that fits no schema counts as none. */
export async function readStatusStream(
  { journal }: Pick<Controller, "journal">,
  release: string,
): Promise<{ last: Status | undefined; isPublished: boolean; sequence: number }> {
  let last: Status | undefined;
  let isPublished = false;
  const events = await journal.read(statusStream(release));
  for (const event of events) {
    if (event.kind === "status-made") [last, isPublished] = [event.status, false];
    else if (event.kind === "published") isPublished = true;
  }
  if (last && !Status.safeParse(last).success) last = undefined;
  return { last, isPublished, sequence: events.at(-1)?.sequence ?? 0 };
}

/** The newest statuses of a release that this controller made, newest first; those that fit no schema are passed over. */
export async function readStatuses(
  { journal }: Pick<Controller, "journal">,
  { release, count }: { readonly release: string; readonly count: number },
): Promise<Status[]> {
  // Each may be followed by its publication.
  const events = await journal.tail(statusStream(release), count * 2);
  const statuses = events.flatMap((event) => (event.kind === "status-made" ? [event.status] : [])).reverse();
  return statuses.slice(0, count).filter((status) => Status.safeParse(status).success);
}

async function pushStatus(controller: Controller, status: Status): Promise<void> {
  const { signer, settings, notes } = controller;
  const signature = await signer.sign({
    keyPath: settings.envelopeKeyPath,
    namespace: noteNamespace,
    data: notePayload(status),
  });
  await notes.publish(status.commit, encodeNote(status, signature));
  const { sequence } = await readStatusStream(controller, status.release);
  await makeAppender({ ...controller, stream: statusStream(status.release), last: sequence }).append({
    kind: "published",
    commit: status.commit,
  });
}

async function statusOf(
  { controller, lease, desired }: PublishStatusInput,
  result: ReportedRelease,
  previous: Status | undefined,
): Promise<Status> {
  const release = desired.releases.find(({ name }) => name === result.release);
  if (!release) throw new Error(`no release ${result.release} in the commit it was planned from`);
  // After a run the hosts are asked again: done means read back, not commands sent (P10).
  const observations =
    result.run || result.observations.size === 0
      ? await observeRelease(controller, release, desired.hosts)
      : result.observations;
  const { quarantined } = await recall(controller);
  const { run } = result;
  const events = run === undefined ? [] : await controller.journal.read(runStream(run.run));
  const times = switchTimes(events);
  return makeStatus({
    release,
    commit: desired.commit,
    generation: desired.generation,
    plan: result.plan,
    run: run?.run,
    outcome: result.outcome,
    reason: run?.state.reason ?? "",
    trouble: result.trouble,
    task: (id) => {
      const task = run?.state.tasks.get(id);
      return task && { ...task, at: times.get(id) };
    },
    cuts: cutsOf(events),
    timings: timingsOf(events),
    restorePoint: run?.state.restorePoint?.taken,
    observations,
    quarantined: [...quarantined.values()].map(({ component, version, tree, reason, evidence }) => ({
      component,
      version,
      tree,
      reason: `${reason}: ${evidence}`,
    })),
    previous,
    now: controller.clock.now(),
    holder: lease.holder,
    epoch: lease.epoch,
  });
}

function observeRelease(controller: Controller, release: DesiredRelease, fleet: readonly Host[]) {
  const names = new Set(release.components.flatMap(({ targets }) => targets.map(({ host }) => host)));
  const hosts = fleet.filter(({ name }) => names.has(name));
  return observeFleet({ ...controller, hosts, concurrency: controller.settings.concurrency });
}

/** When each switch of the run, or its undoing, was heard to be done. */
function switchTimes(events: readonly JournalEvent[]): Map<string, number> {
  const times = new Map<string, number>();
  for (const event of events)
    if (event.kind === "task" && event.event.state === "done" && event.event.task.endsWith("/switch"))
      times.set(event.event.task, event.at);
  return times;
}
