// cutover serve
import type { Command } from "commander";
import { ExitCode } from "../errors.ts";
import { examples, type Register } from "./command.ts";
import { openRunHistory } from "./open-run-history.ts";
import { passExitCode } from "./outcomes.ts";
import type { Output } from "./output.ts";
import { renderError, reportError } from "./render-error.ts";
import { passDocument, renderPass } from "./render-pass.ts";
import type { Log, PassReport } from "./services.ts";
import { type Line, styled } from "./text.ts";
import { type RunDisplay, watchRun } from "./watch-run.ts";

export function addServe(program: Command, register: Register): void {
  const command = program
    .command("serve")
    .option("--take-over", "take the lease from another controller that still holds it; hosts then refuse that one")
    .summary("Do that after every push")
    .description("Reconcile after every push, webhook and cron time, until stopped; serves /metrics and /healthz")
    .addHelpText(
      "after",
      examples(
        ["cutover serve", "a live picture on a terminal; as a service: plain lines, log as JSON on standard error"],
        ["cutover serve --json", "every event of every run and every pass as a JSON line"],
      ),
    );
  register(command, async ({ output, services, configPath, signal }, { options }) => {
    const server = await services.openServer(configPath);
    const display = watchRun(output, await openRunHistory(server.controller.journal));
    try {
      await server.serve({
        watcher: display,
        takeOver: options.takeOver === true,
        signal,
        log: output.out.isTTY && !output.json ? displayLog(display) : server.log,
        onPass: (report) => showPass(output, display, report),
      });
    } catch (error) {
      // Being told to stop is how serving ends well.
      if (!signal.aborted) throw error;
    } finally {
      display.close();
      await server.close();
    }
    return ExitCode.done;
  });
}

/** On a terminal the log would tear the live picture: what is worth saying is said through it. */
function displayLog(display: RunDisplay): Log {
  const say = (line: Line) => display.note([line]);
  const text = (details: Readonly<Record<string, unknown>> = {}) =>
    Object.entries(details)
      .filter(([, value]) => typeof value === "string" || typeof value === "number")
      .map(([name, value]) => ` ${name}=${value}`)
      .join("");
  return {
    info: (event, details) => {
      if (event === "listening") say([styled(`${event}${text(details)}`, "faint")]);
    },
    warn: (event, details) => say([styled("warning:", "warn"), ` ${event}${text(details)}`]),
    // A failed pass is shown as an error of its own.
    error: (event, details) => {
      if (event !== "pass-failed") say([styled("error:", "bad"), ` ${event}${text(details)}`]);
    },
  };
}

function showPass(output: Output, display: RunDisplay, report: PassReport): void {
  const ms = report.durationMs;
  if (report.kind === "failed") {
    const error = reportError(report.error);
    output.jsonLine({ kind: "pass", ms, exitCode: error.exitCode, error });
    display.note(renderError(error));
    return;
  }
  const { result } = report;
  output.jsonLine({
    kind: "pass",
    ms,
    exitCode: passExitCode(result.results, result.resumed),
    ...passDocument(result),
  });
  display.note(renderPass(result));
}
