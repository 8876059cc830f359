// Which task of which run an operator means, and what its host has ended of that step.
import { didYouMean, meantId, nearest } from "../../desired/nearest.ts";
import { CutoverError, UsageError } from "../../errors.ts";
import type { HostWork, Step } from "../../model/plan.ts";
import type { JournalEvent, RunId } from "../../model/run-event.ts";
import type { Task, TaskId } from "../../model/task.ts";
import type { JournalPort } from "../../ports.ts";
import { stepAtWork } from "../../run/at-work.ts";
import { reduce } from "../../run/machine.ts";
import { openRuns, runStream } from "../../run/replay.ts";
import { initialRunState, placeOf, type RunState, turnOf } from "../../run/run-state.ts";
import { isByHandAlone, isDry } from "./by-hand.ts";

/** `HOST/COMPONENT/TASK`, of one run when that stands before it. */
export interface AskedTask {
  readonly run: RunId | undefined;
  readonly id: TaskId;
}

export interface LoadedRun {
  readonly run: RunId;
  readonly events: readonly JournalEvent[];
  readonly state: RunState;
  /** Of a run that nobody named: the newest that did one task by hand, where it came later. */
  readonly laterByHand?: RunId;
}

export interface FoundTask extends LoadedRun {
  readonly step: Step;
  readonly work: HostWork;
  /** As the plan has it: with action `do`. */
  readonly task: Task;
}

/** Throws UsageError for anything else than `[RUN/]HOST/COMPONENT/TASK`. */
export function parseTaskId(text: string): AskedTask {
  const parts = text.split("/");
  if ((parts.length !== 3 && parts.length !== 4) || parts.some((part) => part === ""))
    throw new UsageError(`${text} is no task: expected HOST/COMPONENT/TASK`, "cutover task list");
  return { run: parts.length === 4 ? parts[0] : undefined, id: parts.slice(-3).join("/") };
}

/** Throws UsageError when there is none of that name. Without a name the newest open run, else the newest one; those of a release before those of one task. */
export async function loadRun(journal: JournalPort, wanted: RunId | undefined): Promise<LoadedRun> {
  const streams = (await journal.streams("run/")).reverse();
  const runs = streams.map((stream) => stream.slice("run/".length));
  if (wanted !== undefined) {
    const run = streams.includes(runStream(wanted)) ? await readRun(journal, wanted) : undefined;
    if (run !== undefined) return run;
    const meant = meantId(wanted, runs);
    throw new UsageError(
      `There is no run ${wanted}${didYouMean(meant)}`,
      meant === undefined ? "cutover task list" : `cutover task list ${meant}`,
    );
  }
  const open = (await openRuns(journal)).reverse();
  const newest = (await newestOfRelease(journal, open)) ?? open[0] ?? (await newestOfRelease(journal, runs)) ?? runs[0];
  const loaded = newest === undefined ? undefined : await readRun(journal, newest);
  if (loaded === undefined) throw new UsageError("Nothing has run yet", "cutover reconcile --once");
  const [last] = runs;
  const isLater = last !== undefined && last !== loaded.run && (await isOfOneTask(journal, last));
  return isLater ? { ...loaded, laterByHand: last } : loaded;
}

/** Newest first; what did one task by hand says nothing about a release. */
async function newestOfRelease(journal: JournalPort, runs: readonly RunId[]): Promise<RunId | undefined> {
  for (const run of runs.slice(0, mostRuns)) if (!(await isOfOneTask(journal, run))) return run;
  return undefined;
}

async function isOfOneTask(journal: JournalPort, run: RunId): Promise<boolean> {
  const [planned] = await journal.read(runStream(run), ["run-planned"]);
  return planned?.kind === "run-planned" && isByHandAlone(planned.plan);
}

async function readRun(journal: JournalPort, run: RunId): Promise<LoadedRun | undefined> {
  const events = await journal.read(runStream(run));
  const state = events.reduce((before, event) => reduce(before, event, run), initialRunState);
  return state.plan === undefined ? undefined : { run, events, state };
}

/** The newest run that is open and has this task; of the named run, whether it is open or not. Throws UsageError. */
export async function findTask(journal: JournalPort, { run, id }: AskedTask): Promise<FoundTask> {
  const loaded =
    run === undefined
      ? await findOpenRun(journal, (state) => placeOfTask(state, id) !== undefined)
      : await loadRun(journal, run);
  const found = loaded === undefined ? undefined : foundIn(loaded, id);
  if (found !== undefined) return found;
  const newest = loaded ?? (await loadRun(journal, run));
  const known = tasksOf(newest.state).map((task) => task.id);
  if (loaded === undefined && known.includes(id))
    throw new UsageError(
      `No open run has a task ${id}; run ${newest.run}, the newest one, has ended: ${newest.state.outcome ?? "unknown"}`,
      `cutover task show ${newest.run}/${id}`,
    );
  const where = loaded === undefined ? "No open run has a" : `Run ${newest.run} has no`;
  throw new UsageError(`${where} task ${id}${didYouMean(nearest(id, known))}`, `cutover task list ${newest.run}`);
}

/** As an operator's word about it finds it in this run. */
export function foundIn(loaded: LoadedRun, id: TaskId): FoundTask | undefined {
  const place = placeOfTask(loaded.state, id);
  return place === undefined ? undefined : { ...loaded, ...place };
}

/** Older ones are asked for by name. */
const mostRuns = 50;

/**
 * The newest open run that has this task, its do or its undo, else the newest of the last runs: one that was asked for by hand holds
 * nothing but its own, and one that only ran it dry did nothing. Throws UsageError that says where it was looked for.
 */
