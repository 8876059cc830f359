// cutover task run HOST/COMPONENT/TASK
import type { Command } from "commander";
import { actOnRun } from "./act-on-run.ts";
import { examples, optionalText, type Register } from "./command.ts";
import { actorOf, addReason } from "./run-control.ts";
import { takeOverOption } from "./task-acts.ts";

export function addTaskRun(task: Command, register: Register): void {
  const command = addReason(task.command("run"))
    .argument("<id>", "HOST/COMPONENT/TASK")
    .option("--undo", "its undo instead: takes back what the newest run that did it has left on the host")
    .option("--dry-run", "only say what it would do; the contract's dryRun promises that the script can")
    .option(
      "--version <version>",
      "whose script (default: the version that an open run brings there, else the one that the host runs)",
    )
    .option(...takeOverOption)
    .summary("Run one task on one host, without its neighbours")
    .description(
      "Run one task on one host, without its neighbours: a check, health or drain, or an executable of the task bundle as it was published last. An open run stays where it stands",
    )
    .addHelpText(
      "after",
      examples(
        ["cutover task run db1/orders/convert --dry-run --reason 'a look'", "what it would do; changes nothing"],
        ["cutover task run db1/orders/convert --version 2.0.0 --reason 'try it'", "the script of another version"],
        ["cutover task run lb1/haproxy-pool/pool.web1 --undo --reason 'it is well again'", "web1 gets traffic again"],
      ),
    );
  register(command, async (context, { args, options }) => {
    const [{ runTask }, { parseTaskId }] = await Promise.all([
      import("../app/tasks/run-task.ts"),
      import("../app/tasks/find-task.ts"),
    ]);
    const how = {
      ...actorOf(options),
      action: options.undo === true ? ("undo" as const) : ("do" as const),
      isDryRun: options.dryRun === true,
      version: optionalText(options, "version"),
    };
    const asked = parseTaskId(args[0] ?? "");
    return actOnRun(context, { options, kind: "task-run" }, (place) => runTask({ ...place, ...how }, asked));
  });
}
