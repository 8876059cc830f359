// One host's worth of the demo service, driven the way host.sh drives it: cold start, USR2, a new pid in the pid file, TERM.
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { closeSync, openSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { mkdir, mkdtemp, readFile, rename, rm, symlink } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { buildShopVersions } from "../../src/lab/demo/build-shop.ts";
import { until } from "./until.ts";

const READY_WITHIN_MS = 60_000;
const STOP_WITHIN_MS = 60_000;

export interface Shop {
  readonly root: string;
  readonly address: string;
  readonly port: number;
  /** Re-points `current`, atomically. */
  point(version: string): Promise<void>;
  /** Runs `current/bin/start` as the process manager does; resolves with its exit code. */
  coldStart(): Promise<number>;
  pid(): Promise<number>;
  signal(signal: NodeJS.Signals): Promise<void>;
  /** USR2, wait for the new pid, TERM to the old one, wait until it is gone. */
  handOver(): Promise<{ readonly oldPid: number; readonly newPid: number }>;
  log(): Promise<string>;
}

/** Fails when a process of the service outlives its stop; removes the directory in any case. */
export async function withShop(body: (shop: Shop) => Promise<void>): Promise<void> {
  const base = await mkdtemp(join(tmpdir(), "cutover-shop-"));
  // The service is no child of ours, so an interrupted run has to end it by itself.
  const interrupted = (): void => {
    for (const pid of processesOf(base)) signalIfAlive(pid, "SIGKILL");
    rmSync(base, { recursive: true, force: true });
    process.exit(1);
  };
  process.once("SIGTERM", interrupted).once("SIGINT", interrupted);
  try {
    const shop = await layOut(base);
    try {
      await body(shop);
    } catch (error) {
      process.stderr.write(await shop.log());
      throw error;
    } finally {
      await stopAll(base);
    }
  } finally {
    process.off("SIGTERM", interrupted).off("SIGINT", interrupted);
    await rm(base, { recursive: true, force: true });
  }
}

async function layOut(base: string): Promise<Shop> {
  const root = join(base, "shop");
  const runtime = join(base, "node", "versions", "here", "bin");
  await mkdir(runtime, { recursive: true });
  await symlink(process.execPath, join(runtime, "node"));
  await symlink("versions/here", join(base, "node", "current"));
  await buildShopVersions(join(root, "versions"));
  const start = join(root, "current", "bin", "start");
  const pidFile = join(base, "pid");
  const logFile = join(base, "log");
  const address = `127.77.${(process.pid >> 7) & 127}.${(process.pid & 127) + 1}`;
  const env = {
    PATH: "/usr/sbin:/usr/bin:/sbin:/bin",
    LC_ALL: "C",
    CUTOVER_ROOT: root,
    CUTOVER_START: start,
    CUTOVER_PID_FILE: pidFile,
    CUTOVER_ADDRESS: address,
    PORT: "8080",
  };
  const readPid = async (): Promise<number> => Number(await readFile(pidFile, "utf8"));
  const shop: Shop = {
    root,
    address,
    port: 8080,
    point: async (version) => {
      await rm(join(root, ".current.new"), { force: true });
      await symlink(`versions/${version}`, join(root, ".current.new"));
      await rename(join(root, ".current.new"), join(root, "current"));
    },
    coldStart: async () => {
      const log = openSync(logFile, "a");
      const child: ChildProcess = spawn(start, [], { cwd: root, env, detached: true, stdio: ["ignore", log, log] });
      closeSync(log);
      const [code] = await once(child, "exit", { signal: AbortSignal.timeout(READY_WITHIN_MS) });
      return Number(code);
    },
    pid: readPid,
    signal: async (signal) => {
      process.kill(await readPid(), signal);
    },
    handOver: async () => {
      const oldPid = await readPid();
      process.kill(oldPid, "SIGUSR2");
      await until("a new pid in the pid file", READY_WITHIN_MS, async () => (await readPid()) !== oldPid);
      process.kill(oldPid, "SIGTERM");
      await until(`${oldPid} to be gone`, STOP_WITHIN_MS, async () => !(await isAlive(oldPid)));
      return { oldPid, newPid: await readPid() };
    },
    log: () => readFile(logFile, "utf8").catch(() => ""),
  };
  return shop;
}

/** Primaries get SIGTERM; workers follow them. What is left after that is a fault, named after it was killed. */
async function stopAll(base: string): Promise<void> {
  for (const pid of processesOf(base)) signalIfAlive(pid, "SIGTERM");
  try {
    await until("the service to stop", STOP_WITHIN_MS, async () => processesOf(base).length === 0);
  } finally {
    for (const pid of processesOf(base)) signalIfAlive(pid, "SIGKILL");
  }
}

/** Every process whose command line names a path below `base`. */
function processesOf(base: string): number[] {
  const pids = readdirSync("/proc").map(Number);
  return pids.filter((pid) => pid > 0 && pid !== process.pid && commandOf(pid).includes(base));
}

function commandOf(pid: number): string {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, "utf8");
  } catch {
    return ""; // it ended meanwhile
  }
}

/** A zombie is dead: an orphan stays one until process 1 gets round to it, which in a container can take seconds. */
export async function isAlive(pid: number): Promise<boolean> {
  const stat = await readFile(`/proc/${pid}/stat`, "utf8").catch(() => ""); // it is gone
  const state = stat.slice(stat.lastIndexOf(")") + 2).charAt(0);
  return state !== "" && state !== "Z" && state !== "X";
}

function signalIfAlive(pid: number, signal: NodeJS.Signals | 0): boolean {
  try {
    return process.kill(pid, signal);
  } catch {
    return false; // ESRCH: it is not
  }
}
