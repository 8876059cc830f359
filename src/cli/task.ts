// cutover task …: tasks one by one. Each command has a file of its own.
import type { Command } from "commander";
import type { Register } from "./command.ts";
import { addTaskReplay } from "./task-replay.ts";
import { addTaskSdk } from "./task-sdk.ts";
import { addTaskTest } from "./task-test.ts";

export function addTask(program: Command, register: Register): void {
  const task = program.command("task").description("Write tasks, test them alone");
  addTaskTest(task, register);
  addTaskReplay(task, register);
  addTaskSdk(task, register);
}
