// `cutover task run`: one task on one host, without its neighbours (R32): for trying a script, and for what is done by hand.
// Beside an open run that holds the component it is a step of that run, which stays where it stands; else it is a run of its own.
import { didYouMean, meantName, nearest } from "../../desired/nearest.ts";
import { CutoverError, UsageError } from "../../errors.ts";
import { canonicalJson, digestOf } from "../../model/digest.ts";
import type { Host } from "../../model/fleet.ts";
import type { Observation } from "../../model/observation.ts";
import type { Plan, Step, TaskGroup } from "../../model/plan.ts";
import type { PublishedTask, PublishedVersion } from "../../model/published-version.ts";
import { type Task, type TaskAction, type TaskKind, taskId } from "../../model/task.ts";
import { targetedTask } from "../../plan/balancer-steps.ts";
import { hookTask, makeTask } from "../../plan/host-tasks.ts";
import { stepAtWork } from "../../run/at-work.ts";
import { isCounted } from "../../run/by-hand.ts";
import { isOwed } from "../../run/owed-bundles.ts";
import { placeOf } from "../../run/run-state.ts";
import { nextByHand } from "../../run/try-again.ts";
import { recall } from "../controller-memory.ts";
import { makeRunId, startRun } from "../execute-run.ts";
import { loadVersion } from "../load-published.ts";
import { readNewest } from "../read-newest.ts";
import { runSources } from "../release-context.ts";
import { plannedVersions, refuseOtherVersion } from "../version-changed.ts";
import { type ActedRun, bringing, type Going, goOn, type TaskAct } from "./act-in-run.ts";
import { type AskedTask, besideWork, findOpenRunOf, type LoadedRun, refuseEnded } from "./find-task.ts";
import { undoByHand } from "./undo-by-hand.ts";

export type RunTaskAct = TaskAct &
  Going & {
    readonly action: TaskAction;
    /** Only says what it would do; the contract's `dryRun` promises that it can. */
    readonly isDryRun: boolean;
    /** By default the version that an open run brings there, else the one that the host runs. */
    readonly version: string | undefined;
  };

/** Kinds that may be run by themselves: they look, or they are undone by their own undo. The rest belongs to a run. */
const aloneKinds: readonly TaskKind[] = ["check", "health", "drain"];

/** Throws UsageError for a task that the version does not have, `no-dry-run`, `nothing-to-undo`, `run-ended`, `task-at-work`, `version-unknown`, HostUnreachableError. */
export async function runTask(act: RunTaskAct, { id }: AskedTask): Promise<ActedRun> {
  const { controller, by, reason } = act;
  const [hostName = "", component = "", name = ""] = id.split("/");
  const { loaded } = await readNewest(controller);
  const host = knownHost(loaded.desired.hosts, hostName);
  refuseOtherComponent(host, { component, name, act });
  const observation = await controller.executor.probe(host);
  const { trust } = await recall(controller);
  const open = await findOpenRunOf(controller.journal, { host: host.name, component });
  const meant = open?.state.plan?.changes.find((each) => each.host === host.name && each.component === component)?.to;
  const version = act.version ?? meant ?? currentOf(observation, { host, component });
  const { published } = await loadVersion(controller, { component, version, trust });
  if (open?.state.plan !== undefined)
    refuseOtherVersion(published, plannedVersions(open.state.plan)(`${component}@${version}`), {
      inRun: `${open.run}/${id}`,
    });
  const asked = taskOf(act, { published, host, name, fleet: loaded.desired.hosts });
  const task = await takingBack(act, { task: asked, published, open: open?.run });
  if (open !== undefined) {
    refuseBesideWork(open, task);
    const ahead = needsBytes(open, { task, meant }) ? bringing(task) : [];
    const step = byHandStep(nextByHand(open), host.name, [...ahead, [task]]);
    return goOn(act, {
      found: open,
      events: [{ kind: "step-added", step, by, reason }],
      asked: placeOf(step.id, host.name),
      pace: "by-hand",
    });
  }
  const plan = planOf(component, [byHandStep("by-hand.0", host.name, [...bringing(task), [task]])], published);
  const { commit, generation } = loaded.desired;
  const sources = runSources({ controller, trust });
  const run = makeRunId(controller.clock.now());
  const started = await startRun({ ...act, sources }, { run, plan, commit, generation, fleet: [host] });
  return started;
}

/** Only what looks is done on a way back, and beside a step that nobody has read back. Throws `run-ended`, `task-at-work`. */
function refuseBesideWork(open: LoadedRun, task: Task): void {
  if (!isCounted(open.state, task)) return;
  refuseEnded(open, "run");
  const step = stepAtWork(open.state, task.host);
  if (step !== undefined) throw besideWork(open, step, task.host);
}

/** A mended bundle that is still to come, or all of the version: the run may not have come to this host yet. */
function needsBytes(
  { state }: LoadedRun,
  { task, meant }: { readonly task: Task; readonly meant: string | undefined },
): boolean {
  const { host, component, version } = task;
  const built = state.tasks.get(taskId(host, component, "build"))?.state === "done";
  return isOwed(state, task) || (version === meant && !built);
}

