// The primary: keeps the listening descriptor open, keeps two workers alive, hands over on SIGUSR2, drains on SIGTERM.
// Workers are forked with the descriptor itself instead of through node:cluster. The effect is that of SCHED_NONE (each
// worker accepts on its own), but cluster's primary closes the descriptor when its last worker is gone, and then there is
// nothing left to restart workers on or to hand over.
import { fork, spawn } from "node:child_process";
import { readFileSync, renameSync, writeFileSync } from "node:fs";
import { childEnvironment, log, mainFile } from "./listener.mjs";

const WORKERS = 2;
const READY_WITHIN_MS = 20_000;
/** A little more than what a worker allows its requests, so that killing is only for one that hangs. */
const STOP_WITHIN_MS = 11_000;
const RESTARTS_PER_MINUTE = 10;

/** Runs until SIGTERM has drained it (exit 0), or until it cannot serve (exit 1). */
export function runPrimary(listener) {
  const workers = new Set();
  const serving = new Set();
  const restarts = [];
  let state = "starting";
  let exitCode = 0;
  let successor;

  const readyTimer = setTimeout(() => fail(`not ready within ${READY_WITHIN_MS} ms`), READY_WITHIN_MS);
  process.on("SIGUSR2", handOver);
  process.on("SIGTERM", stop);
  process.on("SIGINT", stop);
  for (let count = 0; count < WORKERS; count += 1) startWorker();

  function startWorker() {
    if (state === "stopping") return;
    const worker = fork(mainFile, {
      stdio: ["ignore", "inherit", "inherit", listener, "ipc"],
      env: childEnvironment({ SHOP_ROLE: "worker", SHOP_PRIMARY: String(process.pid) }),
    });
    workers.add(worker);
    worker.on("message", (message) => {
      if (message !== "serving") return;
      serving.add(worker);
      if (state === "starting" && serving.size === WORKERS) becomeReady();
    });
    worker.on("error", (error) => log("primary", `worker: ${error.message}`));
    worker.on("close", (code, signal) => workerEnded(worker, signal ?? code));
  }

  function becomeReady() {
    clearTimeout(readyTimer);
    state = "ready";
    writePidFile();
    log("primary", `ready with ${WORKERS} workers on node ${process.versions.node}`);
    if (process.connected) process.send("ready", () => process.connected && process.disconnect());
  }

  function workerEnded(worker, how) {
    workers.delete(worker);
    serving.delete(worker);
    if (state === "stopping") {
      if (workers.size === 0) process.exit(exitCode);
      return;
    }
    log("primary", `worker ${worker.pid} ended (${how})`);
    if (state === "starting") return fail("a worker ended before it served");
    const now = Date.now();
    restarts.push(now);
    while (restarts[0] < now - 60_000) restarts.shift();
    if (restarts.length <= RESTARTS_PER_MINUTE) setTimeout(startWorker, 100 * (restarts.length - 1));
    else if (workers.size === 0) fail(`no worker left after ${RESTARTS_PER_MINUTE} restarts in a minute`);
  }

  /** Starts whatever CUTOVER_START points at now. We keep serving: only SIGTERM ends us, so a successor that fails costs nothing. */
  function handOver() {
    if (state !== "ready") return;
    dropUnreadySuccessor();
    const child = spawn(process.env.CUTOVER_START ?? "", [], {
      cwd: process.env.CUTOVER_ROOT ?? "/",
      detached: true,
      stdio: ["ignore", "inherit", "inherit", listener],
      env: childEnvironment({ LISTEN_FDS: "1", LISTEN_FD: "3" }),
    });
    successor = child;
    child.on("error", (error) =>
      log("primary", `hand-over: cannot start ${process.env.CUTOVER_START}: ${error.message}`),
    );
    child.on("exit", (code, signal) => {
      log("primary", `hand-over: ${child.pid} ended (${signal ?? code}), still serving`);
      if (successor === child) successor = undefined;
    });
    if (child.pid !== undefined) log("primary", `hand-over: started ${child.pid}`);
  }

  /** A successor that never became ready must not turn up after a later decision. Once the pid file names it, it is in charge. */
  function dropUnreadySuccessor() {
    const child = successor;
    if (child?.pid === undefined || process.env.CUTOVER_PID_FILE === undefined || pidFileNames(child.pid)) return;
    // SIGTERM first: one of its workers may already have accepted a connection.
    signalGroup(child.pid, "SIGTERM");
    const timer = setTimeout(() => signalGroup(child.pid, "SIGKILL"), STOP_WITHIN_MS).unref();
    child.on("exit", () => clearTimeout(timer));
  }

  function fail(reason) {
    log("primary", `giving up: ${reason}`);
    drain(1);
  }

  function stop() {
    if (state !== "stopping") log("primary", "draining");
    drain(0);
  }

  function drain(code) {
    if (state === "stopping") return;
    state = "stopping";
    exitCode = code;
    clearTimeout(readyTimer);
    dropUnreadySuccessor();
    if (workers.size === 0) process.exit(exitCode);
    for (const worker of workers) if (worker.connected) worker.send("drain", () => {});
    setTimeout(() => {
      for (const worker of workers) worker.kill("SIGKILL");
    }, STOP_WITHIN_MS).unref();
  }
}

function signalGroup(pid, signal) {
  try {
    process.kill(-pid, signal);
  } catch (error) {
    log("primary", `hand-over: cannot send ${signal} to ${pid}: ${error.message}`);
  }
}

/** By rename, so that a reader sees a whole number or the one before. */
function writePidFile() {
  const file = process.env.CUTOVER_PID_FILE;
  if (file === undefined) return;
  const fresh = `${file}.${process.pid}`;
  writeFileSync(fresh, `${process.pid}\n`);
  renameSync(fresh, file);
}

function pidFileNames(pid) {
  try {
    return readFileSync(process.env.CUTOVER_PID_FILE, "utf8") === `${pid}\n`;
  } catch (error) {
    if (error.code === "ENOENT") return false;
    throw error;
  }
}
