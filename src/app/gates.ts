// Gates of open runs (R36): which of them wait, and since when. Whoever opens one leaves who and why in the journal; the process
// that drives the run takes it up from there, now or after a restart.
import { UsageError } from "../errors.ts";
import type { EventBody, RunId } from "../model/run-event.ts";
import type { JournalPort } from "../ports.ts";
import { decide } from "../run/decide.ts";
import { openRuns, replayRun, runStream } from "../run/replay.ts";
import type { RunState } from "../run/run-state.ts";
import type { Controller } from "./controller.ts";
import { controllerStream, remember } from "./controller-memory.ts";
import type { OperatorAct } from "./run-control.ts";

export interface WaitingGate {
  readonly run: RunId;
  readonly release: string;
  readonly gate: string;
  readonly step: string;
  /** Why it is there. */
  readonly reason: string;
  /** Milliseconds since the epoch. */
  readonly since: number;
  /** Who opened it, where the run has not gone on yet. */
  readonly openedBy?: string;
}

type GateAsk = Extract<EventBody, { kind: "gate-open-asked" }>;

/** Of all open runs, oldest run first. */
export async function waitingGates(journal: JournalPort): Promise<WaitingGate[]> {
  const asks = await openAsks(journal);
  const found: WaitingGate[] = [];
  for (const run of await openRuns(journal)) {
    const { state } = await replayRun(journal, run);
    const step = gateOf(state);
    if (step?.gate === undefined) continue;
    const started = await journal.read(runStream(run), ["step-started"]);
    const since = started.find((event) => event.kind === "step-started" && event.step === step.id)?.at ?? 0;
    const by = asks.find((ask) => ask.run === run && ask.step === step.id)?.by;
    const { name: gate, reason } = step.gate;
    const release = state.plan?.release ?? "release";
    found.push({ run, release, gate, step: step.id, reason, since, ...(by === undefined ? {} : { openedBy: by }) });
  }
  return found;
}

export interface OpenGateRequest extends OperatorAct {
  /** A run, or a release of which one run waits at such a gate. */
  readonly target: string;
  readonly gate: string;
}

/** Asking again for one that is opened already changes nothing. Throws UsageError when no run waits there. */
export async function openGate(
  memory: Pick<Controller, "journal" | "clock">,
  { target, gate, by, reason }: OpenGateRequest,
): Promise<WaitingGate> {
  const waiting = await waitingGates(memory.journal);
  const found = waiting.filter((each) => [each.run, each.release].includes(target) && each.gate === gate);
  const [first, ...others] = found;
  if (first === undefined) {
    const known = waiting.map((each) => `${each.gate} of run ${each.run} (${each.release})`).join(", ");
    throw new UsageError(
      `No run of ${target} waits at a gate ${gate}; waiting: ${known || "none"}`,
      "cutover gate list",
    );
  }
  if (others.length > 0)
    throw new UsageError(
      `Several runs of ${target} wait at ${gate}`,
      `cutover gate open ${first.run} ${gate} --reason …`,
    );
  if (first.openedBy !== undefined) return first;
  await remember(memory, { kind: "gate-open-asked", run: first.run, step: first.step, by, reason });
  return { ...first, openedBy: by };
}

/** Events that let a run go on which waits at a gate that somebody opened. */
export async function passOpenedGate(journal: JournalPort, run: RunId, state: RunState): Promise<EventBody[]> {
  const step = gateOf(state);
  if (step === undefined) return [];
  const ask = (await openAsks(journal)).find((each) => each.run === run && each.step === step.id);
  return ask === undefined ? [] : [{ kind: "gate-opened", step: step.id, by: ask.by, reason: ask.reason }];
}

/** The gate that an open run stands before. */
export function gateOf(state: RunState) {
  const effect = decide(state);
  return effect?.kind === "hold" && effect.step.kind === "gate" ? effect.step : undefined;
}

/** In order; those of runs that went on since are among them. */
async function openAsks(journal: Pick<JournalPort, "read">): Promise<GateAsk[]> {
  const events = await journal.read(controllerStream, ["gate-open-asked"]);
  return events.filter((event) => event.kind === "gate-open-asked");
}

export interface GateTrouble {
  readonly reason: "GateClosed";
  readonly message: string;
  /** The next command. */
  readonly next: string;
}

/** For statuses and results: what a run that waits at a gate waits for. Undefined for any other. */
export function gateTrouble({
  run,
  state,
}: {
  readonly run: RunId;
  readonly state: RunState;
}): GateTrouble | undefined {
  const gate = gateOf(state)?.gate;
  if (gate === undefined) return undefined;
  const next = `cutover gate open ${run} ${gate.name} --reason …`;
  return { reason: "GateClosed", message: `run ${run} waits at gate ${gate.name}: ${gate.reason}`, next };
}
