// What people do about a run that waits for them, with the words that their commands would journal.
import type { ObservedComponent } from "../model/observation.ts";
import type { Step } from "../model/plan.ts";
import type { PublishedVersion } from "../model/published-version.ts";
import type { EventBody, RunId } from "../model/run-event.ts";
import { stepAtWork } from "../run/at-work.ts";
import { leftOfStep } from "../run/by-hand.ts";
import { decide } from "../run/decide.ts";
import { reduce } from "../run/machine.ts";
import type { RunState } from "../run/run-state.ts";
import { tryAgain } from "../run/try-again.ts";
import { isUnreadOn } from "../run/unread.ts";
import { hasUndo } from "./operator-by-hand.ts";

export type OperatorChoice = "retry" | "skip" | "roll-back";
/** What is asked of a run that is on its way back: to go on, or to go back in traffic, which is another way back. */
export type BackAgain = "no" | "on" | "in-traffic";

export interface HeldRun {
  readonly run: RunId;
  readonly state: RunState;
  /** All of its journal. */
  readonly events: readonly EventBody[];
  readonly choice: OperatorChoice;
  /** What a host says of itself. */
  readonly observe: (host: string) => Promise<readonly ObservedComponent[]>;
  readonly published: ReadonlyMap<string, PublishedVersion>;
}

const by = "operator";
const reason = "simulated";

/** `cutover rollback`, once more, with a run that is taken up in the middle of its way back, whoever had it turn round. */
export function operatorAsksAgain(state: RunState, again: BackAgain): EventBody[] {
  if (state.rollback === undefined || state.outcome !== undefined || again === "no") return [];
  const inTraffic = again === "in-traffic" ? { inTraffic: true as const } : {};
  return [{ kind: "rollback-started", scope: "release", reason, by, ...inTraffic }];
}

/**
 * Tries again what failed or is missing, skips what of it are tasks of the release, or takes the whole run back. Nothing while the run
 * waits for nobody.
 */
export async function operatorDecides(held: HeldRun): Promise<EventBody[]> {
  const effect = decide(held.state);
  if (effect?.kind !== "hold") return [];
  const { step, hosts } = effect;
  if (held.choice === "roll-back") return [{ kind: "rollback-started", scope: "release", reason, by }];
  if (step.kind === "gate") return [{ kind: "gate-opened", step: step.id, by, reason }];
  // What was asked for there by hand is read back first.
  const free = hosts.filter((host) => !isUnreadOn(held.state, host));
  for (const host of free) {
    const busy = stepAtWork(held.state, host, step);
    // Every command would be refused, and the run wait for ever.
    if (busy !== undefined)
      throw new Error(`run ${held.run} waits for a person at ${step.id}, while ${host} is at work on ${busy.id}`);
  }
  const said: EventBody[] = [];
  let { state } = held;
  for (const host of free) {
    const words = await goOnOn({ ...held, state }, step, host);
    said.push(...words);
    state = words.reduce((before, word) => reduce(before, word, held.run), state);
  }
  return said;
}

/** What is left of the step on this host, from what failed or is missing on; with `skip`, without the tasks of the release among it. */
async function goOnOn(
  { run, state, events, choice, observe, published }: HeldRun,
  step: Step,
  host: string,
): Promise<EventBody[]> {
  const tasks = step.work.flatMap((work) => (work.host === host ? work.groups.flat() : []));
  const hooks = new Set(tasks.flatMap(({ id, kind }) => (kind === "hook" ? [id] : [])));
  const left = new Set(leftOfStep(state, step, host).map((key) => key.split(" ")[0] ?? ""));
  // Of a restore point after which something has moved nothing is tried again: the command says so.
  const isMoved = step.kind === "restore-point" && (state.plan?.steps ?? []).some(({ id, kind }) => (kind === "task" || kind === "switch") && state.startedSteps.has(id)); // biome-ignore format: one line
  const skipped = isMoved ? [...left] : choice === "skip" ? [...left].filter((id) => hooks.has(id)) : [];
  const words = skipped.map((task): EventBody => ({ kind: "task-skipped", task, by, reason, signature: "" }));
  const after = words.reduce((before, word) => reduce(before, word, run), state);
  const { undo, turns } = await tryAgain({
    ...{ run, state: after, events, step, host, by, reason },
    observe: () => observe(host),
    hasUndo: async (task) => hasUndo(published, task),
  });
  return [...words, ...undo, ...turns];
}
