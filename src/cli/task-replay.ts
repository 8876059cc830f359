// cutover task replay RUN/HOST/COMPONENT/TASK
import type { Command } from "commander";
import { ExitCode, UsageError } from "../errors.ts";
import { examples, optionalText, type Register } from "./command.ts";
import { renderReplay } from "./render-replay.ts";
import { shellWords } from "./task-test.ts";

export function addTaskReplay(task: Command, register: Register): void {
  const command = task
    .command("replay")
    .argument("<run/id>", "RUN/HOST/COMPONENT/TASK, as cutover status and cutover task list show them")
    .option("--before <dir>", "what stands on the host before: a directory that is laid out like its root")
    .option("--dry-run", "only say what it would do; for tasks whose contract says dryRun")
    .option("--shell <shell>", "instead of /bin/sh, such as dash or 'busybox ash'", shellWords)
    .summary("Run one task of a run once more, in a throw-away root")
    .description(
      "Run one task of a finished, failed or open run once more, on this machine, with what it was given there: version, what ran before, environment, contract and task bundle. No host is asked",
    )
    .addHelpText(
      "after",
      examples(
        [
          "cutover task replay r20260101-120000-ab12/web1/orders/convert-data --before copy-of-web1",
          "how it failed there",
        ],
        ["cutover task replay r20260101-120000-ab12/web1/orders/convert-data --dry-run", "what it would do"],
      ),
    );
  register(command, async ({ output, services, configPath, signal }, { args, options }) => {
    const [{ captureTask, withBundle }, { replay }] = await Promise.all([
      import("../app/replay-task.ts"),
      import("../lab/task-test/replay.ts"),
    ]);
    const { reviewer, close } = await services.openReviewer(configPath);
    try {
      const { captured, loaded } = await captureTask(reviewer, args[0] ?? "");
      const dryRun = options.dryRun === true ? ("dry-run" as const) : undefined;
      if (dryRun !== undefined && captured.task.dryRun !== true)
        throw new UsageError(`${captured.task.name} would change things: its contract does not say dryRun`);
      const before = optionalText(options, "before");
      const shell = options.shell as readonly string[] | undefined;
      const replayed = await withBundle(reviewer, loaded, (bundleDirectory) =>
        replay({ captured, bundleDirectory, before, shell, dryRun, signal }),
      );
      output.print(renderReplay(captured, replayed));
      output.document({ captured, replayed });
      return replayed.every(({ exitCode }) => exitCode === 0) ? ExitCode.done : ExitCode.stuck;
    } finally {
      await close();
    }
  });
}
