// A rollback asked for while `cutover serve` runs: one process works at a time, so the request goes through the journal, serve
// stops what it does, goes back, and answers there.
import { CutoverError } from "../errors.ts";
import type { JournalEvent } from "../model/run-event.ts";
import type { Controller } from "./controller.ts";
import { controllerStream, remember } from "./controller-memory.ts";
import type { OperatorAct } from "./run-control.ts";

type Memory = Pick<Controller, "journal" | "clock">;
export type Requested = Extract<JournalEvent, { kind: "rollback-requested" }>;
export type RollbackAnswer = Extract<JournalEvent, { kind: "rollback-answered" }>;

const pollMs = 500;
/** Long enough for a fleet to go back in waves; the rollback itself goes on whoever waits for it. */
const longestWaitMs = 30 * 60_000;

/** Returns the number of the request. */
export async function requestRollback(
  memory: Memory,
  {
    release,
    by,
    reason,
    inTraffic = false,
  }: OperatorAct & { readonly release: string | undefined; readonly inTraffic?: boolean | undefined },
): Promise<number> {
  const [event] = await remember(memory, {
    ...{ kind: "rollback-requested", release, by, reason },
    ...(inTraffic ? { inTraffic } : {}),
  });
  if (event === undefined) throw new Error("the journal kept nothing");
  return event.sequence;
}

/** Requests that nobody answered yet, oldest first. */
export async function openRequests(memory: Pick<Memory, "journal">): Promise<Requested[]> {
  const events = await memory.journal.read(controllerStream);
  const answered = new Set(events.flatMap((event) => (event.kind === "rollback-answered" ? [event.request] : [])));
  return events.filter(
    (event): event is Requested => event.kind === "rollback-requested" && !answered.has(event.sequence),
  );
}

/** Waits for the process that works to answer. Throws `not-answered` when it does not; the request stays. */
export async function awaitAnswer(memory: Memory, request: number, signal: AbortSignal): Promise<RollbackAnswer> {
  const giveUpAt = memory.clock.now() + longestWaitMs;
  while (memory.clock.now() < giveUpAt) {
    const events = await memory.journal.read(controllerStream);
    const answer = events.find(
      (event): event is RollbackAnswer => event.kind === "rollback-answered" && event.request === request,
    );
    if (answer !== undefined) return answer;
    await memory.clock.sleep(pollMs, signal);
  }
  throw new CutoverError({
    code: "not-answered",
    message: `The running controller has not answered the rollback within ${longestWaitMs / 60_000} minutes`,
    impact: "The request stays; it is taken up as soon as that controller can",
    remedy: "cutover status --watch",
  });
}

/** Calls `onRequest` whenever a request is open, until the signal. A journal that cannot be read now is asked again. */
export async function watchRequests(
  memory: Memory,
  signal: AbortSignal,
  onRequest: (open: readonly Requested[]) => void,
): Promise<void> {
  while (!signal.aborted) {
    const open = await openRequests(memory).catch(() => []);
    if (open.length > 0) onRequest(open);
    await memory.clock.sleep(pollMs, signal).catch(() => {});
  }
}
