// Strategy takeover with the C skeleton: established connections, their counters, half-read lines and unsent answers go from process to
// process, and nothing of it is lost whoever dies before the new one has taken over.
import assert from "node:assert/strict";
import { once } from "node:events";
import { existsSync } from "node:fs";
import { readFile, writeFile } from "node:fs/promises";
import { get } from "node:http";
import { join } from "node:path";
import { describe } from "node:test";
import { setTimeout as delay } from "node:timers/promises";
import { shells, withPartsHost } from "../support/host-parts.ts";
import { insertedAt } from "../support/killed-at.ts";
import { openLineStreams, underStreams } from "../support/line-streams.ts";
import { inTurn } from "../support/shells.ts";
import { takeoverOn } from "../support/takeover-host.ts";
import { deadlineComes } from "../support/trial-clock.ts";
import { until } from "../support/until.ts";

/** Of a takeover, as the new process sees it. */
const everyPoint = ["started die", "received die", "waits die", "told die", "received hang", "waits hang"];

for (const shell of shells) {
  const test = inTurn(shell.join(" "));
  const name = shell.join(" ");
  describe(name, { concurrency: 2 }, () => {
    test(`${name}: P11: streams, a long answer and events go over and back with nothing lost`, () =>
      withPartsHost(shell, async (host) => {
        const service = await takeoverOn(host);
        for (const version of ["v1", "v2"]) await service.install(version);
        await service.commit("v1");
        const first = await service.ask();
        const events = openEvents(host.port);
        await underStreams(service.streamPort, 12, async (streams) => {
          // It begins when host.sh is about to ask: how long that took to get there is no matter.
          const whole = await readFile(host.script, "utf8");
          const [asks, go] = [join(host.base, "asks"), join(host.base, "go")];
          const gate = `: >"${asks}"; until [ -e "${go}" ]; do nap; done`;
          await writeFile(host.script, insertedAt(whole, ["exec_ask", "\tkill -s"], gate));
          const switching = service.switchTo("v2");
          await until("host.sh to ask", 5000, async () => existsSync(asks));
          const long = slowAnswer(host.port, 4000);
          await long.isAsked;
          await writeFile(go, "");
          assert.match(await switching, new RegExp(`old-pid=${first.pid} new-pid=\\d+ from=v1 to=v2`));
          await writeFile(host.script, whole);
          const second = await service.ask();
          assert.deepEqual([second.version, await host.pid()], ["v2", second.pid]);
          assert.deepEqual(await service.processes(), [second.pid], "the old one ended by itself");
          assert.match(
            await long.answer,
            new RegExp(`^c-takeover v2 pid ${second.pid}\n$`),
            "begun by v1, ended by v2",
          );
          const before = streams.answers();
          await until("answers of v2", 5000, async () => streams.answers() > before + 50);
          assert.equal((await host.task("switch", "undo", { version: "v2", run: "v2" })).exitCode, 0);
          assert.equal((await service.ask()).version, "v1");
          assert.ok(!(await service.hasSocket()));
        });
        const seen = await events.end();
        assert.deepEqual(
          seen,
          Array.from(seen, (_, index) => index + 1),
        );
        assert.ok(seen.length > 10, `${seen.length} events`);
      }));

    for (const point of everyPoint) {
      test(`${name}: P11: a new version that meets \`${point}\` costs no connection: the old one serves on`, () =>
        withPartsHost(shell, async (host) => {
          const service = await takeoverOn(host);
          await service.install("v1");
          await service.install("v2");
          const seen = join(host.base, "seen");
          await service.install("bad", { point: `${point} ${seen}` });
          await service.commit("v1");
          const first = await service.ask();
          const whole = await readFile(host.script, "utf8");
          await writeFile(host.script, insertedAt(whole, ["exec_wait", "\t\t\twait_seen_=yes"], `: >"${seen}"`));
          await underStreams(service.streamPort, 6, async () => {
            const switched = await host.task("switch", "do", { version: "bad", run: "bad", session: "a" });
            assert.equal(switched.reason, "new-version-died", switched.evidence);
            assert.match(switched.evidence, new RegExp(`old pid ${first.pid} still serves`));
            assert.deepEqual([await service.ask(), await host.pid()], [first, first.pid]);
            const undone = await host.task("switch", "undo", {
              version: "bad",
              run: "bad",
              options: { reason: "failed" },
            });
            assert.equal(undone.exitCode, 0, `${undone.reason} ${undone.evidence}`);
            assert.deepEqual([await service.ask(), await host.current()], [first, "v1"]);
            assert.deepEqual(await service.processes(), [first.pid]);
            assert.ok(!(await service.hasSocket()));
            await service.switchTo("v2", "after");
          });
        }));
    }

    test(`${name}: P8: one that never comes for the connections is ended at the deadline, and they stay where they were`, () =>
      withPartsHost(shell, async (host) => {
        const service = await takeoverOn(host);
        await service.install("v1");
        await service.install("late", { point: "started hang" });
        await service.commit("v1");
        const first = await service.ask();
        await underStreams(service.streamPort, 6, async () => {
          const { child, result } = host.start("switch", "do", {
            version: "late",
            run: "late",
            session: "a",
          });
          await until("a second process", 3000, async () => (await service.processes()).length > 1);
          child.kill("SIGKILL");
          await result;
          await deadlineComes(host);
          await until("the way back", 6000, async () => (await host.trial()) === "reverted");
          assert.deepEqual([await service.ask(), await host.current()], [first, "v1"]);
          assert.deepEqual(await service.processes(), [first.pid]);
        });
      }));

    test(`${name}: P6: host.sh is killed at every point of a takeover and called again, with do and with undo, and no stream breaks`, () =>
      withPartsHost(shell, async (host) => {
        const service = await takeoverOn(host);
        const points = ["started", "received", "waits", "told", "took"];
        await service.install("v0");
        for (const point of points)
          for (const way of ["do", "undo"]) await service.install(`${point}-${way}`, { point: `${point} 400` });
        await service.commit("v0");
        await underStreams(service.streamPort, 6, async () => {
          for (const point of points) {
            for (const action of ["do", "undo"] as const) {
              const { version: before, pid: first } = await service.ask();
              const call = { version: `${point}-${action}`, run: `${point}-${action}`, session: "a" };
              const { child, result } = host.start("switch", "do", call);
              await until("another process", 5000, async () =>
                (await service.processes()).some((each) => each !== first),
              );
              await delay(150);
              child.kill("SIGKILL");
              await result;
              const again = await host.task("switch", action, call);
              assert.equal(again.exitCode, 0, `${point} ${action}: ${again.reason} ${again.evidence}`);
              const now = await service.ask();
              assert.equal(now.version, action === "do" ? call.version : before, `${point} ${action}`);
              assert.deepEqual(
                [await service.processes(), await host.pid()],
                [[now.pid], now.pid],
                `${point} ${action}`,
              );
              if (action === "undo") continue;
              assert.equal((await host.task("confirm", "do", { ...call, session: "b" })).exitCode, 0);
              assert.equal((await host.task("commit", "do", call)).exitCode, 0);
            }
          }
        });
      }));

    test(`${name}: one that dies after it took takes the connections with it; the way back starts the old version cold`, () =>
      withPartsHost(shell, async (host) => {
        const service = await takeoverOn(host);
        await service.install("v1");
        await service.install("bad", { point: "took die" });
        await service.commit("v1");
        const streams = await openLineStreams(service.streamPort, 4);
        try {
          const switched = await host.task("switch", "do", { version: "bad", run: "bad", session: "a" });
          assert.doesNotMatch(switched.evidence, /still serves/);
          await until("the end of all streams", 3000, async () => streams.broken().length === 4);
          assert.equal((await host.task("switch", "undo", { version: "bad", run: "bad" })).exitCode, 0);
          assert.equal((await service.ask()).version, "v1");
          assert.equal((await service.processes()).length, 1);
        } finally {
          streams.end();
        }
      }));
  });
}

