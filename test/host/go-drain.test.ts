// The end of a process of the Go skeleton (R23): readiness first, then each client is told to go elsewhere, and nobody is cut off who had asked or was about to.
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { readdir, readFile, readlink } from "node:fs/promises";
import { Agent, get } from "node:http";
import { connect as connectHttp2 } from "node:http2";
import { connect, type Socket } from "node:net";
import { join } from "node:path";
import { test } from "node:test";
import { setTimeout as delay } from "node:timers/promises";
import { buildGo } from "../support/build-skeleton.ts";
import { freePort } from "../support/host-parts.ts";
import { withTemporaryDirectory } from "../support/temporary-directory.ts";
import { until } from "../support/until.ts";

interface Reply {
  readonly status: number | undefined;
  readonly connection: string | undefined;
  readonly body: string;
}

test("R23: SIGTERM turns readiness off, answers what was asked or is about to be, with Connection: close and GOAWAY, and ends", () =>
  withTemporaryDirectory(async (directory) => {
    const [port, tlsPort] = [await freePort(), await freePort()];
    const pidFile = join(directory, "pid");
    const service = spawn(await buildGo(), {
      stdio: ["ignore", "ignore", "inherit"],
      env: {
        ...{ PORT: `${port}`, TLS_PORT: `${tlsPort}`, CUTOVER_ADDRESS: "127.0.0.1", CUTOVER_PID_FILE: pidFile },
        DRAIN_SECONDS: "1",
      },
    });
    const ended = new Promise<number | null>((done) => service.on("exit", (code) => done(code)));
    try {
      await until("the service", 10_000, async () => (await readFile(pidFile, "utf8").catch(() => "")) !== "");
      const agent = new Agent({ keepAlive: true, maxSockets: 1 });
      assert.equal((await ask(port, "/ready", agent)).status, 200);
      const fresh = await open(port);
      const session = connectHttp2(`https://127.0.0.1:${tlsPort}`, { rejectUnauthorized: false });
      assert.equal(await stream(session, "/ready"), 200);
      const goneAway = new Promise<number>((done) => session.on("goaway", (code) => done(code)));
      const long = ask(port, "/work?ms=5000");
      // Two listeners and four clients: whom it has not accepted yet it refuses.
      await until("all to be accepted", 5000, async () => (await socketsOf(service.pid)) === 6);

      service.kill("SIGTERM");
      await until("closed listeners", 2000, () => isRefused(port));
      const unready = await ask(port, "/ready", agent);
      assert.deepEqual([unready.status, unready.connection], [503, "close"]);
      assert.equal(await stream(session, "/"), 200);
      assert.equal(await goneAway, 0);
      await delay(1500); // idle clients' time is over
      const late = new Promise<string>((done, failed) => {
        fresh.once("data", (bytes: Buffer) => done(bytes.toString()));
        fresh.once("close", () => failed(new Error("closed without an answer")));
      });
      fresh.write("GET / HTTP/1.1\r\nHost: late\r\n\r\n");
      assert.match(await late, /^HTTP\/1\.1 200 OK\r\n(?:.*\r\n)*Connection: close\r\n/);
      const { status, body } = await long;
      assert.equal(status, 200);
      assert.match(body, /^go \S+ pid \d+ sum [0-9a-f]{8}\n$/);
      assert.equal(await ended, 0);
      session.destroy();
      agent.destroy();
    } finally {
      service.kill("SIGKILL");
      await ended;
    }
  }));

test("R23: beside a successor a Go version that ends says that the address is ready, on kept connections too", () =>
  withTemporaryDirectory(async (directory) => {
    const port = await freePort();
    const pidFile = join(directory, "pid");
    const program = await buildGo();
    const service = spawn(program, {
      stdio: ["ignore", "ignore", "inherit"],
      env: { PORT: `${port}`, CUTOVER_ADDRESS: "127.0.0.1", CUTOVER_PID_FILE: pidFile, CUTOVER_START: program },
    });
    const ended = new Promise<number | null>((done) => service.on("exit", (code) => done(code)));
    const inCharge = async () => Number(await readFile(pidFile, "utf8").catch(() => "0"));
    const agent = new Agent({ keepAlive: true, maxSockets: 1 });
    try {
      await until("the service", 10_000, async () => (await inCharge()) === service.pid);
      assert.equal((await ask(port, "/ready", agent)).status, 200);
      service.kill("SIGUSR2");
      await until("its successor", 10_000, async () => (await inCharge()) !== service.pid);
      service.kill("SIGTERM");
      let reply = await ask(port, "/ready", agent);
      await until("its last answer", 10_000, async () => {
        assert.equal(reply.status, 200);
        if (reply.connection === "close") return true;
        reply = await ask(port, "/ready", agent);
        return false;
      });
      assert.equal(await ended, 0);
      assert.equal((await ask(port, "/ready")).status, 200);
    } finally {
      agent.destroy();
      const successor = await inCharge();
      service.kill("SIGKILL");
      if (successor > 0 && successor !== service.pid) process.kill(successor, "SIGKILL");
      await until("nobody on the port", 10_000, () => isRefused(port));
    }
  }));

function ask(port: number, path: string, agent?: Agent): Promise<Reply> {
  return new Promise((done, failed) => {
    get({ host: "127.0.0.1", port, path, agent: agent ?? false }, (reply) => {
      let body = "";
      reply.setEncoding("utf8").on("data", (text: string) => {
        body += text;
      });
      reply.on("end", () => done({ status: reply.statusCode, connection: reply.headers.connection, body }));
    }).on("error", failed);
  });
}

async function socketsOf(pid: number | undefined): Promise<number> {
  const files = (await readdir(`/proc/${pid}/fd`)).filter((file) => Number(file) > 2);
  const links = await Promise.all(files.map((file) => readlink(`/proc/${pid}/fd/${file}`).catch(() => "")));
  return links.filter((link) => link.startsWith("socket:")).length;
}

function open(port: number): Promise<Socket> {
  return new Promise((done, failed) => {
    const socket = connect({ host: "127.0.0.1", port });
    socket.on("connect", () => done(socket)).on("error", failed);
  });
}

async function isRefused(port: number): Promise<boolean> {
  const socket = await open(port).catch(() => undefined);
  socket?.destroy();
  return socket === undefined;
}

function stream(session: ReturnType<typeof connectHttp2>, path: string): Promise<number> {
  return new Promise((done, failed) => {
    const request = session.request({ ":path": path });
    request.on("response", (headers) => done(Number(headers[":status"])));
    request.on("error", failed);
    request.resume();
  });
}
