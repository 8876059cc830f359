// Manager process: what was started and is not ready ends with the way back, also where nobody wrote down that it was started, or where it
// made a daemon of itself that comes late: it would serve beside the version that we chose.
import assert from "node:assert/strict";
import { readFile, readlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { ask } from "../support/asking-clients.ts";
import { type PartsHost, shells, withPartsHost } from "../support/host-parts.ts";
import { serviceProcesses } from "../support/live-processes.ts";
import { commit, switchTo } from "../support/parts-steps.ts";
import { inTurn } from "../support/shells.ts";
import { until } from "../support/until.ts";

/** As that of deploy/skeletons/python-gunicorn: a daemon is started, and the script waits until it has written its pid file. */
const start = `#!/bin/sh
cd "$(dirname "$(readlink -f "$0")")" || exit
setsid ./worker </dev/null >/dev/null 2>&1 &
while [ ! -s "$CUTOVER_PID_FILE" ]; do sleep 0.05; done
`;
const worker = `#!/bin/sh
cd "$(dirname "$(readlink -f "$0")")" && sleep "$(cat slow)"
echo $$ >"$CUTOVER_PID_FILE.$$" && mv "$CUTOVER_PID_FILE.$$" "$CUTOVER_PID_FILE"
while :; do sleep 0.2; done
`;

/** host.sh is killed as soon as it has started the service, before it can write that down. */
async function killAtSpawn(host: PartsHost): Promise<void> {
  const text = await readFile(host.script, "utf8");
  const at = '\tprocess_record "$SPAWNED" || :';
  assert.equal(text.split(at).length, 2);
  const die = `\tif [ -e "$STATE/die" ]; then rm "$STATE/die"; own_pid; kill -KILL $$; kill -KILL "$OWN_PID"; fi\n`;
  await writeFile(host.script, text.replace(at, `${die}${at}`));
  await writeFile(join(host.state, "die"), "");
}

/** The version in whose directory each process of the service works. */
async function versionsAtWork(host: PartsHost): Promise<string[]> {
  const found = await serviceProcesses(host);
  const directories = await Promise.all(found.map((pid) => readlink(`/proc/${pid}/cwd`).catch(() => "")));
  return [...new Set(directories.filter((one) => one !== "").map((one) => one.split("/").at(-1) ?? ""))];
}

async function goesBack(host: PartsHost, version: string): Promise<void> {
  const undone = await host.task("switch", "undo", { version, run: version, session: "a" });
  assert.equal(undone.exitCode, 0, `${undone.reason} ${undone.evidence}`);
  assert.equal(await host.trial(), "reverted");
}

for (const shell of shells) {
  const test = inTurn(shell.join(" "));
  const name = shell.join(" ");
  test(`${name}: P8: restart: a daemon that is not ready in time does not outlive the way back`, () =>
    withPartsHost(shell, async (host) => {
      const contract = { "switch.strategy": "restart", "switch.start": "start" };
      await host.installService("v1", {}, contract, { start, worker, slow: "0" });
      await host.installService("v2", {}, { ...contract, "switch.ready-seconds": "1" }, { start, worker, slow: "600" });
      await commit(host, "v1");
      assert.notEqual((await switchTo(host, "v2")).exitCode, 0);
      await until("v2 at work", 5000, async () => (await versionsAtWork(host)).includes("v2"));
      assert.deepEqual(await versionsAtWork(host), ["v2"]);
      await goesBack(host, "v2");
      assert.deepEqual(await versionsAtWork(host), ["v1"]);
      assert.match(await readlink(`/proc/${await host.pid()}/cwd`), /v1$/);
    }));

  test(`${name}: P8: signal: of a first install that is not ready in time nothing stays`, () =>
    withPartsHost(shell, async (host) => {
      const contract = { "switch.strategy": "signal", "switch.start": "start", "switch.ready-seconds": "1" };
      await host.installService("v1", {}, contract, { start, worker, slow: "600" });
      assert.notEqual((await switchTo(host, "v1")).exitCode, 0);
      await until("v1 at work", 5000, async () => (await versionsAtWork(host)).includes("v1"));
      await goesBack(host, "v1");
      await until("nothing stays", 5000, async () => (await serviceProcesses(host)).length === 0);
    }));

  test(`${name}: P8: balancer: host.sh is killed right after it started a service that never gets ready`, () =>
    withPartsHost(shell, async (host) => {
      const contract = { "switch.strategy": "balancer", "switch.ready-seconds": "10" };
      await host.installService("v1", {}, contract);
      await host.installService("v2", { neverReady: true }, contract);
      await commit(host, "v1");
      await killAtSpawn(host);
      await switchTo(host, "v2");
      await until("v2 holds the port", 10_000, async () => (await ask(host.port).catch(String)) === "v2");
      await goesBack(host, "v2");
      assert.equal(await ask(host.port), "v1");
    }));

  test(`${name}: P8: restart: host.sh is killed right after it started a worker that has no port`, () =>
    withPartsHost(shell, async (host) => {
      const contract = { "switch.strategy": "restart", "switch.start": "worker", "switch.ready-seconds": "10" };
      await host.installService("v1", {}, contract, { worker, slow: "0" });
      await host.installService("v2", {}, contract, { worker, slow: "600" });
      await commit(host, "v1");
      await killAtSpawn(host);
      await switchTo(host, "v2");
      await goesBack(host, "v2");
      assert.deepEqual(await versionsAtWork(host), ["v1"]);
      assert.match(await readlink(`/proc/${await host.pid()}/cwd`), /v1$/);
    }));
}