function slowAnswer(
  port: number,
  ms: number,
): { readonly isAsked: Promise<unknown>; readonly answer: Promise<string> } {
  const request = get({ host: "127.0.0.1", port, path: `/work?ms=${ms}`, agent: false });
  const answer = new Promise<string>((done, failed) => {
    request.on("response", (reply) => {
      let body = "";
      reply.setEncoding("utf8").on("data", (text: string) => {
        body += text;
      });
      reply.on("end", () => done(body));
    });
    request.on("error", failed);
  });
  return { isAsked: once(request, "finish"), answer };
}

function openEvents(port: number): { end(): Promise<number[]> } {
  const numbers: number[] = [];
  let rest = "";
  const request = get({ host: "127.0.0.1", port, path: "/events", agent: false }, (reply) => {
    reply.setEncoding("utf8").on("data", (text: string) => {
      const events = (rest + text).split("\n\n");
      rest = events.pop() ?? "";
      for (const event of events) numbers.push(Number(/^id: (\d+)\n/.exec(event)?.[1]));
    });
    reply.on("error", () => numbers.push(Number.NaN));
  });
  request.on("error", () => numbers.push(Number.NaN));
  return {
    async end() {
      const seen = [...numbers]; // what its end brings is ours
      request.destroy();
      return seen;
    },
  };
}
