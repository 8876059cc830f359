// A task that was run by hand while its run waits for it, and that does not count there: whoever ran it is told so, and what does.
import type { Task, TaskId } from "../../model/task.ts";
import type { JournalPort } from "../../ports.ts";
import { leftOfStep } from "../../run/by-hand.ts";
import { decide } from "../../run/decide.ts";
import { taskKey } from "../../run/run-state.ts";
import { type AskedInRun, askedTask } from "./asked-task.ts";
import { isDry } from "./by-hand.ts";
import { foundIn, loadRun } from "./find-task.ts";
import { isAccepted } from "./list-next.ts";
import { refuseDone } from "./retry-task.ts";

export interface StillWaitedFor {
  readonly task: TaskId;
  readonly message: string;
  /** The next command. */
  readonly next: string;
}

/** Undefined where the run does not wait for a decision about this very task: it counts, or the run has not come to it. */
export async function stillWaitedFor(journal: JournalPort, acted: AskedInRun): Promise<StillWaitedFor | undefined> {
  const { run, asked } = acted;
  const ran = asked === undefined ? undefined : askedTask(acted);
  if (ran?.action !== "do") return undefined;
  const loaded = await loadRun(journal, run);
  const effect = decide(loaded.state);
  const found = foundIn(loaded, ran.id);
  if (effect?.kind !== "hold" || found === undefined) return undefined;
  const { step, work, task } = found;
  if (effect.step.id !== step.id || !effect.hosts.includes(work.host)) return undefined;
  const left = leftOfStep(loaded.state, step, work.host);
  if (!left.includes(taskKey(task)) || !isAccepted(found, () => refuseDone(found, left))) return undefined;
  const name = ran.id.split("/")[2];
  const why = whyNot(ran, { version: task.version, isDone: loaded.state.hosts.get(asked ?? "") === "done" });
  return {
    task: ran.id,
    message: `the run still waits for ${name} on ${work.host}${why === undefined ? "" : `: ${why}`}`,
    next: `cutover task retry ${run}/${ran.id} --reason …`,
  };
}

/** One that failed says by itself why it does not count. */
function whyNot(ran: Task, { version, isDone }: { readonly version: string; readonly isDone: boolean }) {
  if (!isDone) return undefined;
  if (isDry(ran)) return "a dry run does not count there";
  if (ran.version !== version) return `it brings ${version}, and what ${ran.version} did does not count there`;
  return "run by hand counts only what had been done and was taken back";
}
