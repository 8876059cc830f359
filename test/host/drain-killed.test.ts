// R18: nobody stays out of service because somebody died: a drain that is killed goes on, a reboot and a way back end it.
import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { mkdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe } from "node:test";
import { setTimeout as delay } from "node:timers/promises";
import { draining } from "../support/draining.ts";
import { shells, withPartsHost } from "../support/host-parts.ts";
import { inTurn } from "../support/shells.ts";
import { deadlineComes } from "../support/trial-clock.ts";
import { until } from "../support/until.ts";

const anotherBoot = async (path: string): Promise<void> =>
  writeFile(path, (await readFile(path, "utf8")).replace(/^boot-id .*/m, "boot-id another-boot"));

for (const shell of shells) {
  const test = inTurn(shell.join(" "));
  const name = shell.join(" ");
  describe(name, { concurrency: 3 }, () => {
    test(`${name}: P6: a drain that was killed keeps readiness off and its time, and a reboot brings the host back`, () =>
      withPartsHost(shell, async (host) => {
        const { notReady, inflight, words, drain } = await draining(host, { "drain.seconds": "60" });
        const record = join(host.state, "components/web/drained");
        await writeFile(inflight, "1\n");
        const { child, result } = host.start("drain", "do", { version: "v2" });
        await until("the wait", 5_000, async () => existsSync(words));
        child.kill("SIGKILL");
        await result;
        const begun = /^begun .*/m.exec(await readFile(record, "utf8"))?.[0];
        assert.ok(begun);
        assert.ok(existsSync(notReady));
        assert.equal((await host.word("guard")).exitCode, 0);
        assert.ok(existsSync(notReady), "this run may go on");
        // Begun 90 s earlier, its time is over; one that counts anew says 60 s, and one that waits anew more than 150.
        const earlier = `begun ${Number(begun.split(" ")[1]) - 9000}`;
        await writeFile(record, (await readFile(record, "utf8")).replace(begun, earlier));
        const { evidence } = await drain();
        assert.match(
          evidence,
          /^in-flight=1 cut=1 waited-ms=(?:9\d{4}|1[0-4]\d{4}) until=deadline$/m,
          "its time goes on",
        );
        assert.equal((await readFile(words, "utf8")).split("out").length, 3, "and readiness was made sure of");
        assert.doesNotMatch(await readFile(record, "utf8"), /^begun/m, "the next drain has its own time");
        await anotherBoot(record);
        assert.equal((await host.word("guard")).exitCode, 0);
        assert.ok(!existsSync(notReady), "nobody goes on with that step, and the host serves again");
        assert.match((await host.task("drain", "undo", { version: "v2" })).evidence, /back in service already/);
      }));

    test(`${name}: P6: a drain and its undo that are killed at any moment do what they should when they are called again`, () =>
      withPartsHost(shell, async (host) => {
        const { notReady, inflight, drain } = await draining(host);
        const record = join(host.state, "components/web/drained");
        await writeFile(inflight, "0\n");
        for (let killAfterMs = 0; killAfterMs <= 200; killAfterMs += 25)
          for (const action of ["do", "undo"] as const) {
            const { child, result } = host.start("drain", action, { version: "v2" });
            await delay(killAfterMs);
            child.kill("SIGKILL");
            await result;
            const at = `${action} after ${killAfterMs} ms`;
            if (existsSync(notReady)) assert.ok(existsSync(record), `${at}: whoever goes back would not know of it`);
            const again = await (action === "do" ? drain() : host.task("drain", "undo", { version: "v2" }));
            assert.equal(again.exitCode, 0, `${at}: ${again.reason} ${again.evidence}`);
            const isOut = action === "do";
            assert.deepEqual([existsSync(notReady), existsSync(record)], [isOut, isOut], at);
          }
      }));

    test(`${name}: a drain that is undone while it waits ends at once, and nothing of its run switches any more`, () =>
      withPartsHost(shell, async (host) => {
        const { notReady, inflight, words, drain } = await draining(host);
        await writeFile(inflight, "1\n");
        const waiting = drain();
        await until("the wait", 5_000, async () => existsSync(words));
        assert.equal((await host.task("drain", "undo", { version: "v2" })).exitCode, 0);
        assert.equal((await waiting).reason, "taken-back");
        assert.ok(!existsSync(notReady));
        assert.ok(!existsSync(join(host.state, "components/web/drained")));
        await mkdir(join(host.state, "runs/r1/rollback.1"), { recursive: true });
        assert.equal((await host.task("switch", "do", { version: "v2" })).reason, "taken-back");
        assert.deepEqual([await host.current(), await host.trial()], ["v1", "none"]);
      }));

    test(`${name}: P8: a host that takes its trial back by itself is ready again`, () =>
      withPartsHost(shell, async (host) => {
        const { notReady, inflight, drain } = await draining(host);
        await writeFile(inflight, "0\n");
        assert.equal((await drain()).exitCode, 0);
        assert.equal((await host.task("switch", "do", { version: "v2" })).exitCode, 0);
        await deadlineComes(host);
        await until("the way back", 10_000, async () => existsSync(join(host.state, "components/web/undrained")));
        assert.deepEqual([await host.current(), existsSync(notReady)], ["v1", false]);
      }));
  });
}
