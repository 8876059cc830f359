// The steps to where a test begins.
import assert from "node:assert/strict";
import type { JournalEvent } from "../../src/model/run-event.ts";
import type { Home } from "./with-home.ts";

/** Steps until the task is done. As `cutover step` does, by a controller of its own each time, but without a process for each. */
export async function stepUntil({ reconcile }: Pick<Home, "reconcile">, task: string): Promise<void> {
  const isIt = (event: JournalEvent) =>
    event.kind === "task" && event.event.task === task && event.event.state === "done";
  for (let steps = 0; steps < 20; steps++) {
    const said: JournalEvent[] = [];
    await reconcile({ pace: "one-task", onEvent: (event) => said.push(event) });
    if (said.some(isIt)) return;
  }
  assert.fail(`${task} is not done`);
}
