// A listener whose process is stopped: what connects waits in the kernel, and once its queue is full not even that.
import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { connect, type Socket } from "node:net";

export interface StoppableListener {
  readonly port: number;
  /** Nobody accepts from here on. */
  stop(): void;
  /** Connects until the kernel takes no notice any more. */
  fill(): Promise<void>;
}

const program = `require("node:net").createServer().listen({ port: 0, host: "127.0.0.1", backlog: 1 }, function () { console.log(this.address().port) })`;

/** Accepts, until it is stopped, and never says a word. */
export async function withStoppableListener<T>(body: (listener: StoppableListener) => Promise<T>): Promise<T> {
  const child = spawn(process.execPath, ["-e", program], { stdio: ["ignore", "pipe", "inherit"] });
  const sockets: Socket[] = [];
  try {
    const [text] = await once(child.stdout, "data");
    const port = Number(String(text));
    return await body({
      port,
      stop: () => assert.ok(child.kill("SIGSTOP")),
      fill: async () => void sockets.push(...(await fill(port))),
    });
  } finally {
    for (const socket of sockets) socket.destroy();
    await end(child);
  }
}

async function fill(port: number): Promise<Socket[]> {
  const sockets: Socket[] = [];
  for (let each = 0; each < 16; each += 1) {
    const socket = connect(port, "127.0.0.1").on("error", () => {});
    sockets.push(socket);
    await once(socket, "connect", { signal: AbortSignal.timeout(500) }).catch(() => {});
    // After a stall of this process the timer comes first, and then what the kernel has had to say all the while.
    await new Promise((done) => setTimeout(done, 1));
    if (socket.connecting) return sockets;
  }
  assert.fail("a listener with a backlog of one took 16 connections");
}

async function end(child: ChildProcess): Promise<void> {
  const gone = once(child, "exit");
  child.kill("SIGKILL");
  await gone;
}
