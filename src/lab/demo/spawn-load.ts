// The demo's hold on its load generator: a process of its own, so that neither's garbage collector stops the other's clock.
import { spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import type { LoadTarget } from "./generate-load.ts";
import type { LoadLine, LoadSecond, LoadSummary } from "./load-report.ts";

const program = fileURLToPath(new URL("./load-generator.ts", import.meta.url));
const STOP_GRACE_MS = 10_000;

export interface LoadProcess {
  readonly pid: number;
  /** Ends the load and waits for requests in flight; the same summary however often it is asked. Rejects when the process failed. */
  stop(): Promise<LoadSummary>;
  /** Waits for the end that its own bounds bring. */
  ended(): Promise<LoadSummary>;
}

/** Starts sending at once. `onSecond` gets every report; an owner that dies takes the process with it (its stdin ends). */
export function spawnLoad(input: {
  readonly targets: readonly LoadTarget[];
  readonly onSecond: (second: LoadSecond) => void;
  readonly ratePerSecond?: number;
  readonly keepAliveShare?: number;
  readonly timeoutMs?: number;
  readonly path?: string;
  readonly maxRequests?: number;
  readonly maxSeconds?: number;
}): LoadProcess {
  const options: Readonly<Record<string, string | number | undefined>> = {
    path: input.path,
    rate: input.ratePerSecond,
    "keep-alive": input.keepAliveShare,
    "timeout-ms": input.timeoutMs,
    "max-requests": input.maxRequests,
    "max-seconds": input.maxSeconds,
  };
  const args = [
    ...input.targets.map(({ name, address, port }) => `--target=${name}=${address}:${port}`),
    ...Object.entries(options).flatMap(([name, value]) => (value === undefined ? [] : [`--${name}=${value}`])),
  ];
  const child = spawn(process.execPath, ["--disable-warning=ExperimentalWarning", program, ...args], {
    stdio: ["pipe", "pipe", "inherit"],
  });
  child.stdin.on("error", () => {}); // it ended by itself first
  let summary: LoadSummary | undefined;
  const closed = once(child, "close");
  createInterface({ input: child.stdout }).on("line", (text) => {
    const line = JSON.parse(text) as LoadLine;
    if (line.kind === "second") input.onSecond(line);
    else summary = line;
  });
  const ended = closed.then(([code, signal]) => {
    if (summary === undefined) throw new Error(`the load generator ended with ${signal ?? code} and without a summary`);
    return summary;
  });
  ended.catch(() => {}); // reported to whoever asks
  return {
    pid: child.pid ?? 0,
    ended: () => ended,
    stop: async () => {
      child.stdin.end();
      const timer = setTimeout(() => child.kill("SIGKILL"), (input.timeoutMs ?? 2_000) + STOP_GRACE_MS);
      return ended.finally(() => clearTimeout(timer));
    },
  };
}
