// cutover rollback [RELEASE]
import type { Command } from "commander";
import { CutoverError, ExitCode } from "../errors.ts";
import { type CommandContext, examples, type Register } from "./command.ts";
import { openRunHistory } from "./open-run-history.ts";
import { runExitCode } from "./outcomes.ts";
import { actorOf, addReason } from "./run-control.ts";
import type { OpenedController } from "./services.ts";
import { type Line, styled } from "./text.ts";
import { watchRun } from "./watch-run.ts";

export function addRollback(program: Command, register: Register): void {
  const command = addReason(program.command("rollback"))
    .argument("[release]", "needed when several releases have run")
    .option(
      "--in-traffic",
      "take no host out of traffic first (strategy balancer): for when the balancer or the last other host is down; requests are dropped",
    )
    .option("--take-over", "take the lease from another controller that still holds it")
    .summary("Take the last run back")
    .description("Take the last run back, one batch after the other, and quarantine what it had brought")
    .addHelpText(
      "after",
      examples([
        "cutover rollback --reason 'wrong prices'",
        "previous versions again; git asking for the new ones starts nothing",
      ]),
    );
  register(command, async (context, { args, options }) => {
    const { output, services, configPath, signal } = context;
    const actor = actorOf(options);
    const inTraffic = options.inTraffic === true;
    const [{ rollBackRelease }, { saidOf }, { withLease }] = await Promise.all([
      import("../app/roll-back.ts"),
      import("../app/rolled-back.ts"),
      import("../app/controller.ts"),
    ]);
    const { controller, close } = await services.openController(configPath);
    const display = watchRun(output, await openRunHistory(controller.journal));
    try {
      const takeOver = options.takeOver === true;
      const result = await withLease(controller, { takeOver, signal }, (lease, running) =>
        rollBackRelease({
          controller,
          lease,
          release: args[0],
          inTraffic,
          ...actor,
          watcher: display,
          signal: running,
        }),
      );
      const { run, notPublished } = result;
      const { outcome, reason } = saidOf(result);
      const exitCode = wentBack(outcome) ? ExitCode.done : runExitCode(outcome === "waiting" ? undefined : outcome);
      if (notPublished !== undefined)
        output.print([[styled("status not in git yet:", "warn"), ` ${notPublished}; the next pass writes it`]]);
      if (!wentBack(outcome))
        output.print([
          [
            `${outcome === "waiting" ? "waiting for hosts that do not answer" : outcome}${reason === "" ? "" : `: ${reason}`}`,
          ],
          [
            styled("next:", "accent"),
            " cutover status, then the same command again: it goes on where this one stopped",
          ],
        ]);
      const unpublished = notPublished === undefined ? {} : { notPublished };
      output.jsonLine({ kind: "rollback", run, outcome, reason, exitCode, ...unpublished });
      return exitCode;
    } catch (error) {
      if (!(error instanceof CutoverError) || error.code !== "serve-running") throw error;
      return await handOver(context, controller, { release: args[0], inTraffic, ...actor });
    } finally {
      display.close();
      await close();
    }
  });
}

/** One process works at a time: the one that serves interrupts what it does, goes back, and says how it went. */
async function handOver(
  { output, signal }: CommandContext,
  controller: OpenedController["controller"],
  act: {
    readonly release: string | undefined;
    readonly inTraffic: boolean;
    readonly by: string;
    readonly reason: string;
  },
): Promise<ExitCode> {
  const { awaitAnswer, requestRollback } = await import("../app/rollback-requests.ts");
  const request = await requestRollback(controller, act);
  output.print([["handed to the running cutover serve; waiting for its answer (Ctrl-C does not take it back)"]]);
  const { outcome, run, message } = await awaitAnswer(controller, request, signal);
  const went = wentBack(outcome);
  const exitCode = went
    ? ExitCode.done
    : outcome === "refused"
      ? ExitCode.stuck
      : runExitCode(outcome === "waiting" ? undefined : outcome);
  const next: readonly Line[] = went ? [] : [[styled("next:", "accent"), " cutover status"]];
  output.print([[styled(went ? "done:" : `${outcome}:`, went ? "good" : "bad"), ` ${message}`], ...next]);
  output.jsonLine({ kind: "rollback", run, outcome, reason: message, exitCode });
  return exitCode;
}

/** An open run that was told to go back ends `rolled-back`: that is what was asked for. */
function wentBack(outcome: string | undefined): boolean {
  return outcome === "done" || outcome === "rolled-back";
}
