// The end of a version of the Node skeleton (R23): alone it says that it is not ready and serves on meanwhile; beside a successor the address
// stays ready. Either way answers say `Connection: close`, and HTTP/2 hears GOAWAY twice: a warning, then the last stream; neither
// costs a request that is on the way, nor one on a connection that was accepted at that moment.
import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { readFile, symlink, writeFile } from "node:fs/promises";
import { Agent, get } from "node:http";
import { connect } from "node:net";
import { dirname, join } from "node:path";
import { describe, test } from "node:test";
import { freePort } from "../support/host-parts.ts";
import { layNodeTree, standsStill, withNodeWorker } from "../support/node-worker.ts";
import { withTemporaryDirectory } from "../support/temporary-directory.ts";
import { until } from "../support/until.ts";

interface Running {
  readonly port: number;
  readonly http2Port: number;
  /** What the pid file names. */
  inCharge(): Promise<number>;
  /** Starts the successor as the host would, and waits until it is in charge. */
  handOver(): Promise<void>;
}

describe("the end of a Node version", { concurrency: true }, () => {
  test("R23: a Node version that ends alone is not ready first, then closes what is kept", () =>
    withNodeCluster(async ({ port, http2Port, inCharge }) => {
      const agent = new Agent({ keepAlive: true, maxSockets: 1 });
      const http2 = openHttp2(http2Port);
      try {
        assert.deepEqual(await ask(port, "/ready", agent), { status: 200, connection: "keep-alive" });
        const long = ask(port, "/?ms=8000");
        const pid = await inCharge();
        process.kill(pid, "SIGTERM");
        await until("not ready", 10_000, async () => (await ask(port, "/ready", agent)).status === 503);
        assert.deepEqual(await ask(port, "/", agent), { status: 200, connection: "keep-alive" });
        assert.deepEqual(await long, { status: 200, connection: "close" });
        const [warned, ...after] = await http2.goneAway;
        assert.deepEqual(warned, { lastStream: 2 ** 31 - 1, error: 0 });
        assert.deepEqual(after.at(-1), { lastStream: 0, error: 0 });
        await until("the end", 20_000, async () => !isAlive(pid));
      } finally {
        agent.destroy();
        http2.destroy();
      }
    }));

  test("R23: while a Node version ends beside its successor, its address stays ready for who asks on a kept connection", () =>
    withNodeCluster(async ({ port, inCharge, handOver }) => {
      const agent = new Agent({ keepAlive: true, maxSockets: 1 });
      try {
        const old = await inCharge();
        assert.deepEqual(await ask(port, "/ready", agent), { status: 200, connection: "keep-alive" });
        await handOver();
        process.kill(old, "SIGTERM");
        let reply = await ask(port, "/ready", agent);
        await until("the old version's last answer", 10_000, async () => {
          assert.equal(reply.status, 200);
          if (reply.connection === "close") return true;
          reply = await ask(port, "/ready", agent);
          return false;
        });
        await until("the end", 20_000, async () => !isAlive(old));
        assert.equal((await ask(port, "/ready")).status, 200);
      } finally {
        agent.destroy();
      }
    }));

  test("R23: a connection that a Node version accepts at the moment of its drain hears SETTINGS first, and what crosses the warning is answered", () =>
    withNodeWorker(async ({ worker, http2Port }) => {
      const silent = openHttp2(http2Port, { acknowledges: false });
      await until("SETTINGS for who is silent", 10_000, async () => silent.frames.length > 0);
      worker.kill("SIGSTOP");
      await until("a standstill", 10_000, async () => / T /.test(await readFile(`/proc/${worker.pid}/stat`, "utf8")));
      // Both wait for the worker now, the connection first: it makes a session of it and drains in the same turn.
      const fresh = openHttp2(http2Port);
      try {
        await fresh.connected;
        fresh.ask(1);
        await new Promise((done) => worker.send({ drain: true, handedOver: true }, done));
        worker.kill("SIGCONT");
        await until("the warning", 10_000, async () => goAwaysIn(fresh.frames).length > 0);
        fresh.ask(3); // as who has not read the warning yet
        await until("the end", 20_000, async () => worker.exitCode !== null || worker.signalCode !== null);

        assert.equal(worker.exitCode, 0);
        const [warned, ...after] = await fresh.goneAway; // Node repeats the last
        assert.deepEqual(warned, { lastStream: 2 ** 31 - 1, error: 0 });
        assert.deepEqual(after.at(-1), { lastStream: 3, error: 0 });
        const [first] = fresh.frames;
        assert.deepEqual([first?.type, first?.flags], [SETTINGS, 0]);
        const answers = fresh.frames.filter(({ type }) => type === HEADERS);
        assert.deepEqual(
          answers.map(({ stream, payload }) => [stream, payload[0]]),
          [1, 3].map((stream) => [stream, STATUS_200]),
        );
        assert.deepEqual((await silent.goneAway).at(0), { lastStream: 0, error: 0 });
      } finally {
        worker.kill("SIGCONT");
        fresh.destroy();
        silent.destroy();
      }
    }));

  test("R23: a worker that stands still in its drain answers what came meanwhile on a kept connection", () =>
    withNodeWorker(async ({ worker, port, tree }) => {
      const agent = new Agent({ keepAlive: true, maxSockets: 1 });
      try {
        assert.deepEqual(await ask(port, "/", agent), { status: 200, connection: "keep-alive" });
        worker.send({ drain: true, handedOver: true });
        await until("a standstill", 20_000, async () => existsSync(join(tree, "stands")));
        let answer: ReturnType<typeof ask> | undefined;
        await new Promise<void>((onSent) => {
          answer = ask(port, "/", agent, onSent);
        });
        await writeFile(join(tree, "go"), "");
        assert.deepEqual(await answer, { status: 200, connection: "close" });
      } finally {
        agent.destroy();
      }
    }, standsStill));
});

