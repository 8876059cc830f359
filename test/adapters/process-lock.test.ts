// One controller process a state directory, proven with processes: refusals name the holder, SIGKILL leaves nothing behind.
import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { test } from "node:test";
import { gitLease } from "../../src/adapters/git-lease.ts";
import { processLock } from "../../src/adapters/process-lock.ts";
import { systemClock } from "../../src/adapters/system-clock.ts";
import { withLease } from "../../src/app/controller.ts";
import { withTemporaryDirectory } from "../support/temporary-directory.ts";
import { withReleaseRepo } from "../support/with-release-repo.ts";

const lockAt = (directory: string) => processLock({ path: join(directory, "lock"), command: "cutover rollback" });

test("a second controller on the same state directory is refused by name, also with --take-over, and its lease stays as it was (F18)", () =>
  withReleaseRepo(async (repo) => {
    const lease = gitLease({ url: repo.remote, mirror: repo.newMirror() });
    const controller = {
      clock: systemClock,
      lease,
      processLock: lockAt(repo.folder),
      settings: { holder: "ctl" } as Parameters<typeof withLease>[0]["settings"],
    };
    const signal = new AbortController().signal;
    await withLease(controller, { takeOver: false, signal }, async (held) => {
      for (const takeOver of [false, true]) {
        await assert.rejects(
          withLease(controller, { takeOver, signal }, () => assert.fail("it worked beside the other")),
          ({ code, exitCode, remedy }) =>
            code === "lease-held" && exitCode === 5 && remedy.includes(`stop cutover rollback (pid ${process.pid})`),
        );
      }
      assert.equal((await lease.renew(held, Date.now())).epoch, 1);
    });
    assert.equal(await withLease(controller, { takeOver: false, signal }, async ({ epoch }) => epoch), 2);
  }));

test("of processes that start at the same moment one gets the lock; when it is killed the next one has it at once", () =>
  withTemporaryDirectory(async (directory) => {
    const children = Array.from({ length: 4 }, () => startHolder(directory));
    try {
      const said = await Promise.all(children.map(({ stdout }) => firstLine(stdout)));
      assert.deepEqual(said.map((line) => line.split(" ")[0]).sort(), ["held", "refused", "refused", "refused"]);
      const holder = children[said.indexOf("held")];
      assert.ok(holder);
      await assert.rejects(lockAt(directory).acquire(), {
        code: "serve-running",
        message: `cutover serve (pid ${holder.pid}) is the controller of this state directory`,
      });
      const gone = once(holder, "exit");
      holder.kill("SIGKILL");
      await gone;
      const lock = await lockAt(directory).acquire();
      await assert.rejects(lockAt(directory).acquire(), { code: "lease-held" });
      await lock.release();
      await lock.release();
    } finally {
      for (const child of children) child.kill("SIGKILL");
      await Promise.all(children.map((child) => child.exitCode ?? child.signalCode ?? once(child, "exit")));
    }
  }));

function startHolder(directory: string): ChildProcess {
  const url = new URL("../../src/adapters/process-lock.ts", import.meta.url);
  const script = `
    const { processLock } = await import(${JSON.stringify(url.href)});
    const lock = processLock({ path: process.argv[1], command: "cutover serve" });
    try {
      await lock.acquire();
      console.log("held");
      setInterval(() => {}, 60_000);
    } catch (error) {
      console.log("refused " + error.code);
    }`;
  const argv = ["--input-type=module", "-e", script, join(directory, "lock")];
  return spawn(process.execPath, argv, { stdio: ["ignore", "pipe", "inherit"] });
}

async function firstLine(stdout: ChildProcess["stdout"]): Promise<string> {
  let text = "";
  for await (const chunk of stdout ?? []) {
    text += chunk;
    if (text.includes("\n")) break;
  }
  return text.trim();
}
