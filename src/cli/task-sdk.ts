// cutover task sdk DIR
import type { Command } from "commander";
import { ExitCode } from "../errors.ts";
import { examples, type Register } from "./command.ts";
import { type Line, styled } from "./text.ts";

export function addTaskSdk(task: Command, register: Register): void {
  const command = task
    .command("sdk")
    .argument("<dir>", "the component's directory, with component.yaml and tasks/")
    .option("--sh", "cutover.sh, also when no script uses it yet")
    .option("--python", "cutover.py, also when no script uses it yet")
    .option("--check", "write nothing; exit 2 when a copy is missing, older than this cutover's, or edited")
    .summary("Copy the task SDK beside a component's scripts")
    .description("Copy the task SDK into tasks/, where it becomes part of the signed task bundle")
    .addHelpText(
      "after",
      examples(
        ["cutover task sdk deploy/components/orders", "bring the copies that its scripts use up to date"],
        ["cutover task sdk orders --sh", "for the first script"],
        ["cutover task sdk orders --check", "for CI"],
      ),
    );
  register(command, async ({ output }, { args, options }) => {
    const { copyTaskSdk } = await import("../app/copy-task-sdk.ts");
    const copies = await copyTaskSdk({
      directory: args[0] ?? ".",
      wanted: [
        ...(options.sh === true ? (["cutover.sh"] as const) : []),
        ...(options.python === true ? (["cutover.py"] as const) : []),
      ],
      mode: options.check === true ? "check" : "copy",
    });
    const behind = copies.some(({ state, written }) => !written && state !== "current" && state !== "newer");
    output.print(
      copies.length === 0 ? [["no script uses the SDK; cutover task sdk DIR --sh copies it"]] : copies.map(line),
    );
    output.document({ copies });
    return behind ? ExitCode.changesPending : ExitCode.done;
  });
}

function line({ file, state, written }: { file: string; state: string; written: boolean }): Line {
  if (written) return [styled("copied", "good"), ` ${file}${state === "missing" ? "" : ` (was ${state})`}`];
  const note = state === "newer" ? "from a later cutover, left alone" : state;
  return [styled(state === "current" ? "good" : "look", state === "current" ? "good" : "warn"), ` ${file}: ${note}`];
}
