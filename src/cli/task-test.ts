// cutover task test DIR
import { type Command, InvalidArgumentError } from "commander";
import { ExitCode } from "../errors.ts";
import { examples, type Register, textList } from "./command.ts";
import { renderTaskTest } from "./render-task-test.ts";

export function addTaskTest(task: Command, register: Register): void {
  const command = task
    .command("test")
    .argument("<dir>", "the component's directory, with component.yaml, tasks/ and tests/")
    .option("--task <name...>", "only these")
    .option("--shell <shell>", "instead of /bin/sh, such as dash or 'busybox ash'", shellWords)
    .summary("Test a component's tasks alone, on this machine")
    .description(
      "Run each task in a throw-away root, from tests/TASK/before to tests/TASK/after: do, do again, undo, killed at every line of both. No host, no root",
    )
    .addHelpText(
      "after",
      examples(
        ["cutover task test deploy/components/orders", "all tasks; exits 4 when one is not as it must be"],
        ["cutover task test orders --task convert-data", "one of them"],
        ["cutover task test orders --shell 'busybox ash'", "as on hosts whose /bin/sh is BusyBox"],
      ),
    );
  register(command, async ({ output, signal }, { args, options }) => {
    const { testTasks } = await import("../lab/task-test/test-tasks.ts");
    const shell = options.shell as readonly string[] | undefined;
    const result = await testTasks({ directory: args[0] ?? ".", tasks: textList(options, "task"), shell, signal });
    output.print(renderTaskTest(result));
    output.document(result);
    return result.passed ? ExitCode.done : ExitCode.stuck;
  });
}

export function shellWords(text: string): string[] {
  const words = text.split(" ").filter((word) => word !== "");
  if (words.length === 0) throw new InvalidArgumentError("name a shell");
  return words;
}
