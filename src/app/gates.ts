// Gates of open runs (R36): which of them wait, and since when. Whoever opens one leaves who and why in the run's journal; the
// process that drives the run takes it up from there, now or after a restart.
import { meantName } from "../desired/nearest.ts";
import { UsageError } from "../errors.ts";
import type { RunId } from "../model/run-event.ts";
import type { JournalPort } from "../ports.ts";
import { makeAppender } from "../run/append.ts";
import { decide } from "../run/decide.ts";
import { openRuns, replayRun, runStream } from "../run/replay.ts";
import type { RunState } from "../run/run-state.ts";
import type { Controller } from "./controller.ts";
import { refuseRunAtWork } from "./run-at-work.ts";
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
}

/** Of all open runs, oldest run first. */
export async function waitingGates(journal: JournalPort): Promise<WaitingGate[]> {
  return (await gatesOfRuns(journal)).map(({ waiting }) => waiting);
}

interface GateOfRun {
  readonly waiting: WaitingGate;
  readonly state: RunState;
  /** Of the newest event that was read. */
  readonly last: number;
}

async function gatesOfRuns(journal: JournalPort): Promise<GateOfRun[]> {
  const found: GateOfRun[] = [];
  for (const run of await openRuns(journal)) {
    // Cheap to ask: runs that have come to no gate, which are nearly all, are not read whole.
    const started = await journal.read(runStream(run), ["step-started"]);
    if (!started.some((event) => event.kind === "step-started" && event.step.startsWith("gate."))) continue;
    const { state, last } = await replayRun(journal, run);
    const step = gateOf(state);
    if (step?.gate === undefined) continue;
    const since = started.find((event) => event.kind === "step-started" && event.step === step.id)?.at ?? 0;
    const { name: gate, reason } = step.gate;
    const release = state.plan?.release ?? "release";
    found.push({ waiting: { run, release, gate, step: step.id, reason, since }, state, last });
  }
  return found;
}

export interface OpenGateRequest extends OperatorAct {
  /** A run, or a release of which one run waits at such a gate. */
  readonly target: string;
  readonly gate: string;
}

/**
 * Throws UsageError when no run waits there, also when somebody has opened that gate already; `run-at-work` while something that
 * people ran by hand is read back in it.
 */
export async function openGate(
  memory: Pick<Controller, "journal" | "clock">,
  { target, gate, by, reason }: OpenGateRequest,
): Promise<WaitingGate> {
  const gates = await gatesOfRuns(memory.journal);
  const waiting = gates.map((each) => each.waiting);
  const isMeant = (each: WaitingGate) => [each.run, each.release].includes(target) && each.gate === gate;
  const [found, ...others] = gates.filter((each) => isMeant(each.waiting));
  if (found === undefined) {
    const known = waiting.map((each) => `${each.gate} of run ${each.run} (${each.release})`).join(", ");
    const close = meantName(gate, new Set(waiting.map((each) => each.gate)));
    const [meant, ...more] = waiting.filter((each) => each.gate === close);
    throw new UsageError(
      `No run of ${target} waits at a gate ${gate}; waiting: ${known || "none"}`,
      meant === undefined || more.length > 0
        ? "cutover gate list"
        : `cutover gate open ${meant.release} ${meant.gate} --reason …`,
    );
  }
  if (others.length > 0)
    throw new UsageError(
      `Several runs of ${target} wait at ${gate}`,
      `cutover gate open ${found.waiting.run} ${gate} --reason …`,
    );
  const { state, last, waiting: opened } = found;
  refuseRunAtWork({ run: opened.run, state });
  // Who drives a run writes nothing while it waits; where somebody has written since, the journal refuses this.
  const appender = makeAppender({ ...memory, stream: runStream(opened.run), last });
  await appender.append({ kind: "gate-opened", step: opened.step, by, reason });
  return opened;
}

/** The gate that an open run stands before. */
function gateOf(state: RunState) {
  const effect = decide(state);
  return effect?.kind === "hold" && effect.step.kind === "gate" ? effect.step : undefined;
}
