// The skeleton python-worker as tests run it: its tree with pika in it, its contract on ports and paths of their own, what it tells of
// itself, and a publisher beside it.
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { cp, readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { fileURLToPath } from "node:url";
import { parse } from "yaml";
import { mustRun } from "../../src/lab/run-program.ts";
import type { Contract } from "./with-home.ts";
import type { RabbitMq } from "./with-rabbitmq.ts";

export const workerSkeleton = fileURLToPath(new URL("../../deploy/skeletons/python-worker/", import.meta.url));
export const workerBundle = join(workerSkeleton, "tasks");
const publisher = fileURLToPath(new URL("fixtures/publish-jobs.py", import.meta.url));

/** Python's own, not one that a version manager puts in front of it. */
export const python = "/usr/bin/python3";

export interface WorkerPlace {
  readonly broker: RabbitMq;
  readonly statusPort: number;
  /** The worker's state directory, as this machine has it. */
  readonly state: string;
}

/** The environment of component.yaml, for this place. */
export function workerEnv({ broker, statusPort, state }: WorkerPlace): Record<string, string> {
  return { AMQP_URL: broker.url, QUEUE: "jobs", STATE: state, STATUS_PORT: `${statusPort}`, PATH_OF_PIKA: broker.pika };
}

export async function workerContract(place: WorkerPlace): Promise<Contract> {
  const written = (await readFile(join(workerSkeleton, "component.yaml"), "utf8")).replaceAll(
    "127.0.0.1:9100",
    `127.0.0.1:${place.statusPort}`,
  );
  const { PATH_OF_PIKA: _, ...env } = workerEnv(place);
  return { ...(parse(written) as Contract), env };
}

/** The files of the tree, and a file `version` that makes each one another. */
export async function buildWorkerTree(tree: string, version: string, { pika }: RabbitMq): Promise<void> {
  await cp(workerSkeleton, tree, { recursive: true });
  for (const beside of ["tasks", "units", "README.md", "component.yaml"])
    await rm(join(tree, beside), { recursive: true });
  await cp(join(pika, "pika"), join(tree, "lib/pika"), { recursive: true });
  await rm(join(tree, "lib/pika/__pycache__"), { recursive: true, force: true });
  await writeFile(join(tree, "version"), `${version}\n`);
}

export interface WorkerTotals {
  readonly inFlight: number;
  readonly done: number;
  readonly repeated: number;
  readonly requeued: number;
  readonly redelivered: number;
}

/** What its page of metrics says; undefined while nobody answers. */
export async function workerTotals(statusPort: number): Promise<WorkerTotals | undefined> {
  const page = await fetch(`http://127.0.0.1:${statusPort}/metrics`, { signal: AbortSignal.timeout(5_000) })
    .then((reply) => reply.text())
    .catch(() => undefined);
  if (page === undefined) return undefined;
  const number = (line: string) => Number(page.split("\n").find((each) => each.startsWith(`${line} `))?.split(" ")[1] ?? 0); // biome-ignore format: one line
  const total = (what: string) => number(`jobs_total{what="${what}"}`);
  return {
    inFlight: number("jobs_in_flight"),
    done: total("done"),
    repeated: total("repeated"),
    requeued: total("requeued"),
    redelivered: total("redelivered"),
  };
}

/** What the jobs did: rows, different jobs among them, versions that did them. */
export async function bookedJobs(
  state: string,
): Promise<{ readonly rows: number; readonly jobs: number; readonly versions: readonly string[] }> {
  const query = "SELECT count(*), count(DISTINCT job), coalesce(group_concat(DISTINCT version), '') FROM booked";
  const script = `import json, sqlite3, sys; print(json.dumps(sqlite3.connect(sys.argv[1]).execute("${query}").fetchone()))`;
  const [rows, jobs, versions] = JSON.parse(await mustRun([python, "-c", script, join(state, "jobs.sqlite")])) as [
    number,
    number,
    string,
  ];
  return { rows, jobs, versions: versions.split(",").sort() };
}

export interface Publisher {
  /** The first jobs are in the queue. */
  readonly burst: Promise<void>;
  /** Ends it; resolves with how many jobs the broker has confirmed. */
  stop(): Promise<number>;
}

export function publishJobs(
  { url, pika }: RabbitMq,
  jobs: {
    readonly prefix: string;
    readonly burst: number;
    readonly perSecond: number;
    readonly ms: number;
    /** More are sent while fewer than this wait in the queue: 0 unless given. */
    readonly waiting?: number;
  },
): Publisher {
  const { prefix, burst: first, perSecond, ms, waiting = 0 } = jobs;
  const args = [publisher, url, prefix, ...[first, perSecond, ms, waiting].map(String)];
  const child = spawn(python, args, { env: { PYTHONPATH: pika }, stdio: ["pipe", "pipe", "inherit"] });
  const ended = once(child, "exit");
  const said = text(child.stdout);
  const burst = once(child.stdout, "data", { signal: AbortSignal.timeout(60_000) }).then(() => {});
  return {
    burst,
    async stop() {
      child.stdin.end();
      const [code] = await ended;
      assert.equal(code, 0, await said);
      return Number((await said).trim().split("\n").at(-1));
    },
  };
}
