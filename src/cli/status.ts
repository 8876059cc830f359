// cutover status
import type { Command } from "commander";
import { ExitCode } from "../errors.ts";
import { type CommandContext, examples, type Register } from "./command.ts";
import { makeLiveDisplay } from "./live-display.ts";
import { statusExitCode } from "./outcomes.ts";
import { safeJson } from "./output.ts";
import type { OpenedJournal } from "./services.ts";
import { type Line, styled } from "./text.ts";
import { formatClock } from "./units.ts";

/** Often enough to follow a run, seldom enough to cost nothing. */
const watchMs = 1_000;

export function addStatus(program: Command, register: Register): void {
  const command = program
    .command("status")
    .option("--watch", "redraw until Ctrl-C; piped: print again when something has changed")
    .summary("Where everything stands")
    .description("Where every release stands: state with reason, versions, quarantines, holds, last run")
    .addHelpText(
      "after",
      examples(
        ["cutover status", "exits 0 when all is ready, 2 while a release is under way, 4 when one is stuck or unknown"],
        ["cutover status --watch", "works beside a running serve"],
        ["cutover status --json", "the same as data"],
      ),
    );
  register(command, async (context, { options }) => {
    const opened = await context.services.openJournal(context.configPath);
    try {
      if (options.watch === true) return await watch(context, opened);
      const { view, lines, states } = await readView(opened);
      const { openRuns, refused } = view;
      context.output.print(lines);
      context.output.document(view);
      return statusExitCode(states, { refused: refused !== undefined, openRuns });
    } finally {
      await opened.close();
    }
  });
}

/** Loaded here, since the status model is of no use to any other command. */
async function readView({ journal, settings }: OpenedJournal) {
  const [{ readStatus }, { currentState }, { renderStatus }] = await Promise.all([
    import("../app/read-status.ts"),
    import("./current-state.ts"),
    import("./render-status.ts"),
  ]);
  const view = await readStatus(journal, settings);
  return { view, lines: renderStatus(view), states: view.releases.map((status) => currentState(status, view)) };
}

async function watch({ output, ...context }: CommandContext, opened: OpenedJournal): Promise<ExitCode> {
  const signal = AbortSignal.any([context.signal, context.unread]);
  let lines: readonly Line[] = [];
  let shown = "";
  const onScreen = output.out.isTTY && !output.json;
  const live = onScreen
    ? makeLiveDisplay({
        sink: output.out,
        color: output.color,
        picture: () => [[styled(formatClock(opened.clock.now()), "faint")], ...lines],
      })
    : undefined;
  try {
    while (!signal.aborted) {
      const { view, lines: now } = await readView(opened);
      const text = safeJson(view);
      if (text !== shown) {
        shown = text;
        lines = now;
        if (live) live.changed();
        else output.print([[styled(formatClock(opened.clock.now()), "faint")], ...lines]);
        output.jsonLine(view);
      }
      // Being told to stop ends the pause, and with it the watch.
      await opened.clock.sleep(watchMs, signal).catch(() => {});
    }
  } finally {
    live?.close();
  }
  if (onScreen) output.print(lines);
  return ExitCode.done;
}
