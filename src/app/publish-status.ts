// Status goes to git as a signed note, when it says something new. A status that could not be pushed is pushed by the next pass.
import { CutoverError } from "../errors.ts";
import type { Desired } from "../model/desired.ts";
import type { Status } from "../model/status.ts";
import { observeFleet } from "../observed/observe-fleet.ts";
import type { Lease } from "../ports.ts";
import { makeAppender } from "../run/append.ts";
import { makeStatus, saysTheSame } from "../status/make-status.ts";
import { encodeNote, noteNamespace, notePayload } from "../status/note-codec.ts";
import type { Controller } from "./controller.ts";
import { recall } from "./controller-memory.ts";
import type { ReleaseResult } from "./reconcile.ts";

export const statusStream = (release: string): string => `status/${release}`;

export interface PublishStatusInput {
  readonly controller: Controller;
  readonly lease: Lease;
  readonly desired: Desired;
  readonly results: readonly ReleaseResult[];
}

/** Returns why nothing could be pushed, undefined when everything is in git. Only an unreachable remote is forgiven. */
export async function publishStatus(input: PublishStatusInput): Promise<string | undefined> {
  let notPublished: string | undefined;
  for (const result of input.results) {
    const { status, isNew } = await keepStatus(input, result);
    if (!isNew) continue;
    try {
      await pushStatus(input.controller, status);
    } catch (error) {
      if (!(error instanceof CutoverError) || error.disposition !== "retry") throw error;
      notPublished = error.message;
    }
  }
  return notPublished;
}

/** Journals the status when it differs from the last one, or when the last one never reached git. */
async function keepStatus(input: PublishStatusInput, result: ReleaseResult) {
  const { controller } = input;
  const memory = await readStatusStream(controller, result.release);
  const status = await statusOf(input, result, memory.last);
  if (memory.last && saysTheSame(memory.last, status)) return { status: memory.last, isNew: !memory.isPublished };
  const appender = makeAppender({ ...controller, stream: statusStream(result.release), last: memory.sequence });
  await appender.append({ kind: "status-made", status });
  return { status, isNew: true };
}

/** The newest status of a release that this controller made, and whether git has it. */
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
  return { last, isPublished, sequence: events.at(-1)?.sequence ?? 0 };
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
  result: ReleaseResult,
  previous: Status | undefined,
): Promise<Status> {
  const release = desired.releases.find(({ name }) => name === result.release);
  if (!release) throw new Error(`no release ${result.release} in the commit it was planned from`);
  const names = new Set(release.components.flatMap(({ targets }) => targets.map(({ host }) => host)));
  const hosts = desired.hosts.filter(({ name }) => names.has(name));
  // After a run the hosts are asked again: done means read back, not commands sent (P10).
  const observations =
    result.run || result.observations.size === 0
      ? await observeFleet({ ...controller, hosts, concurrency: controller.settings.concurrency })
      : result.observations;
  const { quarantined } = await recall(controller);
  return makeStatus({
    release,
    commit: desired.commit,
    generation: desired.generation,
    plan: result.plan,
    run: result.run?.run,
    outcome: result.outcome,
    reason: result.run?.state.reason ?? "",
    taskState: (id) => result.run?.state.tasks.get(id)?.state,
    observations,
    quarantined: [...quarantined.values()].map(({ component, version, tree, reason, evidence }) => ({
      component,
      version,
      tree,
      reason: `${reason}: ${evidence}`.slice(0, 1_000),
    })),
    previous,
    now: controller.clock.now(),
    holder: lease.holder,
    epoch: lease.epoch,
  });
}
