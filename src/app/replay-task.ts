// What a task of a run was given, found again from the journal and the artifact repository: enough to run that one task elsewhere.
import { copyFile, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { didYouMean, nearest } from "../desired/nearest.ts";
import { CutoverError, RefusedError, UsageError } from "../errors.ts";
import type { Component, ContractTask } from "../model/component.ts";
import type { JournalEvent } from "../model/run-event.ts";
import type { Task, TaskAction, TaskEvent } from "../model/task.ts";
import { parseManifest } from "../package/manifest.ts";
import { parseReleaseMetadata } from "../package/release-metadata.ts";
import { unpackContents } from "../package/unpack-contents.ts";
import { recall } from "./controller-memory.ts";
import { type LoadedVersion, loadVersion } from "./load-published.ts";
import type { Reviewer } from "./review-plan.ts";

type Remembering = Pick<Reviewer, "journal" | "artifacts" | "signer" | "settings">;

export interface CapturedTask {
  readonly run: string;
  readonly host: string;
  /** As pinned in the Fleet when the run was planned. */
  readonly address: string;
  readonly version: string;
  /** What ran there before; undefined for a first install. */
  readonly from: string | undefined;
  /** The signed contract, its environment included. */
  readonly contract: Component;
  readonly task: ContractTask;
  readonly bundle: string;
  /** `published-again`: the run had another bundle or contract under this version; what is known is today's. */
  readonly content: "as-it-was" | "published-again";
  /** How it ended on the host, last; undefined when it never did. */
  readonly recorded: TaskEvent | undefined;
}

/** `RUN/HOST/COMPONENT/TASK`. Throws UsageError for what is no such thing, or no such run or task. */
export async function captureTask(
  from: Remembering,
  id: string,
): Promise<{ captured: CapturedTask; loaded: LoadedVersion }> {
  const [run = "", host, component, name, ...more] = id.split("/");
  if (host === undefined || component === undefined || name === undefined || more.length > 0)
    throw new UsageError(`${id} is not RUN/HOST/COMPONENT/TASK`, "cutover help task replay");
  const events = await from.journal.read(`run/${run}`);
  const planned = events.find((event) => event.kind === "run-planned");
  if (planned === undefined) throw new UsageError(`The journal has no run ${run}`, "cutover task list");
  const task = plannedTask(events, { run, id: `${host}/${component}/${name}` });
  const { trust } = await recall(from);
  const loaded = await loadVersion(from, { component, version: task.version, trust });
  const metadata = parseReleaseMetadata(loaded.release.metadata);
  const contractTask = executableOf(metadata.contract, task);
  if (contractTask === undefined || metadata.bundle === undefined)
    throw new UsageError(
      `${task.kind} runs no executable of ${component}'s own, so there is nothing to replay`,
      `cutover task list ${run} --host ${host} --component ${component}`,
    );
  const recorded = events.findLast(
    (event) => event.kind === "task" && event.event.task === task.id && hasEnded(event.event),
  );
  const change = planned.plan.changes.find((one) => one.host === host && one.component === component);
  const captured: CapturedTask = {
    ...{ run, host, version: task.version, from: change?.from, contract: metadata.contract, task: contractTask },
    address: planned.fleet.find((one) => one.name === host)?.address ?? "127.0.0.1",
    bundle: metadata.bundle.digest,
    content: contractAt(events, task, recorded) === loaded.published.contract ? "as-it-was" : "published-again",
    recorded: recorded?.kind === "task" ? recorded.event : undefined,
  };
  return { captured, loaded };
}

/** Lays the task bundle as a plain directory and removes it after `body`. Every file is what its signed digest says. */
export async function withBundle<T>(
  from: Pick<Reviewer, "artifacts">,
  { release, published }: LoadedVersion,
  body: (directory: string) => Promise<T>,
): Promise<T> {
  if (published.bundle === undefined || release.bundleManifest === undefined)
    throw new CutoverError({
      code: "no-task-bundle",
      message: `${release.component} ${release.version} has no task bundle`,
    });
  const directory = await mkdtemp(join(tmpdir(), "cutover-replay-"));
  try {
    const entries = parseManifest(release.bundleManifest);
    const files = entries.flatMap((entry) => (entry.kind === "file" ? [entry] : []));
    const { path } = await from.artifacts.payload(published.bundle, "zstd");
    const contents = join(directory, "contents");
    await unpackContents({
      payload: path,
      entries,
      wanted: new Set(files.map(({ sha256 }) => sha256)),
      directory: contents,
    });
    const bundle = await mkdtemp(join(directory, "bundle-"));
    for (const file of files) await copyFile(join(contents, file.sha256), join(bundle, flatName(file.path)));
    return await body(bundle);
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
}

/** A bundle is flat; hosts refuse any other, and so do we. */
function flatName(path: string): string {
  if (path.includes("/") || path === "." || path === "..")
    throw new RefusedError({
      code: "unsafe-bundle",
      message: `${path} is not a plain name`,
      impact: "Nothing was run",
    });
  return path;
}

function plannedTask(events: readonly JournalEvent[], { run, id }: { run: string; id: string }): Task {
  const steps = events.flatMap((event) =>
    event.kind === "run-planned" ? event.plan.steps : event.kind === "step-added" ? [event.step] : [],
  );
  const tasks = steps.flatMap(({ work }) => work.flatMap(({ groups }) => groups.flat()));
  const task = tasks.find((one) => one.id === id);
  if (task !== undefined) return task;
  const [host = "", component = ""] = id.split("/");
  const own = tasks.filter((one) => one.host === host && one.component === component);
  const known = [...new Set(own.map((one) => one.id.split("/")[2]))].join(", ");
  const meant = nearest(id, tasks.map((one) => one.id)); // biome-ignore format: one line
  throw new UsageError(
    `The run has no task ${id}; of ${component} on ${host} it has ${known || "none"}${didYouMean(meant)}`,
    meant === undefined ? `cutover task list ${run}` : `cutover task replay ${run}/${meant}`,
  );
}

/** Whose executable a task starts: a hook's, or that of drain. */
function executableOf(contract: Component, task: Task): ContractTask | undefined {
  const name = task.kind === "drain" ? contract.drain?.task : task.options.name;
  return contract.tasks.find((one) => one.name === name);
}

function hasEnded({ state }: TaskEvent): boolean {
  return state === "done" || state === "failed";
}

/** What the version was when the task ended: as planned, or as the run was amended before that. */
function contractAt(
  events: readonly JournalEvent[],
  { component, version }: Task,
  recorded: JournalEvent | undefined,
): string | undefined {
  const until = recorded?.sequence ?? Number.POSITIVE_INFINITY;
  let contract: string | undefined;
  for (const event of events) {
    if (event.kind === "run-planned") contract = event.plan.contracts?.[`${component}@${version}`];
    if (
      event.kind === "amended" &&
      event.component === component &&
      event.version === version &&
      event.sequence < until
    )
      contract = event.contract;
  }
  return contract;
}

/** In the order in which they have to run: an undo needs what its do left. */
export function replayedActions({ recorded }: CapturedTask): readonly TaskAction[] {
  return recorded?.action === "undo" ? ["do", "undo"] : ["do"];
}
