// The hand-over, to be copied as it is. One program, three roles:
//   binder   cold start only: binds the addresses, starts the primary on them, leaves once that is ready
//   primary  owns the listening descriptors and the workers, never accepts; SIGUSR2 starts the next version, SIGTERM drains
//   worker   accepts on the shared descriptors and serves
// Workers are forked with the descriptors themselves: node:cluster's primary closes them when its last worker is gone.
import { fork, spawn } from "node:child_process";
import { readFileSync, renameSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";

const FIRST_DESCRIPTOR = 3;
const READY_WITHIN_MS = 20_000;
/** A little less than stopWithinSeconds of component.yaml: who hangs longer is ended by us and not by the host. */
const STOP_WITHIN_MS = 25_000;
const RESTARTS_PER_MINUTE = 10;

/** `startServing(descriptors)` listens on them and returns `drain({ handedOver })`, which resolves when all work is done. */
export function runWithHandOver({ listeners, workers, startServing }) {
  const descriptors = listeners.map((_, index) => FIRST_DESCRIPTOR + index);
  if (process.env.HAND_OVER_ROLE === "worker") runWorker(startServing, descriptors);
  else if (inherits(listeners.length)) runPrimary(descriptors, workers);
  else bindAndStart(listeners);
}

/** As in sd_listen_fds(3): descriptors from 3 on, meant for LISTEN_PID. */
function inherits(count) {
  const { LISTEN_FDS, LISTEN_PID } = process.env;
  return LISTEN_FDS === String(count) && (LISTEN_PID === undefined || LISTEN_PID === String(process.pid));
}

/** Ours, without what was meant for this process alone. */
function environment(extra) {
  const { LISTEN_FDS, LISTEN_PID, LISTEN_FDNAMES, HAND_OVER_ROLE, ...env } = process.env;
  return { ...env, ...extra };
}

/** The copies that it closes in the same turn in which it bound them were never accepted on: early clients wait in the kernel. */
async function bindAndStart(listeners) {
  const servers = await Promise.all(
    listeners.map(
      ({ host, port }) =>
        new Promise((resolve) => {
          const server = createServer({ pauseOnConnect: true });
          server.on("error", (error) => giveUp(`cannot listen on ${host}:${port}: ${error.message}`));
          server.listen({ host, port, backlog: 511 }, () => resolve(server));
        }),
    ),
  );
  const primary = spawn(process.execPath, [process.argv[1]], {
    stdio: ["ignore", "inherit", "inherit", ...servers.map((server) => server._handle.fd), "ipc"],
    env: environment({ LISTEN_FDS: String(servers.length) }),
  });
  for (const server of servers) server.close();
  primary.on("message", (message) => message === "ready" && process.exit(0));
  primary.on("error", (error) => giveUp(error.message));
  primary.on("close", () => process.exit(1));
  process.on("SIGTERM", () => primary.kill("SIGTERM"));
}

function runPrimary(descriptors, count) {
  const workers = new Set();
  const serving = new Set();
  const restarts = [];
  let state = "starting";
  let successor;

  setTimeout(() => state === "starting" && giveUp("not ready in time"), READY_WITHIN_MS).unref();
  process.on("SIGUSR2", startSuccessor);
  process.on("SIGTERM", drain);
  for (let index = 0; index < count; index += 1) startWorker();

  function startWorker() {
    if (state === "draining") return;
    const worker = fork(process.argv[1], {
      stdio: ["ignore", "inherit", "inherit", ...descriptors, "ipc"],
      env: environment({ HAND_OVER_ROLE: "worker" }),
    });
    workers.add(worker);
    worker.on("message", () => serving.add(worker).size === count && state === "starting" && becomeReady());
    worker.on("error", (error) => log(`worker: ${error.message}`));
    worker.on("close", () => ended(worker));
  }

  /** The pid file says who is in charge: from now on it is this process. Written by rename, so that a reader sees a whole number. */
  function becomeReady() {
    state = "ready";
    const file = process.env.CUTOVER_PID_FILE;
    if (file !== undefined) {
      writeFileSync(`${file}.${process.pid}`, `${process.pid}\n`);
      renameSync(`${file}.${process.pid}`, file);
    }
    log("ready");
    if (process.connected) process.send("ready", () => process.disconnect());
  }

  function ended(worker) {
    workers.delete(worker);
    serving.delete(worker);
    if (state === "draining") return workers.size === 0 && process.exit(0);
    if (state === "starting") giveUp("a worker ended before it served");
    const now = Date.now();
    restarts.push(now);
    while (restarts[0] < now - 60_000) restarts.shift();
    if (restarts.length <= RESTARTS_PER_MINUTE) setTimeout(startWorker, 100 * (restarts.length - 1));
    else if (workers.size === 0) giveUp("workers end again and again");
  }

  /** Whatever CUTOVER_START points at now. We serve on until SIGTERM, so a successor that fails costs nothing. */
  function startSuccessor() {
    if (state !== "ready") return;
    const child = spawn(process.env.CUTOVER_START ?? "", [], {
      cwd: process.env.CUTOVER_ROOT ?? "/",
      detached: true,
      stdio: ["ignore", "inherit", "inherit", ...descriptors],
      env: environment({ LISTEN_FDS: String(descriptors.length) }),
    });
    successor = child;
    child.on("error", (error) => log(`cannot start the next version: ${error.message}`));
    child.on("exit", (code, signal) => {
      if (successor === child) successor = undefined;
      log(`the next version ended (${signal ?? code}); this one serves on`);
    });
  }

  function drain() {
    if (state === "draining") return;
    state = "draining";
    const handedOver = successor !== undefined && inCharge() === successor.pid;
    log(handedOver ? "drains: the next version has taken over" : "drains");
    for (const worker of workers) worker.send({ drain: true, handedOver }, () => {});
    setTimeout(() => {
      for (const worker of workers) worker.kill("SIGKILL");
    }, STOP_WITHIN_MS);
    if (workers.size === 0) process.exit(0);
  }
}

function inCharge() {
  try {
    return Number(readFileSync(process.env.CUTOVER_PID_FILE ?? "", "utf8"));
  } catch {
    return undefined; // there is no pid file: nobody says that anybody took over
  }
}

/** Drains when it is told to, or when its primary is gone. */
async function runWorker(startServing, descriptors) {
  const { drain } = await startServing(descriptors);
  const end = async (handedOver) => {
    await drain({ handedOver });
    process.exit(0);
  };
  process.on("message", ({ handedOver }) => end(handedOver));
  process.on("disconnect", () => end(false));
  // Signals to the whole process group are the primary's to answer.
  process.on("SIGTERM", () => {});
  process.send("serving");
}

export function log(text) {
  process.stdout.write(`${new Date().toISOString()} ${process.pid}: ${text}\n`);
}

function giveUp(reason) {
  log(`gives up: ${reason}`);
  process.exit(1);
}
