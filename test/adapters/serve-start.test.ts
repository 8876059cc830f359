// What keeps serve from starting is said as an error with its next command, and nothing is left running; what breaks later
// is logged.
import assert from "node:assert/strict";
import { once } from "node:events";
import { readFile, rm, writeFile } from "node:fs/promises";
import { createServer } from "node:net";
import { join } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { poll, watchRefs } from "../../src/adapters/triggers.ts";
import { initRelease } from "../../src/app/init.ts";
import { serve } from "../../src/app/serve.ts";
import { runProgram } from "../../src/lab/run-program.ts";
import type { Trigger } from "../../src/ports.ts";
import { keyMaker, openController } from "../../src/wiring.ts";
import { withTemporaryDirectory } from "../support/temporary-directory.ts";

const main = fileURLToPath(new URL("../../src/main.ts", import.meta.url));

test("serve without its login key, with a broken one, without its webhook secret or its port exits and says what to type", () =>
  withHome(async (home, config) => {
    const cutover = () => runProgram([process.execPath, main, "--config", config, "serve"], { timeoutMs: 120_000 });
    const settings = await readFile(config, "utf8");
    const key = join(home, "keys", "controller");
    const good = await readFile(key);

    await writeFile(config, `${settings}\nwebhook: {secretFile: secret}\n`);
    assertLacking(await cutover(), /secret \(ENOENT\)[\s\S]*openssl rand/);
    await writeFile(config, settings);
    await writeFile(key, "no key");
    assertLacking(await cutover(), /holds no private key[\s\S]*cutover keys new/);
    await rm(key);
    assertLacking(await cutover(), /Cannot read the private key[\s\S]*cutover keys new/);
    await writeFile(key, good, { mode: 0o600 });

    const taken = createServer().listen(0, "127.0.0.1");
    await once(taken, "listening");
    const { port } = taken.address() as { port: number };
    await writeFile(config, `${settings.replace(/^listen:.*$/m, "")}\nlisten: "127.0.0.1:${port}"\n`);
    const { exitCode, stderr } = await cutover();
    assert.equal(exitCode, 4);
    assert.match(stderr, /Cannot listen on/);
    await new Promise((resolve) => taken.close(resolve));
  }));

test("when one trigger does not start, those that did are stopped, and the state directory is free again", () =>
  withHome(async (_, config) => {
    const { controller, close } = await openController(config);
    const stopped: string[] = [];
    const started =
      (name: string): Trigger =>
      async (onHint) => {
        const stop = await poll(60_000)(onHint);
        return async () => {
          await stop();
          stopped.push(name);
        };
      };
    const broken: Trigger = () => Promise.reject(new Error("no watches left"));
    const log = { info: () => {}, warn: () => {}, error: () => {} };
    const input = { controller, log, watcher: { onEvent: () => {}, onBytes: () => {} }, takeOver: false };
    const serving = serve({
      ...input,
      triggers: [started("one"), broken, started("two")],
      signal: new AbortController().signal,
      onPass: () => {},
    });
    await assert.rejects(serving, /no watches left/);
    assert.deepEqual(stopped, ["one", "two"]);
    await (await controller.processLock.acquire()).release();
    await close();
  }));

test("a watch that breaks while serve runs is told of and ends nothing", () =>
  withTemporaryDirectory(async (directory) => {
    const troubles: unknown[] = [];
    const { FSWatcher } = await import("chokidar");
    const made: InstanceType<typeof FSWatcher>[] = [];
    const emit = FSWatcher.prototype.emit;
    FSWatcher.prototype.emit = function (this: InstanceType<typeof FSWatcher>, ...args: Parameters<typeof emit>) {
      if (args[0] === "ready") made.push(this);
      return emit.apply(this, args);
    } as typeof emit;
    const stop = await watchRefs(directory, (error) => troubles.push(error))(() => {});
    FSWatcher.prototype.emit = emit;
    const error = new Error("ENOSPC: inotify watches");
    made[0]?.emit("error", error);
    assert.deepEqual(troubles, [error]);
    await stop();
  }));

function assertLacking({ exitCode, stderr }: { exitCode: number | null; stderr: string }, words: RegExp): void {
  assert.equal(exitCode, 69, stderr);
  assert.match(stderr, words);
}

async function withHome(body: (home: string, config: string) => Promise<void>): Promise<void> {
  await withTemporaryDirectory(async (directory) => {
    const home = join(directory, "home");
    await initRelease(home, { keyMaker });
    await body(home, join(home, "cutover.yaml"));
  });
}
