// A real RabbitMQ from Debian's packages, on loopback ports of its own and with directories of its own: unpacked, not installed.
// Its Erlang finds its parts by one directory of links, and talks to an epmd that is nobody else's.
import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { closeSync, openSync } from "node:fs";
import { mkdir, readdir, readFile, symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { debianVersions, fetchDebianPackage } from "../../src/lab/fetch-debian-package.ts";
import { freePort } from "../../src/lab/free-port.ts";

import { withTemporaryDirectory } from "./temporary-directory.ts";
import { until } from "./until.ts";
import { isAlive } from "./with-shop.ts";

const erlangParts = "base asn1 crypto eldap ftp inets mnesia os-mon parsetools public-key runtime-tools snmp ssl syntax-tools tftp tools xmerl"; // biome-ignore format: one line
const erlang = erlangParts.split(" ").map((part) => `erlang-${part}`);
const startWithinMs = 120_000;

export interface RabbitMq {
  readonly url: string;
  /** For python3: where pika is. */
  readonly pika: string;
}

export async function withRabbitMq<T>(body: (broker: RabbitMq) => Promise<T>): Promise<T> {
  const unpacked = await fetchAll([...erlang, "rabbitmq-server", "python3-pika"]);
  return withTemporaryDirectory(async (directory) => {
    const root = await layErlang(directory, unpacked);
    const ports = { epmd: await loopbackPort(), amqp: await loopbackPort(), dist: await loopbackPort() };
    const env = environment(directory, root, ports);
    for (const name of ["home", "data", "log"]) await mkdir(join(directory, name));
    await writeFile(join(directory, "plugins"), "[].\n");
    const epmd = start(join(root, "bin/epmd"), ["-port", `${ports.epmd}`, "-address", "127.0.0.1"], env, directory);
    let server: ChildProcess | undefined;
    try {
      const script = await findServer(packageOf(unpacked, "rabbitmq-server"));
      server = start("/bin/sh", [script], env, directory);
      const said = join(directory, "output");
      await until("RabbitMQ", startWithinMs, async () => {
        assert.equal(server?.exitCode, null, await readFile(said, "utf8"));
        return (await readFile(said, "utf8")).includes("Server startup complete");
      });
      return await body({
        url: `amqp://guest:guest@127.0.0.1:${ports.amqp}/`,
        pika: join(packageOf(unpacked, "python3-pika"), "usr/lib/python3/dist-packages"),
      });
    } finally {
      if (server !== undefined) await end(server);
      await end(epmd);
    }
  });
}

async function fetchAll(names: readonly string[]): Promise<ReadonlyMap<string, string>> {
  const versions = await debianVersions(names);
  const found = new Map<string, string>();
  for (const name of names) {
    const version = versions.get(name)?.[0];
    assert.ok(version, `Debian has no ${name} here: apt-cache madison ${name}`);
    found.set(name, await fetchDebianPackage({ name, version }));
  }
  return found;
}

function packageOf(unpacked: ReadonlyMap<string, string>, name: string): string {
  const path = unpacked.get(name);
  assert.ok(path);
  return path;
}

/** What lies in /usr/lib/erlang where the packages are installed; its own `erl`, since that of the package knows only that place. */
async function layErlang(directory: string, unpacked: ReadonlyMap<string, string>): Promise<string> {
  const root = join(directory, "erlang");
  for (const part of ["bin", "lib"]) await mkdir(join(root, part), { recursive: true });
  const base = join(packageOf(unpacked, "erlang-base"), "usr/lib/erlang");
  for (const name of await readdir(base))
    if (name !== "bin" && name !== "lib") await symlink(join(base, name), join(root, name));
  for (const name of await readdir(join(base, "bin")))
    if (name !== "erl") await symlink(join(base, "bin", name), join(root, "bin", name));
  for (const name of erlang) {
    const libraries = join(packageOf(unpacked, name), "usr/lib/erlang/lib");
    for (const library of await readdir(libraries)) await symlink(join(libraries, library), join(root, "lib", library));
  }
  const runtime = (await readdir(root)).find((name) => name.startsWith("erts-"));
  const lines = [
    "#!/bin/sh",
    `export ROOTDIR='${root}' BINDIR='${root}/${runtime}/bin' EMU=beam PROGNAME=erl`,
    'exec "$BINDIR/erlexec" "$@"',
  ];
  await writeFile(join(root, "bin/erl"), `${lines.join("\n")}\n`, { mode: 0o755 });
  return root;
}

function environment(
  directory: string,
  root: string,
  ports: { readonly epmd: number; readonly amqp: number; readonly dist: number },
): Record<string, string> {
  return {
    ...{ HOME: join(directory, "home"), PATH: `${root}/bin:/usr/bin:/bin`, LC_ALL: "C.UTF-8" },
    ...{ ERL_EPMD_PORT: `${ports.epmd}`, ERL_EPMD_ADDRESS: "127.0.0.1" },
    RABBITMQ_NODENAME: "rabbit@localhost",
    ...{
      RABBITMQ_NODE_PORT: `${ports.amqp}`,
      RABBITMQ_NODE_IP_ADDRESS: "127.0.0.1",
      RABBITMQ_DIST_PORT: `${ports.dist}`,
    },
    ...{ RABBITMQ_MNESIA_BASE: join(directory, "data"), RABBITMQ_LOG_BASE: join(directory, "log"), RABBITMQ_LOGS: "-" },
    RABBITMQ_ENABLED_PLUGINS_FILE: join(directory, "plugins"),
    ...{ RABBITMQ_CONFIG_FILE: join(directory, "rabbit"), RABBITMQ_CONF_ENV_FILE: join(directory, "none") },
    RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS: "+S 1:1 -kernel inet_dist_use_interface {127,0,0,1}",
    // The script becomes the server then, and its pid is the server's.
    RUNNING_UNDER_SYSTEMD: "true",
  };
}

async function findServer(unpacked: string): Promise<string> {
  const libraries = join(unpacked, "usr/lib/rabbitmq/lib");
  const name = (await readdir(libraries)).find((each) => each.startsWith("rabbitmq_server-"));
  assert.ok(name);
  return join(libraries, name, "sbin/rabbitmq-server");
}

function start(file: string, args: readonly string[], env: Record<string, string>, directory: string): ChildProcess {
  const output = openSync(join(directory, "output"), "a");
  const child = spawn(file, args, { env, cwd: directory, stdio: ["ignore", output, output] });
  closeSync(output);
  return child;
}

async function end(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.pid === undefined) return;
  const helpers = await childrenOf(child.pid);
  const ended = once(child, "exit", { signal: AbortSignal.timeout(60_000) });
  child.kill("SIGTERM");
  await ended;
  // Erlang's helpers end when they see that it is gone.
  await until("its helpers' end", 20_000, async () =>
    (await Promise.all(helpers.map(isAlive))).every((isThere) => !isThere),
  );
}

async function childrenOf(pid: number): Promise<number[]> {
  const text = await readFile(`/proc/${pid}/task/${pid}/children`, "utf8").catch(() => "");
  const children = text.trim().split(" ").filter(Boolean).map(Number);
  const below = await Promise.all(children.map(childrenOf));
  return [...children, ...below.flat()];
}

const loopbackPort = (): Promise<number> => freePort(["127.0.0.1"]);