/** An undo needs the run whose do it takes back. */
async function takingBack(
  { controller, action }: RunTaskAct,
  {
    task,
    published,
    open,
  }: { readonly task: Task; readonly published: PublishedVersion; readonly open: string | undefined },
): Promise<Task> {
  if (action === "do") return task;
  const name = task.options.name ?? task.id.split("/")[2];
  const hasUndo = task.kind === "drain" || (published.tasks ?? []).some((each) => each.name === name && each.hasUndo);
  return undoByHand(controller.journal, { task, hasUndo, open });
}

function knownHost(hosts: readonly Host[], name: string): Host {
  const found = hosts.find((host) => host.name === name);
  if (found !== undefined) return found;
  const meant = meantName(name, hosts.map((host) => host.name)); // biome-ignore format: one line
  throw new UsageError(`The fleet has no host ${name}${didYouMean(meant)}`, "cutover host list");
}

/** What the Fleet does not list there may run there all the same; only a slip is told. */
function refuseOtherComponent(
  { name: host, components }: Host,
  asked: { component: string; name: string; act: RunTaskAct },
): void {
  const meant = components.includes(asked.component) ? undefined : meantName(asked.component, components);
  if (meant !== undefined)
    throw new UsageError(
      `${host} has no component ${asked.component}${didYouMean(meant)}`,
      `cutover task run ${host}/${meant}/${asked.name}${flagsOf(asked.act)} --reason …`,
    );
}

/** As they were typed: what is typed again, and was a look, is one again. */
function flagsOf({ action, isDryRun }: Pick<RunTaskAct, "action" | "isDryRun">): string {
  return `${action === "undo" ? " --undo" : ""}${isDryRun ? " --dry-run" : ""}`;
}

function currentOf(observation: Observation, { host, component }: { host: Host; component: string }): string {
  const seen = observation.kind === "observed" ? observation.components : [];
  const current = seen.find((each) => each.component === component)?.current;
  if (current !== undefined) return current;
  throw new CutoverError({
    code: "version-unknown",
    message: `${host.name} runs no version of ${component}`,
    impact: "Nothing was changed",
    remedy: "Say which version's task is meant: --version VERSION",
  });
}

interface AskedOf {
  readonly published: PublishedVersion;
  readonly host: Host;
  readonly name: string;
  readonly fleet: readonly Host[];
}

function taskOf({ action, isDryRun }: RunTaskAct, { published, host, name, fleet }: AskedOf): Task {
  const { component, version, tasks = [] } = published;
  const place = { host: host.name, component, to: version };
  // A balancer's task about another host: `pool.web-1`.
  const dot = name.indexOf(".");
  const target = dot === -1 ? undefined : name.slice(dot + 1);
  const found = tasks.find((task) => task.name === (dot === -1 ? name : name.slice(0, dot)));
  if (found !== undefined) {
    const own = target === undefined ? hookTask(place, found) : targetedTask(place, found, knownHost(fleet, target));
    return dryOrNot(own, { found, action, isDryRun });
  }
  const kind = aloneKinds.find((each) => each === name);
  if (kind !== undefined && !isDryRun) return makeTask(place, kind, { action });
  const known = [...tasks.map((task) => task.name), ...aloneKinds];
  const close = nearest(name, known);
  throw new UsageError(
    kind === undefined
      ? `${component} ${version} has no task ${name} that can be run by itself, only ${known.join(", ")}${didYouMean(close)}`
      : `${name} cannot be run dry`,
    kind === undefined && close === undefined
      ? `cutover task list --host ${host.name} --component ${component}`
      : `cutover task run ${host.name}/${component}/${close ?? name}${kind === undefined ? flagsOf({ action, isDryRun }) : ""} --reason …`,
  );
}

function dryOrNot(
  task: Task,
  {
    found,
    action,
    isDryRun,
  }: { readonly found: PublishedTask; readonly action: TaskAction; readonly isDryRun: boolean },
): Task {
  if (!isDryRun) return { ...task, action };
  if (found.canDryRun) return { ...task, action, options: { ...task.options, "dry-run": "yes" } };
  throw new CutoverError({
    code: "no-dry-run",
    message: `Task ${found.name} would change things: its contract does not say dryRun`,
    impact: "Nothing was changed",
    remedy: "Set `dryRun: true` at the task once its script obeys CUTOVER_DRY_RUN, and publish",
  });
}

function byHandStep(id: string, host: string, groups: readonly TaskGroup[]): Step {
  return { id, kind: "task", phase: "by-hand", batch: 0, soakSeconds: 0, work: [{ host, groups }] };
}

/** Without changes: it moves nothing, and what it does is up to the one task. */
function planOf(component: string, steps: readonly Step[], { version, contract }: PublishedVersion): Plan {
  const contracts = { [`${component}@${version}`]: contract };
  const plan = { release: "by-hand", changes: [], waiting: [], contracts, steps, held: [] };
  return { ...plan, rollbackPolicy: "auto", failureBudget: 0, hash: digestOf(canonicalJson({ steps, contracts })) };
}
