// What a request of the meter says of the connection that it failed on.
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { Agent } from "node:http";
import { connect, type Socket } from "node:net";
import { test } from "node:test";
import { sendRequest } from "../../../src/lab/meter/send-request.ts";

const listener = `require("net").createServer().listen({ port: 0, host: "127.0.0.1", backlog: 1 }, function () { console.log(this.address().port) })`;

/** Connects until the queue of the listener is full. */
async function fill(port: number): Promise<Socket[]> {
  const sockets: Socket[] = [];
  for (let each = 0; each < 16; each += 1) {
    const socket = connect(port, "127.0.0.1").on("error", () => {});
    sockets.push(socket);
    const isIn = await once(socket, "connect", { signal: AbortSignal.timeout(500) }).then(
      () => true,
      () => false,
    );
    if (!isIn) return sockets;
  }
  assert.fail("a listener with a backlog of one took 16 connections");
}

test("a connection that nobody accepts until the deadline counts as not accepted; one that is accepted and never answered does not", async (context) => {
  const child = spawn(process.execPath, ["-e", listener], { stdio: ["ignore", "pipe", "inherit"] });
  const sockets: Socket[] = [];
  context.after(() => {
    for (const socket of sockets) socket.destroy();
    child.kill("SIGKILL");
  });
  const [text] = await once(child.stdout, "data");
  const port = Number(String(text));
  const ask = async () => {
    const agent = new Agent();
    const request = { address: "127.0.0.1", port, path: "/", agent, timeoutMs: 700, client: "test" };
    return (await sendRequest(request)).failure;
  };
  const accepted = await ask();
  assert.deepEqual([accepted?.reason, accepted?.unaccepted], ["timeout", false]);
  child.kill("SIGSTOP");
  sockets.push(...(await fill(port)));
  const waiting = await ask();
  assert.deepEqual([waiting?.reason, waiting?.unaccepted], ["timeout", true]);
});
