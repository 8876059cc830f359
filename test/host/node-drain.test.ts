// The end of a version of the Node skeleton (R23): alone it says that it is not ready and serves on meanwhile; beside a successor the address
// stays ready. Either way answers say `Connection: close`, and HTTP/2 hears GOAWAY twice: a warning, then the last stream.
import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { cp, readFile, symlink, writeFile } from "node:fs/promises";
import { Agent, get } from "node:http";
import { connect } from "node:net";
import { dirname, join } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { freePort } from "../support/host-parts.ts";
import { withTemporaryDirectory } from "../support/temporary-directory.ts";
import { until } from "../support/until.ts";

const skeleton = fileURLToPath(new URL("../../deploy/skeletons/node-cluster/", import.meta.url));

interface Running {
  readonly port: number;
  readonly http2Port: number;
  /** What the pid file names. */
  inCharge(): Promise<number>;
  /** Starts the successor as the host would, and waits until it is in charge. */
  handOver(): Promise<void>;
}

test("R23: a Node version that ends alone is not ready first, then closes what is kept", () =>
  withNodeCluster(async ({ port, http2Port, inCharge }) => {
    const agent = new Agent({ keepAlive: true, maxSockets: 1 });
    const http2 = openHttp2(http2Port);
    try {
      assert.deepEqual(await ask(port, "/ready", agent), { status: 200, connection: "keep-alive" });
      const long = ask(port, "/?ms=3000");
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

function withNodeCluster(body: (running: Running) => Promise<void>): Promise<void> {
  return withTemporaryDirectory(async (directory) => {
    const [tree, pidFile] = [join(directory, "tree"), join(directory, "pid")];
    await cp(skeleton, tree, { recursive: true });
    await writeFile(join(tree, "VERSION"), "1.0.0\n");
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
): Promise<{ status: number | undefined; connection: string | undefined }> {
  return new Promise((done, failed) => {
    get({ host: "127.0.0.1", port, path, agent: agent ?? false }, (reply) => {
      reply.resume().on("end", () => done({ status: reply.statusCode, connection: reply.headers.connection }));
    }).on("error", failed);
  });
}

interface GoAway {
  readonly lastStream: number;
  readonly error: number;
}

/** As bytes, since Node's own client hears no second GOAWAY: it closes at the first. Resolves when the server has closed. */
function openHttp2(port: number): { readonly goneAway: Promise<readonly GoAway[]>; destroy(): void } {
  const socket = connect({ host: "127.0.0.1", port });
  const chunks: Buffer[] = [];
  const closed = new Promise((done) => socket.on("close", done));
  socket.on("data", (bytes: Buffer) => chunks.push(bytes));
  socket.on("error", () => {}); // what came before it is what counts
  const emptySettings = Buffer.from([0, 0, 0, 4, 0, 0, 0, 0, 0]);
  socket.write(Buffer.concat([Buffer.from("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"), emptySettings]));
  const goneAway = closed.then(() => goAwaysIn(Buffer.concat(chunks)));
  return { goneAway, destroy: () => socket.destroy() };
}

/** RFC 9113, 4.1 and 6.8: length (3 bytes), type, flags, stream (4); of GOAWAY then the last stream and the error. */
function goAwaysIn(bytes: Buffer): GoAway[] {
  const found: GoAway[] = [];
  for (let at = 0; at + 9 <= bytes.length; at += 9 + bytes.readUIntBE(at, 3))
    if (bytes[at + 3] === 7) found.push({ lastStream: bytes.readUInt32BE(at + 9), error: bytes.readUInt32BE(at + 13) });
  return found;
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
