// `cutover serve` as a process of its own, with what it tells.
import { spawn } from "node:child_process";
import { once } from "node:events";
import { readFile, writeFile } from "node:fs/promises";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { freePort } from "../../src/lab/free-port.ts";
import type { JournalEvent } from "../../src/model/run-event.ts";

export const main = fileURLToPath(new URL("../../src/main.ts", import.meta.url));

export interface PassLine {
  readonly kind: "pass";
  readonly results?: readonly {
    readonly release: string;
    readonly outcome: string;
    readonly blockedBy?: readonly string[];
    readonly trouble?: { readonly reason: string; readonly message: string };
  }[];
}

export interface ServeChild {
  /** Journaled events, in the order in which they were printed. */
  readonly events: readonly JournalEvent[];
  readonly passes: readonly PassLine[];
  exitCode(): number | null;
  kill(): Promise<void>;
  /** Asks it to end, and makes it when it does not. */
  stop(): Promise<void>;
}

/** Whoever else serves on this machine keeps the default address. */
export async function listenElsewhere(config: string): Promise<void> {
  const text = await readFile(config, "utf8");
  const port = await freePort(["127.0.0.1"]);
  await writeFile(config, text.replace(/^listen: .*$/m, `listen: 127.0.0.1:${port}`));
}

export function spawnServe(config: string): ServeChild {
  const child = spawn(process.execPath, [main, "-c", config, "serve", "--json"], {
    stdio: ["ignore", "pipe", process.env.CUTOVER_TEST_TRACE ? "inherit" : "ignore"],
  });
  const events: JournalEvent[] = [];
  const passes: PassLine[] = [];
  createInterface({ input: child.stdout }).on("line", (line) => {
    const said = JSON.parse(line) as JournalEvent | PassLine | { readonly kind: "bytes" };
    if (said.kind === "pass") passes.push(said);
    else if ("stream" in said) events.push(said);
  });
  const closed = once(child, "close");
  const end = async (signal: NodeJS.Signals) => {
    child.kill(signal);
    const timer = setTimeout(() => child.kill("SIGKILL"), 60_000);
    await closed.finally(() => clearTimeout(timer));
  };
  return {
    events,
    passes,
    exitCode: () => child.exitCode,
    kill: () => end("SIGKILL"),
    stop: () => end("SIGTERM"),
  };
}