function withNodeCluster(body: (running: Running) => Promise<void>): Promise<void> {
  return withTemporaryDirectory(async (directory) => {
    const [tree, pidFile] = [join(directory, "tree"), join(directory, "pid")];
    await layNodeTree(tree);
    await symlink(tree, join(directory, "current"));
    const [port, http2Port] = [await freePort(), await freePort()];
    const start = join(directory, "current/bin/start");
    const env = {
      ...{ PATH: `${dirname(process.execPath)}:${process.env.PATH}`, PORT: `${port}`, HTTP2_PORT: `${http2Port}` },
      ...{ CUTOVER_ROOT: directory, CUTOVER_START: start, CUTOVER_PID_FILE: pidFile },
    };
    const binder: ChildProcess = spawn(start, { stdio: ["ignore", "ignore", "inherit"], env });
    const inCharge = async () => Number(await readFile(pidFile, "utf8").catch(() => "0"));
    const started: number[] = [];
    const nextInCharge = async (): Promise<void> => {
      await until("a version in charge", 20_000, async () => ![0, ...started].includes(await inCharge()));
      started.push(await inCharge());
    };
    try {
      await nextInCharge();
      const handOver = async () => {
        process.kill(await inCharge(), "SIGUSR2");
        await nextInCharge();
      };
      await body({ port, http2Port, inCharge, handOver });
    } finally {
      binder.kill("SIGKILL");
      for (const pid of started) if (isAlive(pid)) process.kill(pid, "SIGKILL"); // its workers end with it
      await until("nobody on the port", 30_000, () => isRefused(port));
    }
  });
}

function ask(
  port: number,
  path: string,
  agent?: Agent,
  onSent: () => void = () => {},
): Promise<{ status: number | undefined; connection: string | undefined }> {
  return new Promise((done, failed) => {
    get({ host: "127.0.0.1", port, path, agent: agent ?? false }, (reply) => {
      reply.resume().on("end", () => done({ status: reply.statusCode, connection: reply.headers.connection }));
    })
      .on("finish", onSent)
      .on("error", failed);
  });
}

interface GoAway {
  readonly lastStream: number;
  readonly error: number;
}

/** RFC 9113, 4.1 and 6. */
interface Frame {
  readonly type: number;
  readonly flags: number;
  readonly stream: number;
  readonly payload: Buffer;
}
const [HEADERS, SETTINGS, GOAWAY] = [1, 4, 7];
/** The first byte of an answer's headers (RFC 7541, appendix A). */
const STATUS_200 = 0x88;

interface Http2Client {
  readonly connected: Promise<unknown>;
  readonly frames: readonly Frame[];
  /** Resolves when the server has closed. */
  readonly goneAway: Promise<readonly GoAway[]>;
  /** GET / */
  ask(stream: number): void;
  destroy(): void;
}

/** As bytes, since Node's own client hears no second GOAWAY: it closes at the first. */
function openHttp2(port: number, { acknowledges = true } = {}): Http2Client {
  const socket = connect({ host: "127.0.0.1", port });
  const frames: Frame[] = [];
  let bytes = Buffer.alloc(0);
  socket.on("error", () => {}); // what came before it is what counts
  socket.on("data", (chunk: Buffer) => {
    bytes = Buffer.concat([bytes, chunk]);
    for (;;) {
      const end = bytes.length < 9 ? Number.POSITIVE_INFINITY : 9 + bytes.readUIntBE(0, 3);
      if (bytes.length < end) return;
      const [type, flags] = [bytes.readUInt8(3), bytes.readUInt8(4)];
      frames.push({ type, flags, stream: bytes.readUInt32BE(5), payload: bytes.subarray(9, end) });
      bytes = bytes.subarray(end);
      if (type === SETTINGS && flags === 0 && acknowledges) socket.write(frameOf(SETTINGS, 1, 0));
    }
  });
  socket.write(Buffer.concat([Buffer.from("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"), frameOf(SETTINGS, 0, 0)]));
  return {
    connected: new Promise((done) => socket.on("connect", done)),
    frames,
    goneAway: new Promise((done) => socket.on("close", () => done(goAwaysIn(frames)))),
    // END_HEADERS and END_STREAM; GET, http and / stand in the table, ":authority" does and its "a" does not.
    ask: (stream) => socket.write(frameOf(HEADERS, 5, stream, [0x82, 0x86, 0x84, 0x41, 1, "a".charCodeAt(0)])),
    destroy: () => socket.destroy(),
  };
}

function frameOf(type: number, flags: number, stream: number, payload: readonly number[] = []): Buffer {
  return Buffer.from([0, 0, payload.length, type, flags, 0, 0, 0, stream, ...payload]);
}

function goAwaysIn(frames: readonly Frame[]): GoAway[] {
  return frames
    .filter(({ type }) => type === GOAWAY)
    .map(({ payload }) => ({ lastStream: payload.readUInt32BE(0), error: payload.readUInt32BE(4) }));
}

async function isRefused(port: number): Promise<boolean> {
  return ask(port, "/").then(
    () => false,
    (error: NodeJS.ErrnoException) => error.code === "ECONNREFUSED",
  );
}

function isAlive(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
}
