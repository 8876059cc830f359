// cutover task undo | retry | skip: one task of an open run, everything else stands.
import type { Command } from "commander";
import { decideInRun } from "./act-on-run.ts";
import { examples, type Register, textOption } from "./command.ts";
import { actorOf, addReason } from "./run-control.ts";

export const takeOverOption = ["--take-over", "take the lease from another controller that still holds it"] as const;

export function addTaskActs(task: Command, register: Register): void {
  addUndo(task, register);
  addRetry(task, register);
  addSkip(task, register);
}

function addUndo(task: Command, register: Register): void {
  const command = addReason(task.command("undo"))
    .argument("<id>", "[RUN/]HOST/COMPONENT/TASK")
    .option("--dry-run", "only say what would be done; change nothing")
    .option(...takeOverOption)
    .summary("Take one task of an open run back")
    .description(
      "Take one task of an open run back with its own undo; everything else stands, and what comes after it waits",
    )
    .addHelpText(
      "after",
      examples([
        "cutover task undo db1/orders/convert --reason 'wrong encoding'",
        "its data is as before; cutover task retry goes on from there",
      ]),
    );
  register(command, async (context, { args, options }) => {
    const [{ undoTask }, { parseTaskId }] = await Promise.all([
      import("../app/tasks/undo-task.ts"),
      import("../app/tasks/find-task.ts"),
    ]);
    const actor = actorOf(options);
    const asked = parseTaskId(args[0] ?? "");
    return decideInRun(context, { options, kind: "task-undo" }, (controller) =>
      undoTask({ controller, ...actor }, asked),
    );
  });
}

function addRetry(task: Command, register: Register): void {
  const command = addReason(task.command("retry"))
    .argument("<id>", "[RUN/]HOST/COMPONENT/TASK")
    .option("--amend", "go on with the task bundle that was published since (cutover publish --amend)")
    .option("--dry-run", "only say what would be done; change nothing")
    .option(...takeOverOption)
    .summary("Try a failed task again, and go on with the run")
    .description(
      "Try a task that failed or was taken back again, then what is left of its step, then the rest of the run; in a run that somebody steps through, that task and no more",
    )
    .addHelpText(
      "after",
      examples(
        ["cutover task retry db1/orders/convert --reason 'disk was full'", "the same script again"],
        ["cutover task retry db1/orders/convert --amend --reason 'mended'", "the script that was published since"],
      ),
    );
  register(command, async (context, { args, options }) => {
    const [{ retryTask }, { parseTaskId }] = await Promise.all([
      import("../app/tasks/retry-task.ts"),
      import("../app/tasks/find-task.ts"),
    ]);
    const actor = actorOf(options);
    const asked = parseTaskId(args[0] ?? "");
    const amend = options.amend === true;
    return decideInRun(context, { options, kind: "task-retry" }, (controller) =>
      retryTask({ controller, ...actor, amend }, asked),
    );
  });
}

function addSkip(task: Command, register: Register): void {
  const command = task
    .command("skip")
    .argument("<id>", "[RUN/]HOST/COMPONENT/TASK")
    .requiredOption("--reason <text>", "why; it is kept, signed and shown")
    .requiredOption("--key <file>", "private key of a commit signer whom the Trust names")
    .option("--dry-run", "only say what would be done; change nothing")
    .option(...takeOverOption)
    .summary("Go on without a task")
    .description("Go on without a task. Whoever skips signs for it: the run keeps who, why, and the signature")
    .addHelpText(
      "after",
      examples([
        "cutover task skip db1/orders/convert --key ~/.ssh/id_ed25519 --reason 'no data there'",
        "the run goes on as if it were done; the reason is signed with this key",
      ]),
    );
  register(command, async (context, { args, options }) => {
    const [{ skipTask }, { parseTaskId }] = await Promise.all([
      import("../app/tasks/skip-task.ts"),
      import("../app/tasks/find-task.ts"),
    ]);
    const { reason } = actorOf(options);
    const asked = parseTaskId(args[0] ?? "");
    const keyPath = textOption(options, "key");
    return decideInRun(context, { options, kind: "task-skip" }, (controller) =>
      skipTask({ controller, reason, keyPath }, asked),
    );
  });
}