export async function findNewestRunWith(journal: JournalPort, id: TaskId): Promise<LoadedRun> {
  const open = await findOpenRun(journal, (state) => tasksOf(state).some((task) => task.id === id && !isDry(task)));
  if (open !== undefined) return open;
  const runs = (await journal.streams("run/")).slice(-mostRuns).map((stream) => stream.slice("run/".length));
  const known = new Set<TaskId>();
  let dry: RunId | undefined;
  for (const run of runs.toReversed()) {
    const [planned] = await journal.read(runStream(run), ["run-planned"]);
    if (planned?.kind !== "run-planned") continue;
    const tasks = tasksOf(planned);
    for (const task of tasks) known.add(task.id);
    const mine = tasks.filter((task) => task.id === id);
    if (mine.length > 0 && mine.every(isDry)) dry ??= run;
    const loaded = mine.some((task) => !isDry(task)) ? await readRun(journal, run) : undefined;
    if (loaded !== undefined) return loaded;
  }
  const tried = dry === undefined ? undefined : await readRun(journal, dry);
  if (tried !== undefined) return tried;
  const [first, last] = [runs[0], runs.at(-1)];
  if (first === undefined) throw new UsageError("Nothing has run yet", "cutover reconcile --once");
  const where =
    first === last ? `Run ${last} has no` : `None of the newest ${runs.length} runs, ${first} to ${last}, has a`;
  throw new UsageError(`${where} task ${id}${didYouMean(nearest(id, known))}`, `cutover task list ${last}`);
}

async function findOpenRun(
  journal: JournalPort,
  isMeant: (state: RunState) => boolean | undefined,
): Promise<LoadedRun | undefined> {
  for (const run of (await openRuns(journal)).reverse()) {
    const loaded = await readRun(journal, run);
    if (loaded !== undefined && loaded.state.outcome === undefined && isMeant(loaded.state) === true) return loaded;
  }
  return undefined;
}

/** The open run that moves this component on this host. */
export async function findOpenRunOf(
  journal: JournalPort,
  { host, component }: { readonly host: string; readonly component: string },
): Promise<LoadedRun | undefined> {
  return findOpenRun(journal, ({ plan }) =>
    plan?.changes.some((change) => change.host === host && change.component === component),
  );
}

/** The step that waits for this task, since it stands otherwise than the plan left it, or its host did not do it; else the first that does it. */
function placeOfTask(
  { plan, missing, hosts }: RunState,
  id: TaskId,
): Pick<FoundTask, "step" | "work" | "task"> | undefined {
  const places = (plan?.steps ?? []).flatMap((step) =>
    step.work.flatMap((work) => {
      const task = id.startsWith(`${work.host}/`) ? work.groups.flat().find((each) => each.id === id) : undefined;
      return task === undefined ? [] : [{ step, work, task }];
    }),
  );
  const isBad = ({ step, work }: (typeof places)[number]) => ["failed", "unknown"].includes(hosts.get(placeOf(step.id, work.host)) ?? ""); // biome-ignore format: one line
  const found =
    places.find(({ step }) => step.id === missing.get(id)) ??
    places.find(isBad) ??
    places.find(({ task }) => task.action === "do");
  return found === undefined ? undefined : { ...found, task: { ...found.task, action: "do" } };
}

function tasksOf({ plan }: Pick<RunState, "plan">): Task[] {
  return (plan?.steps ?? []).flatMap(({ work }) => work.flatMap(({ groups }) => groups.flat()));
}

/** Throws `run-ended`: what an ended run did is history, and its tasks are those of the next run. */
export function refuseEnded({ run, state }: LoadedRun, what: string): void {
  if (state.outcome === undefined && state.rollback === undefined) return;
  throw new CutoverError({
    code: "run-ended",
    message: state.outcome === undefined ? `Run ${run} is on its way back` : `Run ${run} has ended: ${state.outcome}`,
    ...(state.reason === "" ? {} : { evidence: state.reason }),
    impact: `Nothing was ${what}`,
    remedy:
      state.outcome === undefined
        ? `cutover reconcile --once, which goes on with it; cutover task list ${run}`
        : "cutover task run HOST/COMPONENT/TASK, or a new pass: cutover reconcile --once",
  });
}

/** Throws `task-at-work` while the host may be doing this step, or another one. */
export function refuseAtWork(found: FoundTask): void {
  const step = stepAtWork(found.state, found.task.host, found.step);
  if (step === undefined || (step === found.step && isOnlySaid(found))) return;
  throw besideWork(found, step, found.task.host);
}

/** `task-at-work`, about a step that a host may be doing. */
export function besideWork({ run, state }: Pick<LoadedRun, "run" | "state">, { id }: Step, host: string): CutoverError {
  return new CutoverError({
    code: "task-at-work",
    message: state.hosts.has(placeOf(id, host))
      ? `Nobody knows yet how ${id} ended on ${host}`
      : `${host} is at work on ${id}, or will be`,
    impact: "Nothing was changed",
    remedy: `${state.pace === "one-task" ? "cutover step" : "cutover reconcile --once"} goes on with it; cutover task list ${run}; cutover hold ${host} --reason … where it will not come back`,
  });
}

/** The host's turn of a run that is stepped through was opened by hand, and nobody has driven the run since: it was handed nothing of it. */
function isOnlySaid({ state, events, step, task }: FoundTask): boolean {
  if (state.pace !== "one-task" || turnOf(state, step.id, task.host)?.isBegun === true) return false;
  const said = events.findLastIndex((event) => event.kind === "host-reopened" && event.step === step.id && event.host === task.host); // biome-ignore format: one line
  const opened = events[said];
  if (opened?.kind !== "host-reopened" || opened.by === "cutover") return false;
  return said > events.findLastIndex(({ kind }) => kind === "run-resumed" || kind === "run-planned");
}
