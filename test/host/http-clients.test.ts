// What each http client that a host may have takes for a whole page: one that broke off is none, with or without a length.
import assert from "node:assert/strict";
import { once } from "node:events";
import { existsSync } from "node:fs";
import { mkdir, readFile, rm } from "node:fs/promises";
import { createServer, type Socket } from "node:net";
import { join } from "node:path";
import { describe, test } from "node:test";
import { type PartsHost, shells, withPartsHost } from "../support/host-parts.ts";

const head = "HTTP/1.1 200 OK\r\nConnection: close\r\n";
const resets = (socket: Socket) => setTimeout(() => socket.resetAndDestroy(), 100);
const closes = (socket: Socket) => socket.end();
const long = "x".repeat(400_000);
/** By path: what is sent, how the connection ends, and whether that is the page. `bash`: where that client knows less than the others. */
const pages: Readonly<Record<string, { text: string; end: (socket: Socket) => unknown; isWhole: boolean; bash?: false }>> = {
  "/length": { text: `${head}Content-Length: 5\r\n\r\nwhole`, end: closes, isWhole: true },
  "/closed": { text: `${head}\r\nwhole`, end: closes, isWhole: true },
  "/reset": { text: `${head}\r\npart`, end: resets, isWhole: false },
  "/short": { text: `${head}Content-Length: 9\r\n\r\npart`, end: closes, isWhole: false },
  "/short-reset": { text: `${head}Content-Length: 9\r\n\r\npart`, end: resets, isWhole: false },
  "/chunks": { text: `${head}Transfer-Encoding: chunked\r\n\r\n5\r\nwhole\r\n0\r\n\r\n`, end: closes, isWhole: true, bash: false },
  "/chunks-cut": { text: `${head}Transfer-Encoding: chunked\r\n\r\n4\r\npart\r\n`, end: closes, isWhole: false },
  "/chunks-reset": { text: `${head}Transfer-Encoding: chunked\r\n\r\n4\r\npart\r\n`, end: resets, isWhole: false },
  "/too-long": { text: `${head}\r\n${long}`, end: closes, isWhole: false },
}; // biome-ignore format: a table

async function withPages<T>(port: number, body: (asked: Map<string, number>) => Promise<T>): Promise<T> {
  const asked = new Map<string, number>();
  const server = createServer((socket) => {
    socket.on("error", () => undefined);
    socket.once("data", (request) => {
      const path = request.toString("latin1").split(" ")[1] ?? "";
      asked.set(path, (asked.get(path) ?? 0) + 1);
      const page = pages[path];
      if (page === undefined) socket.destroy();
      else socket.write(page.text, () => page.end(socket));
    });
  }).listen(port, "127.0.0.1");
  await once(server, "listening");
  try {
    return await body(asked);
  } finally {
    server.close();
  }
}

async function get(host: PartsHost, client: string, path: string) {
  const directory = join(host.base, "asked");
  await rm(directory, { recursive: true, force: true });
  await mkdir(directory);
  const said = await host.word("call", "eval", `HEALTH_DIR='${directory}' HTTP_CLIENT=${client}; http_get http://127.0.0.1:${host.port}${path} 5; echo "$HTTP_STATUS"`); // biome-ignore format: one line
  const reply = await readFile(join(directory, "reply"), "utf8");
  return { status: said.stdout.trim(), reply, isWhole: !existsSync(join(directory, "cut")) };
}

for (const shell of shells) {
  const name = shell.join(" ");
  describe(name, { concurrency: 3 }, () => {
    for (const client of shell[0] === "busybox" ? ["wget"] : ["curl", "wget", "bash"])
      test(`${name}: R18: ${client} takes no page for whole whose connection broke, and asks but once`, () =>
        withPartsHost(shell, (host) =>
          withPages(host.port, async (asked) => {
            for (const [path, { isWhole, bash }] of Object.entries(pages)) {
              const got = await get(host, client, path);
              const expected = client === "bash" ? (bash ?? isWhole) : isWhole;
              assert.equal(got.isWhole, expected, `${path}: ${got.status} ${got.reply.slice(0, 100)}`);
              if (expected) assert.deepEqual([got.status, got.reply], ["200", "whole"], path);
              assert.equal(asked.get(path), 1, path);
            }
          }),
        ));
  });
}
