// Strategy takeover with the C skeleton: established connections, their counters, half-read lines and unsent answers go from process to
// process, and nothing of it is lost whoever dies before the new one has taken over.
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { access, chmod, readdir } from "node:fs/promises";
import { get } from "node:http";
import { connect } from "node:net";
import { dirname, join } from "node:path";
import { describe, test } from "node:test";
import { setTimeout as delay } from "node:timers/promises";
import { alive, shells, withPartsHost } from "../support/host-parts.ts";
import { type LineStreams, openLineStreams } from "../support/line-streams.ts";
import { type TakeoverHost, takeoverOn } from "../support/takeover-host.ts";
import { until } from "../support/until.ts";

async function underStreams(
  service: TakeoverHost,
  count: number,
  body: (streams: LineStreams) => Promise<void>,
): Promise<void> {
  const streams = await openLineStreams(service.streamPort, count);
  try {
    await body(streams);
    await streams.settle();
  } finally {
    streams.end();
  }
}
const socketGone = (state: string): Promise<boolean> =>
  access(join(state, "components/web/takeover/socket")).then(
    () => false,
    () => true,
  );

/** Of a takeover, as the new process sees it; what goes wrong there is done by the skeleton, so one shell sees all of them. */
const everyPoint = ["started die", "received die", "waits die", "told die", "received hang", "waits hang"];

