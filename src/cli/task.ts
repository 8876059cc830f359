// cutover task …: tasks one by one. Each command has a file of its own.
import type { Command } from "commander";
import type { Register } from "./command.ts";
import { addTaskActs } from "./task-acts.ts";
import { addTaskList, addTaskShow } from "./task-list.ts";
import { addTaskReplay } from "./task-replay.ts";
import { addTaskRun } from "./task-run.ts";
import { addTaskSdk } from "./task-sdk.ts";
import { addTaskTest } from "./task-test.ts";

export function addTask(program: Command, register: Register): void {
  const task = program.command("task").description("Look at tasks one by one, run, undo, retry and skip them; write and test them alone"); // biome-ignore format: one line
  addTaskList(task, register);
  addTaskShow(task, register);
  addTaskRun(task, register);
  addTaskActs(task, register);
  addTaskTest(task, register);
  addTaskReplay(task, register);
  addTaskSdk(task, register);
}
