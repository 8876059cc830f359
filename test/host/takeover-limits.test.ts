// The limits of strategy takeover: many connections, strangers, old processes that die or do not end, other layouts of state, and what is refused.
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { chmod, readdir } from "node:fs/promises";
import { connect } from "node:net";
import { dirname, join } from "node:path";
import { test } from "node:test";
import { withPartsHost } from "../support/host-parts.ts";
import { underStreams } from "../support/line-streams.ts";
import { alive } from "../support/live-processes.ts";
import { takeoverOn } from "../support/takeover-host.ts";
import { until } from "../support/until.ts";

const dash = ["dash"];

test("a version that keeps another layout of state gets no connection, says so and ends; the old one serves on", () =>
  withPartsHost(dash, async (host) => {
    const service = await takeoverOn(host);
    await service.install("v1");
    await service.install("v2", { format: 2 });
    await service.commit("v1");
    const first = await service.ask();
    await underStreams(service.streamPort, 4, async () => {
      const switched = await host.task("switch", "do", { version: "v2", run: "v2", session: "a" });
      assert.match(switched.evidence, /the old one kept its connections \(does it know this format of state\?/);
      assert.equal((await host.task("switch", "undo", { version: "v2", run: "v2" })).exitCode, 0);
      assert.deepEqual([await service.ask(), await service.processes()], [first, [first.pid]]);
    });
  }));

test("an old process that dies in the middle of a takeover ends both; the way back starts the old version cold, and nothing else runs", () =>
  withPartsHost(dash, async (host) => {
    const service = await takeoverOn(host);
    await service.install("v1");
    await service.install("v2", { point: "received 1000" });
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
    await underStreams(service.streamPort, 600, async (streams) => {
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
    await service.install("v2", { contract: { "switch.stop-seconds": "1" }, point: "told 2000" });
    await service.commit("v1");
    const first = await service.ask();
    await underStreams(service.streamPort, 4, async () => {
      const { result } = host.start("switch", "do", { version: "v2", run: "v2", session: "a" });
      await until("the new name", 5000, async () => (await host.pid()) !== first.pid);
      process.kill(first.pid, "SIGSTOP"); // it has said `go` and will never hear `serving`
      const switched = await result;
      assert.equal(switched.exitCode, 0, `${switched.reason} ${switched.evidence}`);
      assert.equal(await alive(first.pid), false);
      assert.deepEqual(await service.processes(), [await host.pid()]);
    });
  }));

test("a new version that says `serving` when the old one has just lost patience is left alone: one of them serves, with all streams", () =>
  withPartsHost(dash, async (host) => {
    const service = await takeoverOn(host);
    const contract = { "switch.stop-seconds": "30", "switch.ready-seconds": "30" };
    await service.install("v1", { contract, point: "impatient 4000" });
    await service.install("v2", { contract, point: "told 4000" });
    await service.commit("v1");
    await underStreams(service.streamPort, 4, async () => {
      assert.match(await service.switchTo("v2"), /from=v1 to=v2/);
      const now = await service.ask();
      assert.deepEqual([now.version, await service.processes(), await host.pid()], ["v2", [now.pid], now.pid]);
    });
  }));

test("who is not of the service's user gets nothing at the socket, and neither does one who says nothing", () =>
  withPartsHost(dash, async (host) => {
    const service = await takeoverOn(host);
    await service.install("v1");
    await service.install("v2", { point: "started 5000", contract: { "switch.ready-seconds": "20" } });
    await service.commit("v1");
    await underStreams(service.streamPort, 4, async (streams) => {
      const { result } = host.start("switch", "do", { version: "v2", run: "v2", session: "a" });
      const path = join(host.state, "components/web/takeover/socket");
      await until("the socket", 5000, async () => await service.hasSocket());
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
