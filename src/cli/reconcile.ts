// cutover reconcile --once
import type { Command } from "commander";
import { UsageError } from "../errors.ts";
import { examples, optionalText, type Register, textList } from "./command.ts";
import { openRunHistory } from "./open-run-history.ts";
import { passExitCode } from "./outcomes.ts";
import { profilePass } from "./profile-pass.ts";
import { passDocument, renderPass } from "./render-pass.ts";
import { watchRun } from "./watch-run.ts";

export function addReconcile(program: Command, register: Register): void {
  const command = program
    .command("reconcile")
    .option("--once", "one pass, then exit (serve does it after every push)")
    .option(
      "--slice <terms...>",
      "only this part of the plan, as cutover plan --slice shows it; refused beside an open run of its release",
    )
    .option("--profile [dir]", "show where the time went, and write a CPU profile and a flame graph to the folder")
    .option("--take-over", "take the lease from another controller that still holds it; hosts then refuse that one")
    .summary("Make hosts as git asks, once")
    .description("Make hosts look like the newest trusted commit: finish what is open, plan, roll out, report")
    .addHelpText(
      "after",
      examples(
        ["cutover reconcile --once", "one pass with a live picture; plain lines when piped"],
        ["cutover reconcile --once --json", "every event of the run as a JSON line, the result last"],
        [
          "cutover reconcile --once --profile reports",
          "tables of tasks and outside calls; profile-RUN.svg in reports/",
        ],
        ["cutover reconcile --once --slice task=check", "bytes, builds and checks on all hosts, ahead of the window"],
        ["cutover reconcile --once --take-over", "when the machine that held the lease is gone"],
      ),
    );
  register(command, async (context, { options }) => {
    if (options.once !== true)
      throw new UsageError("reconcile makes one pass and wants to be told so", "cutover reconcile --once");
    const { output, services, configPath, signal } = context;
    const [{ reconcile }, { withLease }] = await Promise.all([
      import("../app/reconcile.ts"),
      import("../app/controller.ts"),
    ]);
    const profileTo = options.profile === true ? "." : optionalText(options, "profile");
    const profiled = profileTo === undefined ? undefined : await services.openProfiledController(configPath);
    const { controller, close } = profiled ?? (await services.openController(configPath));
    const profile = profiled && profilePass(profiled, { output, directory: profileTo ?? "." });
    const display = watchRun(output, await openRunHistory(controller.journal));
    try {
      const takeOver = options.takeOver === true;
      const result = await withLease(controller, { takeOver, signal }, (lease, running) =>
        reconcile({
          ...{ controller, lease, watcher: profile?.watching(display) ?? display, signal: running },
          slices: textList(options, "slice"),
        }),
      );
      display.close();
      const exitCode = passExitCode(result.results, result.resumed);
      output.print(renderPass(result));
      output.jsonLine({ kind: "pass", exitCode, ...passDocument(result) });
      return exitCode;
    } finally {
      display.close();
      // Also of a pass that failed or was stopped: that one may well be the slow one.
      await (profile?.write() ?? Promise.resolve()).finally(close);
    }
  });
}
