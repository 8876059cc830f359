// Steps on a simulated host: journaled when they are submitted, run once, told to whoever asks, also later (runner.sh, events.sh).
import type { Task, TaskEvent } from "../../model/task.ts";
import type { Ending, MachineRoom } from "./machine-room.ts";
import { hostTasks, taskWord } from "./tasks.ts";
import { type HostTruth, makeComponentTruth, type StepTruth } from "./truth.ts";

export interface Runner {
  /** Runs the groups once. A step that somebody began before is never begun again (P7). */
  begin(step: StepTruth): void;
}

export interface RunnerInput {
  readonly room: MachineRoom;
  /** Something was written for those who listen to the step. */
  readonly onEvent: (step: StepTruth) => void;
  readonly onTask: (step: StepTruth, task: Task, event: TaskEvent) => void;
}

export function makeRunner(input: RunnerInput): Runner {
  return {
    begin(step) {
      // guard P7: what a begun step did is unknown, and unknown is not retried.
      if (step.isStarted) return;
      step.isStarted = true;
      step.isHeld = true;
      runGroup(input, step, { index: 0, stopped: undefined });
    },
  };
}

interface Stopped {
  readonly word: string;
  readonly why: string;
}

function runGroup(
  input: RunnerInput,
  step: StepTruth,
  { index, stopped: before }: { index: number; stopped: Stopped | undefined },
): void {
  const group = step.groups[index];
  if (group === undefined) {
    step.result = before?.word ?? "ok";
    step.isHeld = false;
    input.onEvent(step);
    return;
  }
  let stopped = before ?? overtaken(input.room.truth, step);
  if (stopped !== undefined) {
    for (const task of group)
      tell(input, step, { task, state: "skipped", reason: stopped.word, evidence: stopped.why });
    runGroup(input, step, { index: index + 1, stopped });
    return;
  }
  let open = group.length;
  for (const task of group) {
    tell(input, step, { task, state: "running" });
    runTask(input, step, task, (event) => {
      tell(input, step, event);
      if (event.state !== "done") stopped ??= { word: "earlier-failed", why: `${task.id} failed` };
      open -= 1;
      if (open === 0) runGroup(input, step, { index: index + 1, stopped });
    });
  }
}

/** Another run's writer came with a higher epoch (P5), or the way back of this one: what this step has not begun stays undone. */
function overtaken({ epoch }: HostTruth, { fence, overtakenBy }: StepTruth): Stopped | undefined {
  // guard P5: a group of an older epoch begins nothing beside a newer writer of another run.
  if (epoch.epoch > fence.epoch && epoch.holder !== fence.holder && !epoch.runs.includes(fence.run))
    return { word: "stale-epoch", why: `epoch ${epoch.epoch} belongs to ${epoch.holder}` };
  if (overtakenBy !== undefined)
    return { word: "taken-back", why: `step ${overtakenBy} takes back what this one does` };
  return undefined;
}

interface Told extends Partial<Omit<TaskEvent, "task" | "state">> {
  readonly task: Task;
  readonly state: TaskEvent["state"];
}

function tell(input: RunnerInput, step: StepTruth, { task, ...told }: Told): void {
  const event = { task: task.id, action: task.action, durationMs: 0, exitCode: 0, reason: "-", evidence: "", ...told };
  step.events.push(event);
  input.onTask(step, task, event);
  input.onEvent(step);
}

function runTask({ room }: RunnerInput, step: StepTruth, task: Task, onEnd: (told: Told) => void): void {
  const { truth } = room;
  let component = truth.components.get(task.component);
  if (component === undefined) {
    component = makeComponentTruth(task.component);
    truth.components.set(task.component, component);
  }
  const begun = room.uptime();
  const { version, options } = task;
  const { run, session, step: id } = step;
  const act = hostTasks[taskWord(task)];
  if (act === undefined) throw new Error(`a host took a task that it does not know: ${taskWord(task)}`);
  room.start(
    (self) => act({ room, self, component, version, run, session, step: id, options }),
    (ending) => onEnd({ task, durationMs: room.uptime() - begun, ...toldOf(ending) }),
  );
}

function toldOf(ending: Ending<string>): Omit<Told, "task"> {
  switch (ending.kind) {
    case "returned":
      return { state: "done", evidence: ending.value };
    case "failed": {
      const { exitCode, reason, message } = ending.failure;
      return { state: "failed", exitCode, reason, evidence: message };
    }
    case "killed":
      return { state: "failed", exitCode: 70, reason: "unexpected" };
  }
}

/** It was begun and nobody works on it, or it was never begun although there was time. */
export function isLost({ truth, uptime }: MachineRoom, step: StepTruth): boolean {
  if (step.isStarted) return !step.isHeld;
  return step.bootId !== truth.bootId || uptime() - step.submittedAt >= 15_000;
}
