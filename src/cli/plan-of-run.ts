// cutover plan --run RUN
import { ExitCode } from "../errors.ts";
import type { CommandContext } from "./command.ts";
import { bookLines } from "./render-book.ts";
import { renderPlan } from "./render-plan.ts";
import { withJournal } from "./run-control.ts";
import { styled } from "./text.ts";

/** From the journal alone: works beside a running `serve`, and after the run. */
export async function showPlanOfRun(context: CommandContext, run: string): Promise<ExitCode> {
  const { readPlan } = await import("../app/read-plan.ts");
  const stored = await withJournal(context, (memory) => readPlan(memory, run));
  const { plan, commit, outcome, reason, book } = stored;
  context.output.print([
    [
      styled(`run ${run}`, "strong"),
      ` for commit ${commit.slice(0, 12)}: `,
      outcome ?? "open",
      reason && ` (${reason})`,
    ],
    ...renderPlan({ plan }),
    [],
    ...bookLines(book),
  ]);
  context.output.document(stored);
  return ExitCode.done;
}