for (const shell of shells) {
  const name = shell.join(" ");
  describe(name, { concurrency: 2 }, () => {
    test(`${name}: P11: streams, a long answer and events go over and back with nothing lost`, () =>
      withPartsHost(shell, async (host) => {
        const service = await takeoverOn(host);
        for (const version of ["v1", "v2"]) await service.install(version);
        await service.commit("v1");
        const first = await service.ask();
        const events = openEvents(host.port);
        await underStreams(service, 12, async (streams) => {
          const long = slowAnswer(host.port, 1500);
          assert.match(await service.switchTo("v2"), new RegExp(`old-pid=${first.pid} new-pid=\\d+ from=v1 to=v2`));
          const second = await service.ask();
          assert.deepEqual([second.version, await host.pid()], ["v2", second.pid]);
          assert.deepEqual(await service.processes(), [second.pid], "the old one ended by itself");
          assert.match(await long, new RegExp(`^c-takeover v2 pid ${second.pid}\n$`), "begun by v1, ended by v2");
          const before = streams.answers();
          await until("answers of v2", 5000, async () => streams.answers() > before + 50);
          assert.equal((await host.task("switch", "undo", { version: "v2", run: "v2" })).exitCode, 0);
          assert.equal((await service.ask()).version, "v1");
          assert.ok(await socketGone(host.state));
        });
        const seen = await events.end();
        assert.deepEqual(
          seen,
          Array.from(seen, (_, index) => index + 1),
        );
        assert.ok(seen.length > 10, `${seen.length} events`);
      }));

    for (const point of shell[0] === "dash" ? everyPoint : ["received die", "waits hang"]) {
      test(`${name}: P11: a new version that meets \`${point}\` costs no connection: the old one serves on`, () =>
        withPartsHost(shell, async (host) => {
          const service = await takeoverOn(host);
          await service.install("v1");
          await service.install("v2");
          await service.install("bad", { point });
          await service.commit("v1");
          const first = await service.ask();
          await underStreams(service, 6, async () => {
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
            assert.ok(await socketGone(host.state));
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
        await underStreams(service, 6, async () => {
          const { child, result } = host.start("switch", "do", {
            version: "late",
            run: "late",
            session: "a",
            options: { deadline: "1" },
          });
          await until("a second process", 3000, async () => (await service.processes()).length > 1);
          child.kill("SIGKILL");
          await result;
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
        await underStreams(service, 6, async () => {
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

const dash = ["dash"];

test("an old process that dies in the middle of a takeover ends both; the way back starts the old version cold, and nothing else runs", () =>
  withPartsHost(dash, async (host) => {
    const service = await takeoverOn(host);
    await service.install("v1", { contract: { "switch.ready-seconds": "2" } });
    await service.install("v2", { contract: { "switch.ready-seconds": "2" }, point: "received 1000" });
    await service.commit("v1");
    const first = await service.ask();
    const { result } = host.start("switch", "do", { version: "v2", run: "v2", session: "a" });
    await until("a second process", 5000, async () => (await service.processes()).length > 1);
    process.kill(first.pid, "SIGKILL");
    const switched = await result;
    assert.match(switched.reason, /^(?:new-version-died|not-ready)$/, switched.evidence);
    const undone = await host.task("switch", "undo", { version: "v2", run: "v2", options: { reason: "failed" } });
    assert.equal(undone.exitCode, 0, `${undone.reason} ${undone.evidence}`);
    const now = await service.ask();
    assert.deepEqual([now.version, await service.processes()], ["v1", [now.pid]]);
  }));

test("P11: 600 connections, more than one message holds, go over and back", () =>
  withPartsHost(dash, async (host) => {
    const service = await takeoverOn(host);
    for (const version of ["v1", "v2"]) await service.install(version);
    await service.commit("v1");
    await underStreams(service, 600, async (streams) => {
      for (const version of ["v2", "v1", "v2"]) {
        const before = streams.answers();
        await service.switchTo(version, `to-${version}-${before}`);
        assert.equal(
          (await host.task("confirm", "do", { version, run: `to-${version}-${before}`, session: "b" })).exitCode,
          0,
        );
        await until("answers", 20_000, async () => streams.answers() > before + 600);
      }
    });
  }));

test("an old process that does not end by itself is asked, then killed, and the streams are the new one's", () =>
  withPartsHost(dash, async (host) => {
    const service = await takeoverOn(host);
    await service.install("v1", { contract: { "switch.stop-seconds": "1" } });
    await service.install("v2", { contract: { "switch.stop-seconds": "1" }, point: "told 1000" });
    await service.commit("v1");
    const first = await service.ask();
    await underStreams(service, 4, async () => {
      const { result } = host.start("switch", "do", { version: "v2", run: "v2", session: "a" });
      await until("the new name", 5000, async () => (await host.pid()) !== first.pid);
      process.kill(first.pid, "SIGSTOP"); // it has said `go` and will never hear `serving`
      const switched = await result;
      assert.equal(switched.exitCode, 0, `${switched.reason} ${switched.evidence}`);
      assert.equal(await alive(first.pid), false);
      assert.deepEqual(await service.processes(), [await host.pid()]);
    });
  }));

test("who is not of the service's user gets nothing at the socket, and neither does one who says nothing", () =>
  withPartsHost(dash, async (host) => {
    const service = await takeoverOn(host);
    await service.install("v1");
    await service.install("v2", { point: "started 2500" });
    await service.commit("v1");
    await underStreams(service, 4, async (streams) => {
      const { result } = host.start("switch", "do", { version: "v2", run: "v2", session: "a" });
      const path = join(host.state, "components/web/takeover/socket");
      await until("the socket", 5000, async () => !(await socketGone(host.state)));
      const before = streams.answers();
      assert.equal(await bytesFrom(path), 0);
      if (process.getuid?.() === 0) assert.equal(await strangerHears(host.state), "0 bytes");
      await until("answers meanwhile", 2000, async () => streams.answers() > before);
      const switched = await result;
      assert.equal(switched.exitCode, 0, `${switched.reason} ${switched.evidence}`);
    });
  }));

test("takeover refuses, before anything moves: a place that others reach, a process that knows no socket, a path that is too long", () =>
  withPartsHost(dash, async (host) => {
    const service = await takeoverOn(host);
    await service.install("v1", {
      contract: { "switch.strategy": "exec" },
      start: '#!/bin/sh\nunset CUTOVER_TAKEOVER\nexec "$CUTOVER_ROOT/current/server"\n',
    });
    await service.install("v2");
    await service.commit("v1");
    const blind = await host.task("switch", "do", { version: "v2", run: "a", session: "a" });
    assert.deepEqual([blind.reason, await host.current(), await host.trial()], ["cannot-take-over", "v1", "none"]);
    assert.match(blind.evidence, /was started without CUTOVER_TAKEOVER.*restart it once/);
    process.kill((await host.pid()) ?? 0, "SIGKILL");
    await service.install("v3");
    await service.commit("v2");
    await chmod(join(host.state, "components/web/takeover"), 0o755);
    const open = await host.task("switch", "do", { version: "v3", run: "b", session: "a" });
    assert.match(open.evidence, /takeover, where pid \d+ hands over, must belong to its user and have mode 700/);
    assert.deepEqual(await readdir(join(host.state, "components/web/takeover")), []);
    const component = "w".repeat(60);
    const contract = { manager: "process", "switch.strategy": "takeover", "switch.start": "bin/app" };
    await host.install("v1", { component, contract });
    const far = await host.task("switch", "do", { version: "v1", run: "c", component });
    assert.equal(far.reason, "cannot-take-over", far.evidence);
    assert.match(far.evidence, /\/takeover\/socket is \d+ bytes long, and a Unix socket's path has at most 107/);
  }));

/** What a client that greets nobody is sent before it is sent away. */
function bytesFrom(path: string): Promise<number> {
  return new Promise((done, failed) => {
    let size = 0;
    const socket = connect(path);
    socket.on("data", (chunk: Buffer) => {
      size += chunk.length;
    });
    socket.on("error", failed);
    socket.on("close", () => done(size));
  });
}

/** The same by another user, for whom all doors to the socket are open for the moment: that it is another one is all that keeps it out. */
async function strangerHears(state: string): Promise<string> {
  const socket = join(state, "components/web/takeover/socket");
  const doors = [
    dirname(state),
    state,
    ...["components", "components/web", "components/web/takeover"].map((path) => join(state, path)),
  ];
  await Promise.all([...doors.map((door) => chmod(door, 0o711)), chmod(socket, 0o777)]);
  try {
    return await new Promise((done, failed) => {
      const child = execFile(process.execPath, ["-e", greeting, socket], (error, said) =>
        error ? failed(error) : done(said.trim()),
      );
      child.stdin?.end();
    });
  } finally {
    await Promise.all(doors.map((door) => chmod(door, 0o700)));
  }
}
/** The hello of a new process with the right format, and how much comes back. */
const greeting = `
  const net = require("node:net");
  process.setgroups([]);
  process.setgid(65534);
  process.setuid(65534);
  const socket = net.connect(process.argv[1]);
  let size = 0;
  socket.on("connect", () => socket.write(Buffer.from(Uint32Array.of(0x63740001, 1, 0, 0).buffer)));
  socket.on("data", (chunk) => (size += chunk.length));
  socket.on("error", (error) => console.error(error.code));
  socket.on("close", () => console.log(size + " bytes"));
`;

function slowAnswer(port: number, ms: number): Promise<string> {
  return new Promise((done, failed) => {
    get({ host: "127.0.0.1", port, path: `/work?ms=${ms}`, agent: false }, (reply) => {
      let body = "";
      reply.setEncoding("utf8").on("data", (text: string) => {
        body += text;
      });
      reply.on("end", () => done(body));
    }).on("error", failed);
  });
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
