// cutover task list, cutover task show: the plan book of a run, read from the journal; beside a running serve, too.
import type { Command } from "commander";
import type { ReadTaskBook, TaskRow } from "../app/tasks/task-book.ts";
import { ExitCode } from "../errors.ts";
import { examples, type Options, optionalText, type Register } from "./command.ts";
import { runBookExitCode } from "./outcomes.ts";
import { renderTask, renderTaskBook } from "./render-tasks.ts";
import { withJournal } from "./run-control.ts";
import { type Line, styled } from "./text.ts";

export function addTaskList(task: Command, register: Register): void {
  const command = task
    .command("list")
    .argument(
      "[run]",
      "a run (default: the newest open one, else the newest; those of a release before those of one task)",
    )
    .option("--host <name>", "only tasks of this host")
    .option("--component <name>", "only tasks of this component")
    .option("--open", "only tasks that are not done")
    .summary("Every task of a run, and what it waits for")
    .description("Every task of a run in the order of the plan: how far it is, how long it took, what it waits for")
    .addHelpText(
      "after",
      examples(
        ["cutover task list", "of the run under way, else of the newest one"],
        ["cutover task list --open", "what failed, and what waits for it"],
      ),
    );
  register(command, async (context, { args, options }) => {
    const { readTaskBook } = await import("../app/tasks/task-book.ts");
    const book = await withJournal(context, ({ journal }) => readTaskBook(journal, args[0]));
    const tasks = book.tasks.filter(wanted(options));
    context.output.print([...renderTaskBook({ ...book, tasks }, book.tasks.length), ...(await slips(options, book))]);
    context.output.document({ ...book, tasks });
    return runBookExitCode(book);
  });
}

export function addTaskShow(task: Command, register: Register): void {
  const command = task
    .command("show")
    .argument("<id>", "[RUN/]HOST/COMPONENT/TASK")
    .summary("One task: its state, what it said, who waits for it")
    .description(
      "One task of a run: its state, everything that it said, what was done to it by hand, and who waits for it",
    );
  register(command, async (context, { args }) => {
    const { readTask } = await import("../app/tasks/read-task.ts");
    const found = await withJournal(context, ({ journal }) => readTask(journal, args[0] ?? ""));
    context.output.print(renderTask(found));
    context.output.document(found);
    return found.row.state === "failed" ? ExitCode.stuck : ExitCode.done;
  });
}

/** What the run has nothing of may be a slip. */
async function slips(options: Options, book: ReadTaskBook): Promise<Line[]> {
  const { misspelt } = await import("../app/tasks/misspelt.ts");
  return (["host", "component"] as const).flatMap((key) => {
    const found = misspelt(book, { key, typed: optionalText(options, key) });
    return found === undefined ? [] : [[found.message], [styled("next:", "accent"), ` ${found.next}`]];
  });
}

function wanted(options: Options): (row: Pick<TaskRow, "host" | "component" | "isOpen">) => boolean {
  const [host, component] = [optionalText(options, "host"), optionalText(options, "component")];
  return (row) =>
    (host === undefined || row.host === host) &&
    (component === undefined || row.component === component) &&
    (options.open !== true || row.isOpen);
}
