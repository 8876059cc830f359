// What becomes of a run with a word that is not said yet: when what it opens begins, and what keeps the run then. For `--dry-run`; pure.
import type { HostWork, Step } from "../../model/plan.ts";
import type { EventBody } from "../../model/run-event.ts";
import type { TaskAction } from "../../model/task.ts";
import { decide } from "../../run/decide.ts";
import { reduce } from "../../run/machine.ts";
import { type RunState, taskKey } from "../../run/run-state.ts";
import type { TaskDecision } from "./act-in-run.ts";
import { describeRun, standingOf } from "./describe-run.ts";

export type Foresight =
  /** It begins now, and the run goes on from there, does that task and no more, or waits after it. */
  | { readonly kind: "goes-on" | "one-task" }
  | { readonly kind: "then-waits"; readonly reason: string }
  /** Nothing begins before the next `cutover step`, or before what the run waits for is decided. */
  | { readonly kind: "next-step" }
  | { readonly kind: "later"; readonly reason: string };

export function foresee({ found, events, pace = "run" }: TaskDecision): Foresight {
  const after = (state: RunState, more: readonly EventBody[]) =>
    more.reduce((before, event) => reduce(before, event, found.run), state);
  if (pace === "none") return { kind: "next-step" };
  const said = after(found.state, events);
  const kept = whyKept(said);
  if (kept !== undefined) return { kind: "later", reason: kept };
  if (pace === "one-task") return { kind: "one-task" };
  let then = after(said, events.flatMap(ifAllGoesWell));
  // What did switch is confirmed before a person is waited for.
  for (let turn = 0; turn < mostTurns; turn += 1) {
    const effect = decide(then);
    if (effect?.kind === "start-step" && effect.step.kind === "confirm")
      then = after(then, [{ kind: "step-started", step: effect.step.id }]);
    else if (effect?.kind === "run-step") then = after(then, effect.step.work.flatMap(endedOn(effect)));
    else break;
  }
  const reason = whyKept(then);
  return reason === undefined ? { kind: "goes-on" } : { kind: "then-waits", reason };
}

/** Of what still goes on in the same batch: confirmations, and hosts that come back into traffic. */
const mostTurns = 10;

function whyKept(state: RunState): string | undefined {
  return ["gate", "decision", "silent", "paused"].includes(standingOf(state)) ? describeRun(state).reason : undefined;
}

/** What the journal gets when what a word opens ends well. */
function ifAllGoesWell(event: EventBody): EventBody[] {
  if (event.kind === "host-reopened")
    return ended({ step: event.step, host: event.host, keys: [...event.tasks, ...event.rest] });
  if (event.kind !== "step-added") return [];
  const { id: step, work } = event.step;
  return [...work.flatMap((each) => endedWork(step, each)), { kind: "step-ended", step }];
}

function endedOn({ step, hosts }: { readonly step: Step; readonly hosts: readonly string[] }) {
  return (work: HostWork) => (hosts.includes(work.host) ? endedWork(step.id, work) : []);
}

function endedWork(step: string, { host, groups }: HostWork): EventBody[] {
  return ended({ step, host, keys: groups.flat().map(taskKey) });
}

function ended({ step, host, keys }: { step: string; host: string; keys: readonly string[] }): EventBody[] {
  const done = { state: "done", durationMs: 0, exitCode: 0, reason: "", evidence: "" } as const;
  const tasks = keys.map((key): EventBody => {
    const [task = "", action] = key.split(" ");
    return { kind: "task", step, host, event: { task, action: action as TaskAction, ...done } };
  });
  return [...tasks, { kind: "host-ended", step, host, outcome: "done", evidence: "" }];
}
