// The hold on a meter: a process of its own, so that neither's garbage collector stops the other's clock.
import { spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { CutoverError } from "../../errors.ts";
import type { MeterOptions } from "./measure.ts";
import type { MeterLine, MeterSummary } from "./meter-report.ts";

// As the owner runs: from the sources, or built.
const program = fileURLToPath(
  new URL(`./meter-program${import.meta.url.endsWith(".ts") ? ".ts" : ".js"}`, import.meta.url),
);
const STOP_GRACE_MS = 10_000;

export interface Meter {
  readonly pid: number;
  /** Resolves once every kind has had a right answer, so that what comes next comes under load; rejects when it takes too long. */
  answered(withinMs: number): Promise<void>;
  /** What had failed at its last full second. */
  failedSoFar(): number;
  /** It does not measure any more: a bound of its own was met, or it failed. `stop` tells which. */
  hasEnded(): boolean;
  /** Ends the measurement and waits for what is in flight; the same summary however often it is asked. Rejects when the process failed. */
  stop(): Promise<MeterSummary>;
  /** Waits for the end that its own bounds bring. */
  ended(): Promise<MeterSummary>;
}

/** Starts measuring at once. An owner that dies takes the process with it (its stdin ends). */
export function spawnMeter(options: MeterOptions): Meter {
  const child = spawn(process.execPath, ["--disable-warning=ExperimentalWarning", program], {
    stdio: ["pipe", "pipe", "inherit"],
  });
  child.stdin.on("error", () => {}); // it ended by itself first
  child.stdin.write(`${JSON.stringify(options)}\n`);
  const answered = Promise.withResolvers<void>();
  let summary: MeterSummary | undefined;
  let failed = 0;
  let hasClosed = false;
  child.once("close", () => {
    hasClosed = true;
  });
  const closed = once(child, "close");
  createInterface({ input: child.stdout }).on("line", (text) => {
    const line = JSON.parse(text) as MeterLine;
    if (line.kind === "answered") answered.resolve();
    else if (line.kind === "second") failed = line.failed;
    else summary = line;
  });
  const ended = closed.then(([code, signal]) => {
    if (summary === undefined) throw new Error(`the meter ended with ${signal ?? code} and without a summary`);
    return summary;
  });
  ended.catch(() => {}); // reported to whoever asks
  const stop = async (): Promise<MeterSummary> => {
    child.stdin.end();
    const timer = setTimeout(() => child.kill("SIGKILL"), options.timeoutMs + longestMs(options) + STOP_GRACE_MS);
    return ended.finally(() => clearTimeout(timer));
  };
  return {
    pid: child.pid ?? 0,
    stop,
    ended: () => ended,
    failedSoFar: () => failed,
    hasEnded: () => hasClosed,
    async answered(withinMs) {
      let timer: NodeJS.Timeout | undefined;
      const late = new Promise<"late">((resolve) => {
        timer = setTimeout(resolve, withinMs, "late");
      });
      const first = await Promise.race([answered.promise, ended, late]).finally(() => clearTimeout(timer));
      if (first === undefined) return;
      throw notAnswered(await stop());
    },
  };
}

/** What the service itself may take until the last answer, or the last event, is due. */
function longestMs({ traffic, ifSpoken = [] }: MeterOptions): number {
  const all = [...traffic, ...ifSpoken];
  return Math.max(0, ...all.map((one) => (one.kind === "long" ? one.workMs : one.kind === "sse" ? one.everyMs : 0)));
}

/** Throws `meter-ended` when the meter had ended before it was told to: what was done after that is unmeasured. */
export function assertStopped({ endedBy, seconds, kinds }: MeterSummary<string>, remedy: string): void {
  if (endedBy === "stop") return;
  const sent = kinds.reduce((total, kind) => total + kind.sent, 0);
  throw new CutoverError({
    code: "meter-ended",
    message: "The meter ended before the last switch, so nothing says what clients saw of every switch",
    evidence: `${endedBy === "bound" ? "it met a bound of its own" : "somebody sent it a signal"} after ${sent} requests in ${seconds} s`,
    impact: "No grade is given; your own hosts were not touched",
    remedy,
  });
}

function notAnswered({ kinds }: MeterSummary): CutoverError {
  const silent = kinds.filter(({ ok }) => ok === 0);
  return new CutoverError({
    code: "service-not-answering",
    message: `The service gives no right answer to ${silent.map(({ kind }) => kind).join(", ")}`,
    evidence: silent.map(({ kind, failures }) => `${kind}: ${failures[0]?.detail ?? "nothing came"}`).join("\n"),
    remedy:
      "compare port, path and body of the traffic with what the service answers, and name --tls where it answers over TLS: cutover help grade",
  });
}
