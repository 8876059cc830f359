// The steps of a trial on a parts host without a service: what a test is about fails or is slow by itself, and says so by its result.
import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import type { PartsHost, TaskResult } from "./host-parts.ts";

/** v1 committed, v2 built by that contract. */
export async function twoVersions(host: PartsHost, contract: Record<string, string> = {}): Promise<void> {
  await host.install("v1");
  await host.install("v2", { contract });
  assert.equal((await host.task("switch", "do", { version: "v1", run: "r0", session: "a" })).exitCode, 0);
  assert.equal((await host.task("confirm", "do", { version: "v1", run: "r0", session: "b" })).exitCode, 0);
  assert.equal((await host.task("commit", "do", { version: "v1", run: "r0" })).exitCode, 0);
}

export function switchTo(host: PartsHost, version: string, deadline = "600"): Promise<TaskResult> {
  return host.task("switch", "do", { version, session: "a", options: { deadline } });
}

export function confirm(host: PartsHost, version: string, session = "b"): Promise<TaskResult> {
  return host.task("confirm", "do", { version, session });
}

/** The time that deadlines are given in. */
export async function uptimeMs(): Promise<number> {
  return Number((await readFile("/proc/uptime", "utf8")).split(" ")[0]) * 1000;
}

/** Of the armed trial. */
export async function deadlineMs(host: PartsHost, component = "web"): Promise<number> {
  return Number(/^deadline (\d+)$/m.exec(await host.trialFile("trial", component))?.[1]) * 10;
}
