// An SSH server on loopback that speaks the host protocol as a broken or hostile host would: what it answers is the test's.
import assert from "node:assert/strict";
import { once } from "node:events";
import type { AddressInfo } from "node:net";
import type { Duplex } from "node:stream";
import ssh2, { type ServerChannel } from "ssh2";
import type { LinkTimes } from "../../src/adapters/ssh/connect.ts";
import { makeSshExecutor } from "../../src/adapters/ssh/ssh-executor.ts";
import type { Host } from "../../src/model/fleet.ts";
import type { ExecutorPort } from "../../src/ports.ts";

export interface Asked {
  readonly id: string;
  readonly verb: string;
  readonly channel: ServerChannel;
  /** A line of the reply: fields as they go over the wire. */
  say(...fields: readonly string[]): boolean;
  /** Calls `work` until the client is gone or it returns false; respects back-pressure, so that memory stays small. */
  flood(work: () => boolean): Promise<void>;
}
export interface HostileScript {
  /** `exec` is never answered. */
  readonly mute?: boolean;
  /** Keeps its side of the socket open whatever the client does. */
  readonly clings?: boolean;
  readonly greeting?: (name: string) => string;
  readonly answer?: (asked: Asked) => void;
}

const { Server, utils } = ssh2;
const hostKey = readableKey();
const clientKey = readableKey();

export const probeLines: readonly (readonly [string, string])[] = [
  ["mode", "user"],
  ["arch", "x86_64"],
  ["kernel", "6.1.0"],
  ["boot-id", "boot-1"],
  ["epoch", "0"],
  ["host-script", "1"],
];

/** Of the keys that ssh2 1.17.0 makes, one in some 270 is a "Malformed OpenSSH private key" to ssh2 itself. */
function readableKey(): ReturnType<typeof utils.generateKeyPairSync> {
  for (let tries = 0; tries < 10; tries += 1) {
    const pair = utils.generateKeyPairSync("ed25519");
    if (!(utils.parseKey(pair.private) instanceof Error)) return pair;
  }
  throw new Error("ssh2 makes no key that it can read");
}

/** Answers as a good host that has nothing installed. */
export function honestly({ verb, say }: Asked): void {
  if (verb === "probe") for (const [key, value] of probeLines) say("+", key, value);
  say("ok", "1", ...(verb === "events" ? ["ended"] : []));
}

/** One host a script, and an executor that knows them all; fails when the executor leaves a socket behind. */
export async function withHostileHosts(
  scripts: readonly HostileScript[],
  link: Partial<LinkTimes>,
  body: (executor: ExecutorPort, hosts: readonly Host[]) => Promise<void>,
): Promise<void> {
  const servers = await Promise.all(scripts.map((script, index) => listen(script, `host-${index + 1}`)));
  const executor = makeSshExecutor({ privateKey: Buffer.from(clientKey.private), clock: Date, link });
  try {
    await body(
      executor,
      servers.map(({ host }) => host),
    );
  } finally {
    await executor.close();
    for (const { stop } of servers) await stop();
  }
}

async function listen(script: HostileScript, name: string): Promise<{ host: Host; stop(): Promise<void> }> {
  const server = new Server({ hostKeys: [hostKey.private] }, (client) => {
    client.on("error", () => {}); // the controller hangs up: that is what is tested
    client.on("authentication", (context) => context.accept());
    client.on("ready", () =>
      client.on("session", (accept) => {
        accept().on("exec", (acceptExec) => {
          if (!script.mute) serve(acceptExec(), script, name);
        });
      }),
    );
  });
  const sockets = new Set<Duplex>();
  const inner = Reflect.get(server, "_srv");
  if (script.clings) inner.allowHalfOpen = true;
  inner.on("connection", (socket: Duplex) => {
    sockets.add(socket);
    if (script.clings) socket.end = () => socket;
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  const key = utils.parseKey(hostKey.public);
  assert.ok(!(key instanceof Error));
  const hostKeys = [`ssh-ed25519 ${key.getPublicSSH().toString("base64")}`];
  const host = { name, address: "127.0.0.1", port, user: "cutover", hostKeys, labels: {}, components: [] } as Host;
  return {
    host,
    async stop() {
      for (const socket of sockets) socket.destroy();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

function serve(channel: ServerChannel, script: HostileScript, name: string): void {
  channel.on("error", () => {});
  channel.write(script.greeting?.(name) ?? `cutover-host\t1\t${name}\tsession-1\t1\n`);
  let partial = "";
  channel.on("data", (chunk: Buffer) => {
    const lines = (partial + chunk).split("\n");
    partial = lines.pop() ?? "";
    for (const line of lines) {
      // A payload without a newline stands right before the next request.
      const [, id = "", verb = ""] = /([0-9]+)\t([a-z]+)(?:\t|$)/.exec(line) ?? [];
      if (verb === "") continue;
      const say = (...fields: readonly string[]) => channel.write(`${[id, ...fields].join("\t")}\n`);
      (script.answer ?? honestly)({ id, verb, channel, say, flood: (work) => flood(channel, work) });
    }
  });
}

async function flood(channel: ServerChannel, work: () => boolean): Promise<void> {
  const gone = new AbortController();
  channel.once("close", () => gone.abort());
  channel.once("end", () => gone.abort());
  while (!gone.signal.aborted && channel.writable) {
    if (work()) await new Promise((resolve) => setImmediate(resolve));
    else await once(channel, "drain", { signal: gone.signal }).catch(() => {});
  }
}
