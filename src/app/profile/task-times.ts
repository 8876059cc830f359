// How long tasks of each kind took, gathered from a run's events as they pass by.
import { durationsOf, type TaskTimes } from "../../model/profile.ts";
import type { JournalEvent } from "../../model/run-event.ts";

export interface TaskTimer {
  add(event: JournalEvent): void;
  /** The most time first. */
  times(): TaskTimes[];
}

export function makeTaskTimer(): TaskTimer {
  const kinds = new Map<string, { milliseconds: number[]; failed: number }>();
  return {
    add(event) {
      if (event.kind !== "task" || (event.event.state !== "done" && event.event.state !== "failed")) return;
      const { task, action, state, durationMs } = event.event;
      const key = `${action} ${task.slice(task.lastIndexOf("/") + 1)}`;
      const found = kinds.get(key) ?? { milliseconds: [], failed: 0 };
      kinds.set(key, found);
      found.milliseconds.push(durationMs);
      if (state === "failed") found.failed += 1;
    },
    times: () =>
      [...kinds]
        .map(([key, { milliseconds, failed }]): TaskTimes => {
          const [action, kind = ""] = key.split(" ");
          return { kind, action: action === "undo" ? "undo" : "do", ...durationsOf(milliseconds), failed };
        })
        .sort((a, b) => b.totalMs - a.totalMs),
  };
}
