// The bytes of one version to one host, as a task of its own: a patch where one was chosen, the full artifact to a host that
// refused it.
import { CutoverError, HostRefusedError } from "../errors.ts";
import type { Host } from "../model/fleet.ts";
import type { EventBody } from "../model/run-event.ts";
import type { Task, TaskEvent } from "../model/task.ts";
import type { Delivery } from "../model/transfer.ts";
import type { Clock, ExecutorPort, Fence } from "../ports.ts";
import { isPassing, staleEpoch } from "./with-patience.ts";

export interface PatchPlace {
  readonly step: string;
  readonly host: string;
  readonly component: string;
}

/** What came of an earlier delivery of the same task. */
export interface EarlierDelivery {
  /** The host's word for refusing a patch: the delivery is then the full artifact. */
  readonly refused?: string | undefined;
  /** The payload was gone here, or came to the host damaged: what is kept is looked at again, and made anew where it has to be. */
  readonly spoiled?: boolean | undefined;
}

export interface DeliverContext {
  readonly executor: ExecutorPort;
  readonly clock: Clock;
  readonly fence: Fence;
  readonly deliveryFor: (task: Task, host: Host, earlier: EarlierDelivery) => Promise<Delivery>;
  /** As the journal has it: the word with which the host refused the patch it was sent, empty while it has not, undefined when it was sent none. */
  readonly patchOf: (place: PatchPlace) => string | undefined;
  readonly record: (...events: readonly EventBody[]) => Promise<unknown>;
  /** Not journaled: only for whoever watches. */
  readonly onBytes: (progress: BytesSent) => void;
}

export interface BytesSent {
  readonly host: string;
  readonly component: string;
  /** By the attempt that is under way. */
  readonly sent: number;
  /** On the host by now, from earlier attempts too. */
  readonly there: number;
  readonly total: number;
}

export interface DeliverInput {
  readonly step: string;
  readonly task: Task;
  readonly host: Host;
  /** News so far, MiB included. */
  readonly heard: Set<string>;
  /** An attempt just before this one could not send what was kept here. */
  readonly spoiled?: boolean;
}

/** Words of a host for: this patch is of no use here, send the full artifact instead. */
const patchRefusals: ReadonlySet<string> = new Set([
  "base-missing",
  "base-damaged",
  "patch-corrupt",
  "verify-failed",
  "output-too-long",
  "no-codec",
  "decoder-failed",
]);

export function isPatchRefusal(reason: string): boolean {
  return patchRefusals.has(reason);
}

/** Words for: what was kept here is gone, or did not come to the host as what it was made as. */
const spoiledWords: ReadonlySet<string> = new Set(["payload-missing", "digest-mismatch"]);

/**
 * Safe to repeat. A patch that is refused before it was sent is journaled, and followed by the full artifact; bytes that were
 * spoiled here meanwhile are made anew and sent once more.
 */
export async function deliverTask(context: DeliverContext, input: DeliverInput): Promise<void> {
  const { step, task, host } = input;
  const place = { step, host: host.name, component: task.component };
  const refused = context.patchOf(place) || undefined;
  const { spoiled } = input;
  const delivery = await context.deliveryFor(task, host, { refused, spoiled }).catch(async (error: unknown) => {
    await reportFailure(context, input, error);
    throw error;
  });
  try {
    await send(context, input, delivery);
  } catch (error) {
    const isSpoiled = error instanceof CutoverError && spoiledWords.has(error.code);
    if (isSpoiled && spoiled !== true) return deliverTask(context, { ...input, spoiled: true });
    const isRefusal = error instanceof HostRefusedError && isPatchRefusal(error.code);
    if (!isRefusal || delivery.payload.base === undefined || refused !== undefined) {
      await reportFailure(context, input, error);
      throw error;
    }
    const { code: reason, evidence = "" } = error;
    await context.record({ kind: "patch-refused", ...place, version: task.version, reason, evidence });
    await deliverTask(context, input);
  }
}

/** Nothing of what may be over by itself, nor of a lease that another holds. */
async function reportFailure(context: DeliverContext, input: DeliverInput, error: unknown): Promise<void> {
  if (!(error instanceof CutoverError) || isPassing(error) || error.code === staleEpoch) return;
  const { code: reason, evidence = error.message } = error;
  await report(context, input, { state: "failed", exitCode: 1, reason, evidence });
}

async function send(context: DeliverContext, input: DeliverInput, delivery: Delivery): Promise<void> {
  const { step, task, host, heard } = input;
  const total = delivery.payload.bytes + (delivery.bundlePayload?.bytes ?? 0);
  const started = context.clock.now();
  let bytes = 0;
  await report(context, input, { state: "running", reason: "started" });
  await context.executor.deliver(host, delivery, context.fence, (sent, there) => {
    bytes = sent;
    heard.add(`${task.id} MiB ${Math.floor(sent / 2 ** 20)}`);
    context.onBytes({ host: host.name, component: task.component, sent, there, total });
  });
  const ms = context.clock.now() - started;
  const base = delivery.payload.base === undefined ? {} : { base: delivery.payload.base };
  const { component } = task;
  await context.record({ kind: "delivered", step, host: host.name, component, bytes, ms, ...base });
  const evidence = [`${bytes} bytes`, delivery.why].filter(Boolean).join("; ");
  await report(context, input, { state: "done", durationMs: ms, reason: "delivered", evidence });
}

function report(
  context: DeliverContext,
  { step, task, host }: DeliverInput,
  event: Pick<TaskEvent, "state" | "reason"> & Partial<TaskEvent>,
): Promise<unknown> {
  const whole = { task: task.id, action: "do" as const, durationMs: 0, exitCode: 0, evidence: "", ...event };
  return context.record({ kind: "task", step, host: host.name, event: whole });
}
