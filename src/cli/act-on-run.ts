// Commands that act in a run by hand: under the lease, watched like any run, and said how it stands afterwards.
import type { ActedRun, Going, TaskDecision } from "../app/tasks/act-in-run.ts";
import { CutoverError, ExitCode } from "../errors.ts";
import type { JournalEvent } from "../model/run-event.ts";
import type { TaskEvent } from "../model/task.ts";
import type { CommandContext, Options } from "./command.ts";
import { openRunHistory } from "./open-run-history.ts";
import { runBookExitCode } from "./outcomes.ts";
import { isByHand, spokenLines } from "./render-by-hand.ts";
import { decisionLines } from "./render-tasks.ts";
import { type Line, styled } from "./text.ts";
import { watchRun } from "./watch-run.ts";

type OpenedController = Awaited<ReturnType<CommandContext["services"]["openController"]>>["controller"];

interface ActOnRun {
  readonly options: Options;
  readonly kind: string;
}

/** What a person decided goes into the run: here, or beside the process that serves. */
export async function decideInRun(
  context: CommandContext,
  act: ActOnRun,
  decide: (controller: OpenedController) => Promise<TaskDecision>,
): Promise<ExitCode> {
  const { goOn, sayBeside } = await import("../app/tasks/act-in-run.ts");
  if (act.options.dryRun === true) return showDecision(context, act, decide);
  try {
    return await actOnRun(context, act, async (going) => goOn(going, await decide(going.controller)));
  } catch (error) {
    if (!(error instanceof CutoverError) || error.code !== "serve-running") throw error;
  }
  const { controller, close } = await context.services.openController(context.configPath);
  try {
    const decision = await decide(controller);
    await sayBeside(controller, decision);
    const { run } = decision.found;
    context.output.print([
      [
        styled("said:", "good"),
        decision.pace === "none"
          ? " the next cutover step goes on from there"
          : " the running cutover serve goes on with it",
      ],
      [styled("next:", "accent"), ` cutover task list ${run}`],
    ]);
    context.output.document({ kind: act.kind, run, events: decision.events });
    return ExitCode.done;
  } finally {
    await close();
  }
}

/** Says it, and does nothing: no lease, no word in the journal. */
async function showDecision(
  { services, configPath, output }: CommandContext,
  { kind }: ActOnRun,
  decide: (controller: OpenedController) => Promise<TaskDecision>,
): Promise<ExitCode> {
  const { controller, close } = await services.openController(configPath);
  try {
    const decision = await decide(controller);
    const { found, events } = decision;
    const { foresee } = await import("../app/tasks/foresee.ts");
    const foreseen = foresee(decision);
    output.print([
      [styled("would", "accent"), ` in run ${found.run}:`],
      ...decisionLines(events, foreseen),
      [styled("next:", "accent"), " the same command without --dry-run"],
    ]);
    output.document({ kind, run: found.run, events: events.map(unsigned), foreseen });
    return ExitCode.done;
  } finally {
    await controller.executor.close();
    await close();
  }
}

/** Whoever only looks gets no signature that acts: it was made to see whether the Trust names its key. */
function unsigned(event: TaskDecision["events"][number]): object {
  if (event.kind !== "task-skipped") return event;
  const { signature: _, ...said } = event;
  return said;
}

/** Under the lease, watched like any run. */
export async function actOnRun(
  context: CommandContext,
  { options, kind }: ActOnRun,
  act: (going: Going) => Promise<ActedRun>,
): Promise<ExitCode> {
  const { output, services, configPath, signal } = context;
  const { withLease } = await import("../app/controller.ts");
  const { controller, close } = await services.openController(configPath);
  const display = watchRun(output, await openRunHistory(controller.journal));
  const said: TaskEvent[] = [];
  const onEvent = (event: JournalEvent) => {
    display.onEvent(event);
    if (event.kind === "task" && !isByHand(event.step)) said.push(event.event);
  };
  try {
    const takeOver = options.takeOver === true;
    const acted = await withLease(controller, { takeOver, signal }, (lease, running) =>
      act({ controller, lease, watcher: { ...display, onEvent }, signal: running }),
    );
    display.close();
    // Whoever steps through a run reads what each task said.
    if (acted.state.pace === "one-task") output.print(said.flatMap((event) => (event.state === "done" ? spokenLines(event) : []))); // biome-ignore format: one line
    const [{ describeRun, standingOf }, { openTrouble }, { leavesSome }, { reportAsked }, { stillWaitedFor }] =
      await Promise.all([
        import("../app/tasks/describe-run.ts"),
        import("../app/open-trouble.ts"),
        import("../app/tasks/list-next.ts"),
        import("../app/tasks/asked-task.ts"),
        import("../app/tasks/still-waited-for.ts"),
      ]);
    const { outcome, reason } = describeRun(acted.state);
    const exitCode = exitCodeOf(
      acted,
      runBookExitCode({ standing: standingOf(acted.state), leavesSome: leavesSome(acted.state) }),
    );
    const waited = await stillWaitedFor(controller.journal, acted);
    const next = waited?.next ?? openTrouble(acted)?.next;
    const { run, notPublished } = acted;
    output.print(outcomeLines({ run, outcome, reason, waited: waited?.message, next, notPublished }));
    const unpublished = notPublished === undefined ? {} : { notPublished };
    const task = reportAsked(acted);
    const asked = {
      ...(task === undefined ? {} : { task }),
      ...(waited === undefined ? {} : { stillWaitedFor: waited }),
    };
    output.jsonLine({ kind, run, ...asked, outcome, reason, exitCode, ...unpublished });
    return exitCode;
  } finally {
    display.close();
    await close();
  }
}

/** Whoever asked for one task wants to know about that one; else the run counts. */
function exitCodeOf({ asked, state }: ActedRun, ofRun: ExitCode): ExitCode {
  if (asked === undefined) return ofRun;
  return state.hosts.get(asked) === "done" ? ExitCode.done : ExitCode.stuck;
}

interface Said {
  readonly run: string;
  readonly outcome: string;
  readonly reason: string;
  /** What was done by hand and does not count. */
  readonly waited: string | undefined;
  readonly next: string | undefined;
  readonly notPublished: string | undefined;
}

function outcomeLines({ run, outcome, reason, waited, next, notPublished }: Said): Line[] {
  const good = outcome === "done";
  const late = notPublished === undefined ? [] : [[styled("status not in git yet:", "warn"), ` ${notPublished}; the next pass writes it`]]; // biome-ignore format: one line
  return [
    ...late,
    [styled(`${outcome}:`, good ? "good" : "warn"), ` run ${run}${reason === "" ? "" : `: ${reason}`}`],
    ...(waited === undefined ? [] : [[`  ${waited}`]]),
    ...(good ? [] : [[styled("next:", "accent"), ` ${next ?? `cutover task list ${run} --open`}`]]),
  ];
}
