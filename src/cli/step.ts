// cutover step: a pass in which every run goes one task further.
import type { Command } from "commander";
import type { JournalEvent } from "../model/run-event.ts";
import type { TaskEvent } from "../model/task.ts";
import { examples, type Register } from "./command.ts";
import { openRunHistory } from "./open-run-history.ts";
import { passExitCode, standingExitCode } from "./outcomes.ts";
import { spokenLines } from "./render-by-hand.ts";
import { passDocument, renderPass } from "./render-pass.ts";
import { type Line, styled } from "./text.ts";
import { watchRun } from "./watch-run.ts";

export function addStep(program: Command, register: Register): void {
  const command = program
    .command("step")
    .option("--take-over", "take the lease from another controller that still holds it")
    .summary("Go one task further, and stop")
    .description(
      "Begin what a pass would begin, or go on with what is open, one task of one host further. A switched host still goes back at its deadline when nobody steps on to its confirmation. Verbs for one task (task run, undo, retry, skip) do that task and leave the run to the next step. cutover reconcile --once goes on at full pace; cutover serve leaves the run where it stands",
    )
    .addHelpText("after", examples(["cutover step", "the next task, what it said, and what would come then"]));
  register(command, async (context, { options }) => {
    const { output, services, configPath, signal } = context;
    const [{ reconcile }, { withLease }, { describeRun, standingOf }, { openTrouble }] = await Promise.all([
      import("../app/reconcile.ts"),
      import("../app/controller.ts"),
      import("../app/tasks/describe-run.ts"),
      import("../app/open-trouble.ts"),
    ]);
    const { controller, close } = await services.openController(configPath);
    const display = watchRun(output, await openRunHistory(controller.journal));
    const said: TaskEvent[] = [];
    const onEvent = (event: JournalEvent) => {
      display.onEvent(event);
      if (event.kind === "task") said.push(event.event);
    };
    try {
      const takeOver = options.takeOver === true;
      const result = await withLease(controller, { takeOver, signal }, (lease, running) =>
        reconcile({ controller, lease, watcher: { ...display, onEvent }, signal: running, pace: "one-task" }),
      );
      display.close();
      output.print(said.flatMap((event) => (event.state === "done" ? spokenLines(event) : [])));
      const runs = new Map(
        [...result.resumed, ...result.results.flatMap(({ run }) => run ?? [])].map((each) => [each.run, each]),
      );
      const open = [...runs.values()].filter(({ state }) => state.outcome === undefined);
      const codes = open.map(({ state }) => standingExitCode(standingOf(state)));
      const exitCode = codes.sort((a, b) => b - a)[0] ?? passExitCode(result.results, result.resumed);
      output.print(
        open.length === 0
          ? renderPass(result)
          : open.flatMap(({ run, state }): Line[] => [
              [styled(`${run}:`, "strong"), ` ${describeRun(state).reason}`],
              [styled("next:", "accent"), ` ${openTrouble({ run, state })?.next ?? ""}`],
            ]),
      );
      output.jsonLine({ kind: "step", exitCode, ...passDocument(result) });
      return exitCode;
    } finally {
      display.close();
      await close();
    }
  });
}
