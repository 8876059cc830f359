// A real Redis from Debian's packages, on a loopback port of its own: unpacked, not installed.
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdir, readdir, symlink } from "node:fs/promises";
import { connect } from "node:net";
import { join } from "node:path";
import { debianVersions, fetchDebianPackage } from "../../src/lab/fetch-debian-package.ts";
import { freePort } from "../../src/lab/free-port.ts";
import { withTemporaryDirectory } from "./temporary-directory.ts";
import { until } from "./until.ts";

const libraries = ["libatomic1", "libjemalloc2", "liblzf1"];

export async function withRedis<T>(body: (port: number) => Promise<T>): Promise<T> {
  const versions = await debianVersions(["redis-tools", ...libraries]);
  const unpack = (name: string) => fetchDebianPackage({ name, version: versions.get(name)?.[0] ?? "none" });
  const tools = await unpack("redis-tools");
  const beside = await Promise.all(libraries.map(unpack));
  return withTemporaryDirectory(async (directory) => {
    const lib = join(directory, "lib");
    await mkdir(lib);
    for (const unpacked of beside) await linkLibraries(unpacked, lib);
    // One program under several names: it is the server when it is called so.
    await symlink(join(tools, "usr/bin/redis-check-rdb"), join(directory, "redis-server"));
    const port = await freePort(["127.0.0.1"]);
    const args = ["--port", `${port}`, "--bind", "127.0.0.1", "--dir", directory, "--save", ""];
    const env = { PATH: "/usr/bin:/bin", LD_LIBRARY_PATH: lib };
    const server = spawn(join(directory, "redis-server"), args, { env, cwd: directory, stdio: "ignore" });
    const ended = once(server, "exit");
    try {
      await until("Redis", 20_000, async () => {
        assert.equal(server.exitCode, null, "Redis has ended");
        return answers(port);
      });
      return await body(port);
    } finally {
      server.kill("SIGTERM");
      await ended;
    }
  });
}

async function linkLibraries(unpacked: string, lib: string): Promise<void> {
  for (const place of await readdir(join(unpacked, "usr/lib"), { withFileTypes: true })) {
    const from = join(unpacked, "usr/lib", place.name);
    for (const name of place.isDirectory() ? await readdir(from) : [])
      if (name.includes(".so.")) await symlink(join(from, name), join(lib, name));
  }
}

function answers(port: number): Promise<boolean> {
  return new Promise((done) => {
    const socket = connect(port, "127.0.0.1", () => socket.write("PING\r\n"));
    socket.once("data", (data) => {
      socket.destroy();
      done(data.toString().startsWith("+PONG"));
    });
    socket.once("error", () => done(false));
  });
}
