// `cutover serve` as a process of its own, with the events that it tells.
import { spawn } from "node:child_process";
import { once } from "node:events";
import { readFile, writeFile } from "node:fs/promises";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { freePort } from "../../src/lab/loopback-lab.ts";
import type { JournalEvent } from "../../src/model/run-event.ts";

export const main = fileURLToPath(new URL("../../src/main.ts", import.meta.url));

/** Whoever else serves on this machine keeps the default address. */
export async function listenElsewhere(config: string): Promise<void> {
  const text = await readFile(config, "utf8");
  const port = await freePort(["127.0.0.1"]);
  await writeFile(config, text.replace(/^listen: .*$/m, `listen: 127.0.0.1:${port}`));
}

export function spawnServe(config: string) {
  const child = spawn(process.execPath, [main, "-c", config, "serve", "--json"], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  const events: JournalEvent[] = [];
  createInterface({ input: child.stdout }).on("line", (line) => events.push(JSON.parse(line) as JournalEvent));
  const closed = once(child, "close");
  return {
    events,
    exitCode: () => child.exitCode,
    async stop() {
      child.kill("SIGTERM");
      const timer = setTimeout(() => child.kill("SIGKILL"), 15_000);
      await closed.finally(() => clearTimeout(timer));
    },
  };
}
