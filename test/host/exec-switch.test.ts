// Strategies restart and exec with a real service: what it serves, and what a client sees meanwhile.
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { readdir, readFile, readlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe } from "node:test";
import { setTimeout as delay } from "node:timers/promises";
import { ask, failures, underLoad } from "../support/asking-clients.ts";
import { shells, withPartsHost } from "../support/host-parts.ts";
import { insertedAt } from "../support/killed-at.ts";
import { alive } from "../support/live-processes.ts";
import { commit, switchTo } from "../support/parts-steps.ts";
import { inTurn } from "../support/shells.ts";
import { deadlineComes } from "../support/trial-clock.ts";
import { until } from "../support/until.ts";

for (const shell of shells) {
  const test = inTurn(shell.join(" "));
  const name = shell.join(" ");
  describe(name, { concurrency: 3 }, () => {
    test(`${name}: P11: exec hands the listener over and back, and a client sees no failure`, () =>
      withPartsHost(shell, async (host) => {
        await host.installService("v1");
        await host.installService("v2");
        await commit(host, "v1");
        const first = await host.pid();
        const answers = await underLoad(host.port, async () => {
          const switched = await switchTo(host, "v2");
          assert.match(switched.evidence, new RegExp(`old-pid=${first} new-pid=${await host.pid()} from=v1 to=v2`));
          assert.equal(await alive(first ?? 0), false, "the old one has ended");
          assert.equal(await ask(host.port), "v2");
          const undone = await host.task("switch", "undo", { version: "v2", run: "v2" });
          assert.match(undone.evidence, /current=v1 was=v2 reason=operator/);
          assert.match(undone.evidence, /version v2 serves as \d+/, "what the rollback would have destroyed is told");
          assert.equal(await ask(host.port), "v1");
        });
        assert.deepEqual(failures(answers), []);
        assert.ok((answers.v1 ?? 0) > 0 && (answers.v2 ?? 0) > 0, JSON.stringify(answers));
      }));

    test(`${name}: P11: a new version that crashes before it is ready fails the switch, and the old one serves on`, () =>
      withPartsHost(shell, async (host) => {
        await host.installService("v1");
        await host.installService("bad", { crashBeforeReady: true });
        await commit(host, "v1");
        const first = await host.pid();
        const answers = await underLoad(host.port, async () => {
          const switched = await switchTo(host, "bad");
          assert.equal(switched.reason, "new-version-died", switched.evidence);
          assert.match(switched.evidence, /old pid \d+ still serves;.*version bad crashes before it is ready/s);
          await host.task("switch", "undo", { version: "bad", run: "bad", options: { reason: "failed" } });
          assert.equal(await host.current(), "v1");
        });
        assert.equal(await host.pid(), first, "it was never asked to stop");
        assert.deepEqual(Object.keys(answers), ["v1"]);
      }));

    test(`${name}: why a version did not start is told in its own words, not in those of the one before`, () =>
      withPartsHost(shell, async (host) => {
        const contract = { "switch.strategy": "restart" };
        await host.installService("v1", {}, contract);
        await host.installService("bad", { crashBeforeReady: true }, contract);
        await commit(host, "v1");
        const switched = await switchTo(host, "bad");
        assert.equal(switched.reason, "not-ready", switched.evidence);
        assert.match(switched.evidence, /version bad crashes before it is ready/);
        assert.doesNotMatch(switched.evidence, /version v1/);
      }));

    test(`${name}: P8: the runner is killed in the middle of a hand-over; the deadline takes the host back without a dropped request`, () =>
      withPartsHost(shell, async (host) => {
        await host.installService("v1");
        await host.installService("hangs", { neverReady: true });
        await commit(host, "v1");
        const answers = await underLoad(host.port, async () => {
          const { child, result } = host.start("switch", "do", {
            version: "hangs",
            run: "hangs",
          });
          await until("the rename", 3000, async () => (await host.current()) === "hangs");
          child.kill("SIGKILL");
          await result;
          await deadlineComes(host);
          await until("the way back", 4000, async () => (await host.trial()) === "reverted");
        });
        assert.equal(await host.current(), "v1");
        assert.deepEqual(failures(answers), []);
        assert.equal(await ask(host.port), "v1");
      }));

    test(`${name}: P6: a switch killed at any moment is continued by the same run, one version serves in the end`, () =>
      withPartsHost(shell, async (host) => {
        await host.installService("v1");
        await host.installService("v2");
        await commit(host, "v1");
        const answers = await underLoad(host.port, async () => {
          for (const [round, wait] of [40, 120, 200, 320].entries()) {
            const call = { version: round % 2 === 0 ? "v2" : "v1", run: `round-${round}` };
            const { child, result } = host.start("switch", "do", call);
            await delay(wait);
            child.kill("SIGKILL");
            await result;
            const again = await host.task("switch", "do", call);
            assert.equal(again.exitCode, 0, `${wait} ms: ${again.reason} ${again.evidence}`);
            assert.equal(await ask(host.port), call.version);
            assert.equal((await host.task("confirm", "do", { ...call, session: "b" })).exitCode, 0);
            assert.equal((await host.task("commit", "do", call)).exitCode, 0);
          }
        });
        assert.deepEqual(failures(answers), []);
      }));

    test(`${name}: P8: a switch that hangs with the lock in its hand is ended by the deadline`, () =>
      withPartsHost(shell, async (host) => {
        await host.installService("v1");
        await host.installService("hangs", { neverReady: true });
        await commit(host, "v1");
        const { child, result } = host.start("switch", "do", { version: "hangs" });
        await until("the rename", 3000, async () => (await host.current()) === "hangs");
        child.kill("SIGSTOP");
        await deadlineComes(host);
        await until("the way back", 5000, async () => (await host.trial()) === "reverted");
        assert.equal((await result).exitCode, 137);
        assert.equal(await host.current(), "v1");
        assert.equal(await ask(host.port), "v1");
      }));

    test(`${name}: P6: a way back killed at any moment is finished by the next one, without a dropped request`, () =>
      withPartsHost(shell, async (host) => {
        await host.installService("v1");
        await host.installService("v2");
        await commit(host, "v1");
        const answers = await underLoad(host.port, async () => {
          for (const [round, wait] of [60, 110, 160, 230, 300].entries()) {
            const call = { version: "v2", run: `round-${round}` };
            const switched = await host.task("switch", "do", call);
            assert.equal(switched.exitCode, 0, `${switched.reason} ${switched.evidence}`);
            const { child, result } = host.start("switch", "undo", call);
            await delay(wait);
            child.kill("SIGKILL");
            await result;
            if (round % 2 === 0) assert.equal((await host.word("guard")).exitCode, 0);
            const undone = await host.task("switch", "undo", call);
            assert.equal(undone.exitCode, 0, `${wait} ms: ${undone.reason} ${undone.evidence}`);
            assert.equal(await host.trial(), "reverted");
            assert.equal(await host.current(), "v1");
            assert.equal(await ask(host.port), "v1");
          }
        });
        assert.deepEqual(failures(answers), []);
      }));

    test(`${name}: a successor that shows nothing of its start path is ended when it is late, also when the old process died over it`, () =>
      withPartsHost(shell, async (host) => {
        const contract = { "switch.start": "start" };
        const start = { start: '#!/bin/sh\ncd "$(dirname "$(readlink -f "$0")")" && exec ./server.cjs\n' };
        await host.installService("v1", {}, contract, start);
        await host.installService("late", { neverReady: true }, { ...contract, "switch.ready-seconds": "1" }, start);
        await commit(host, "v1");
        const successors = async (): Promise<string[]> => {
          const found: string[] = [];
          for (const pid of await readdir("/proc")) {
            const cwd = /^\d+$/.test(pid) ? await readlink(`/proc/${pid}/cwd`).catch(() => "") : "";
            if (cwd.startsWith(host.base) && cwd.endsWith("/versions/late") && (await alive(Number(pid))))
              found.push(pid);
          }
          return found;
        };
        assert.equal((await switchTo(host, "late")).reason, "not-ready");
        assert.deepEqual(await successors(), []);
        assert.equal((await host.task("switch", "undo", { version: "late", run: "late" })).exitCode, 0);
        // It has been asked for when the old process dies, and its time begins then.
        const [whole, dead] = [await readFile(host.script, "utf8"), join(host.base, "dead")];
        const waits = `gate_left_=6000; until [ -e ${dead} ] || [ $gate_left_ = 0 ]; do gate_left_=$((gate_left_ - 1)); sleep 0.05; done`;
        await writeFile(host.script, insertedAt(whole, ["exec_wait", "\tcontract_value"], waits));
        const { result } = host.start("switch", "do", { version: "late", run: "again", session: "a" });
        await until("the successor", 3000, async () => (await successors()).length > 0);
        const old = (await host.pid()) ?? 0;
        assert.ok(old > 1);
        process.kill(old, "SIGKILL");
        await until("the old one's end", 3000, async () => !(await alive(old)));
        await writeFile(dead, "");
        assert.equal((await result).reason, "not-ready");
        assert.deepEqual(await successors(), []);
        assert.equal((await host.task("switch", "undo", { version: "late", run: "again" })).exitCode, 0);
        assert.equal(await ask(host.port), "v1");
      }));

    test(`${name}: a cold start that hangs is ended before the way back starts the old version: it never serves late`, () =>
      withPartsHost(shell, async (host) => {
        await host.installService("v1");
        await host.installService("hangs", { neverReady: true }, { "switch.ready-seconds": "1" });
        await commit(host, "v1");
        process.kill((await host.pid()) ?? 0, "SIGKILL");
        assert.equal((await switchTo(host, "hangs")).reason, "not-ready");
        const hanging = Number(
          /^pid (\d+)$/m.exec(await readFile(join(host.state, "components/web/process"), "utf8"))?.[1],
        );
        assert.ok(await alive(hanging));
        assert.equal((await host.task("switch", "undo", { version: "hangs", run: "hangs" })).exitCode, 0);
        assert.equal(await alive(hanging), false);
        assert.equal(await ask(host.port), "v1");
      }));

    test(`${name}: restart starts the new version, takes a crashing one back, and a first install that fails leaves nothing running`, () =>
      withPartsHost(shell, async (host) => {
        const contract = { "switch.strategy": "restart" };
        await host.installService("bad", { crashBeforeReady: true, crashAfterMs: 0 }, contract);
        await host.installService("v1", {}, contract);
        await host.installService("v2", {}, contract);
        assert.equal((await switchTo(host, "bad")).reason, "not-ready");
        assert.equal((await host.task("switch", "undo", { version: "bad", run: "bad" })).exitCode, 0);
        assert.equal(await host.current(), undefined);
        await commit(host, "v1");
        await commit(host, "v2");
        assert.equal(await ask(host.port), "v2");
        await host.installService("bad", { crashBeforeReady: true, crashAfterMs: 0 }, contract);
        const failed = await host.task("switch", "do", { version: "bad", run: "again" });
        assert.match(failed.evidence, /version bad crashes/);
        await deadlineComes(host);
        await until("the way back", 6000, async () => (await host.trial()) === "reverted");
        assert.equal(await ask(host.port), "v2");
        assert.match(await host.trialFile("evidence"), /version bad crashes/);
      }));

    test(`${name}: health counts samples, waits for who is not up yet, and a failure carries counts, replies and log lines`, () =>
      withPartsHost(shell, async (host) => {
        const check = (url: string, more: Record<string, string> = {}) => ({
          "health.0.kind": "http",
          "health.0.url": url,
          "health.0.samples": "10",
          "health.0.interval-ms": "1",
          ...more,
        });
        const self = `http://self:${host.port}/`;
        await host.installService(
          "v1",
          {},
          {
            ...check(self),
            "health.1.kind": "tcp",
            "health.1.address": "self",
            "health.1.port": String(host.port),
            "health.1.within-seconds": "5",
          },
        );
        await host.installService("flaky", { failEvery: 3 }, check(self, { "health.0.max-failures": "1" }));
        await commit(host, "v1");
        assert.match(
          (await host.task("health", "do", { version: "v1" })).evidence,
          /healthy: http 10 samples, 0 failed; tcp port \d+ accepts/,
        );
        assert.equal((await switchTo(host, "flaky")).exitCode, 0);
        const sick = await host.task("health", "do", { version: "flaky", run: "flaky" });
        assert.equal(sick.reason, "unhealthy");
        if (!shell.includes("busybox"))
          assert.match(sick.evidence, /\[500 broken flaky ?\]/, "wget tells the status only");
        assert.match(
          sick.evidence,
          /2 of 6 samples failed, 1 allowed in 10; \[500 .*\] \[500 .*\].*version flaky serves/s,
        );
        await host.task("switch", "undo", { version: "flaky", run: "flaky", options: { reason: "failed" } });
        assert.match(await host.trialFile("evidence"), /2 of 6 samples failed/);
        assert.equal(await ask(host.port), "v1");
      }));

    test(`${name}: T13: what a process calls itself is a text and no pattern: the files that it would match say nothing`, () =>
      withPartsHost(shell, async (host) => {
        await host.install("v1");
        await host.install("v2");
        const root = join(host.base, "web");
        const child = spawn("bash", ["-c", 'exec -a "$1" sleep 60', "bash", `${root}/version*/v1`], {
          stdio: "ignore",
        });
        const arguments_ = () => readFile(`/proc/${child.pid}/cmdline`, "utf8");
        await until("sleep", 5000, async () => (await arguments_()).startsWith(root));
        const runs = await host.word("call", "eval", `ROOT=${root}; exec_runs ${child.pid} v2 0`);
        assert.equal(runs.exitCode, 0, runs.stdout);
      }));
  });
}
