// What a hand took out of traffic before a release stays out after it: the tasks of deploy/components at the real HAProxy, nginx and PgBouncer.
import assert from "node:assert/strict";
import { type ChildProcess, execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { chmod, mkdir, readFile, rm, writeFile } from "node:fs/promises";
import { createServer } from "node:net";
import { join } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { freePort } from "../../src/lab/free-port.ts";
import { takeFromDebian } from "../support/debian-files.ts";
import { buildHaproxy } from "../support/fleet-trees.ts";
import { inFullForm } from "../support/full-form.ts";
import { nginxFiles, nginxSkip } from "../support/master-services.ts";
import { buildBouncer } from "../support/postgres-trees.ts";
import { withTemporaryDirectory } from "../support/temporary-directory.ts";
import { until } from "../support/until.ts";

const options = { skip: nginxSkip, timeout: 1_200_000 };
const components = fileURLToPath(new URL("../../deploy/components/", import.meta.url));
const program = promisify(execFile);

interface Pool {
  /** Runs the task about w1 in a run of that name; prints what it said. */
  task(action: "do" | "undo", run: string): Promise<string>;
  /** What a commit does to the directory of a run that ended some time ago. */
  forget(run: string): Promise<void>;
}

function poolOf(directory: string, script: string, env: Readonly<Record<string, string>>): Pool {
  return {
    async task(action, run) {
      const state = join(directory, "tasks", run, "pool.w1");
      await mkdir(state, { recursive: true });
      const said = { CUTOVER_ACTION: action, CUTOVER_STATE: state, CUTOVER_TARGET_HOST: "w1", CUTOVER_TARGET_ADDRESS: "127.0.1.1" }; // biome-ignore format: one line
      const path = `${process.env.PATH}:/usr/sbin:/sbin`;
      return (await program(join(components, script), { env: { PATH: path, ...env, ...said } })).stdout.trim();
    },
    forget: (run) => rm(join(directory, "tasks", run), { recursive: true }),
  };
}

/** A run takes the host out and dies, and is forgotten before another one comes; one more finds its own note when all is over. */
async function diesAndReturns(pool: Pool): Promise<void> {
  await pool.task("do", "died");
  await pool.forget("died");
  await pool.task("do", "late");
  await pool.task("do", "next");
  await pool.task("undo", "next");
  await pool.task("undo", "late");
}

async function withServer(child: ChildProcess, body: () => Promise<void>): Promise<void> {
  const ended = once(child, "exit");
  try {
    await body();
  } finally {
    child.kill("SIGTERM");
    await ended;
  }
}

/** Something accepts there, and answers as `answer` says. */
async function withBackends(port: number, answer: string, body: () => Promise<void>): Promise<void> {
  const servers = ["127.0.1.1", "127.0.1.2"].map(
    (host) =>
    createServer((socket) => socket.on("error", () => undefined).once("data", () => socket.end(answer))).listen(port, host), // biome-ignore format: one line
  );
  await Promise.all(servers.map((server) => once(server, "listening")));
  try {
    await body();
  } finally {
    for (const server of servers) server.close();
  }
}

test(
  "HAProxy: maintenance and drain made by a hand before the release are there after it, also when back is done twice; what was in traffic is in traffic",
  options,
  () =>
    withTemporaryDirectory(async (directory) => {
      const port = await freePort(["127.0.0.1", "127.0.1.1", "127.0.1.2"]);
      await buildHaproxy(directory);
      const socket = join(directory, "admin.sock");
      const servers = (names: readonly string[]) => names.map((name, index) => `  server ${name} 127.0.1.${index + 1}:${port} check inter 50ms fall 1 rise 1\n`).join(""); // biome-ignore format: one line
      const backends = ["one", "two", "three"].map((name) => `backend ${name}\n${servers(["w1", "w2"])}`);
      const config = `global\n  stats socket ${socket} mode 600 level admin\ndefaults\n  mode http\n  timeout connect 1s\n  timeout client 5s\n  timeout server 5s\nlisten front\n  bind 127.0.0.1:${port}\n  default_backend one\n${backends.join("")}`;
      await writeFile(join(directory, "haproxy.cfg"), config);
      const ask = async (command: string): Promise<string> =>
      (await program("perl", ["-MIO::Socket::UNIX", "-e", 'my $to = IO::Socket::UNIX->new(Peer => $ARGV[0]) or die $!; print $to "$ARGV[1]\\n"; $to->shutdown(1); print while <$to>', socket, command])).stdout; // biome-ignore format: one line
      const statuses = async (): Promise<string> => {
        const rows = (await ask("show stat")).split("\n").map((line) => line.split(","));
        return rows.flatMap((row) => (row[1] === "w1" ? `${row[0]} ${row[17]}` : [])).join(", ");
      };
      const pool = poolOf(directory, "haproxy-pool/tasks/pool", { HAPROXY_SOCKET: socket, HAPROXY_UP_SECONDS: "60" });
      await withBackends(port, "HTTP/1.0 200 OK\r\n\r\n", () =>
        withServer(
          spawn(join(directory, "bin/haproxy"), ["-db", "-f", join(directory, "haproxy.cfg")], {
            env: { LD_LIBRARY_PATH: join(directory, "lib") },
            stdio: "ignore",
          }),
          async () => {
            await until("its checks", 10_000, () => statuses().then((all) => all === "one UP, two UP, three UP", () => false)); // biome-ignore format: one line
            await ask("set server one/w1 state maint");
            await ask("set server two/w1 state drain");
            const found = "one MAINT, two DRAIN, three UP";
            for (const run of ["r1", "r2"]) {
              await pool.task("do", run);
              await pool.task("do", run);
              assert.equal(await statuses(), "one MAINT, two MAINT, three MAINT");
              assert.match(await pool.task("undo", run), /w1 is back in three\/w1 .*; as it was found before: one\/w1 maint, two\/w1 drain/); // biome-ignore format: one line
              assert.equal(await statuses(), found);
              await pool.task("undo", run);
              assert.equal(await statuses(), found);
            }
            await ask("set server one/w1 state ready");
            await pool.task("do", "r2");
            await pool.task("undo", "r2");
            assert.equal(
              await statuses(),
              "one UP, two DRAIN, three UP",
              "taken out again in the same run: as it is now",
            );
            await diesAndReturns(pool);
            assert.equal(await statuses(), "one UP, two DRAIN, three UP", "what an earlier run left out is no hand's");
            await pool.task("undo", "by-hand");
            await until(
              "an undo by hand to put all of it back",
              5000,
              async () => (await statuses()) === "one UP, two UP, three UP",
            );
          },
        ),
      );
    }),
);

inFullForm("nginx: a server that was down before the release is down after it", options, () =>
  withTemporaryDirectory(async (directory) => {
    const port = await freePort(["127.0.0.1", "127.0.1.1", "127.0.1.2"]);
    await takeFromDebian(nginxFiles, directory);
    const file = join(directory, "web.conf");
    const servers = (word: string) =>
      `server 127.0.1.1:${port}${word}; # w1\nserver 127.0.1.1:81; # w1\nserver 127.0.1.2:${port}; # w2\n`;
    await writeFile(file, servers(" down"));
    const temporary = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"].map((name) => `${name}_temp_path ${directory}/${name};`); // biome-ignore format: one line
    await writeFile(
      join(directory, "nginx.cfg"),
      `daemon off;\npid ${directory}/pid;\nerror_log stderr;\nuser root;\nevents { }\nhttp { access_log off; ${temporary.join(" ")} upstream web { include ${file}; }\nserver { listen 127.0.0.1:${port}; location / { proxy_pass http://web; } } }\n`,
    );
    const pool = poolOf(directory, "nginx-pool/tasks/pool", { NGINX_POOL: directory, NGINX_PID: `${directory}/pid` });
    const nginx = ["-p", directory, "-e", "stderr", "-c", join(directory, "nginx.cfg")];
    await withServer(spawn(join(directory, "bin/nginx"), nginx, { stdio: "ignore" }), async () => {
      await until("its pid file", 10_000, () => readFile(join(directory, "pid"), "utf8").then((text) => text !== "", () => false)); // biome-ignore format: one line
      for (const action of ["do", "do", "undo", "undo"] as const) {
        const said = await pool.task(action, "r1");
        const text = await readFile(file, "utf8");
        if (action === "do") assert.match(text, /81 down; # w1\n/);
        else assert.equal(text, servers(" down"));
        if (action === "undo") assert.match(said, new RegExp(`down before, and still: web.conf 127.0.1.1:${port}$`));
      }
      await diesAndReturns(pool);
      assert.equal(await readFile(file, "utf8"), servers(" down"), "what an earlier run left out is no hand's");
      await pool.task("undo", "by-hand");
      assert.equal(await readFile(file, "utf8"), servers(""));
    });
  }),
);

inFullForm(
  "PgBouncer: a database that a hand paused before the release is paused after it",
  {
    ...options,
    skip: options.skip || (process.getuid?.() !== 0 && "PgBouncer runs as another user than the one that starts it"),
  },
  () =>
    withTemporaryDirectory(async (directory) => {
      const port = await freePort(["127.0.0.1", "127.0.1.1", "127.0.1.2"]);
      await chmod(directory, 0o777);
      await buildBouncer(directory);
      const database = (name: string) => `${name} = host=127.0.1.1 port=${port} dbname=app\n`;
      const config = `[databases]\n${["app", "billing"].map(database).join("")}[pgbouncer]\nlisten_addr = 127.0.0.1\nlisten_port = ${port}\nunix_socket_dir = ${directory}\nauth_type = any\npool_mode = transaction\n`;
      await writeFile(join(directory, "found.ini"), config);
      const socket = `${directory}/.s.PGSQL.${port}`;
      const pool = poolOf(directory, "pgbouncer/tasks/hold", { PGBOUNCER_SOCKET: socket, PGBOUNCER_UP_SECONDS: "60" });
      const noSuchUser = "E\0\0\0\x1cSFATAL\0C28000\0Mno user\0\0";
      await withBackends(port, noSuchUser, () =>
        withServer(
          spawn(join(directory, "bin/pgbouncer"), [join(directory, "found.ini")], {
            env: { LD_LIBRARY_PATH: join(directory, "lib") },
            stdio: "ignore",
            uid: 65_534,
            gid: 65_534,
          }),
          async () => {
            await until("its console", 10_000, () => pool.task("do", "hand").then(() => true, () => false)); // biome-ignore format: one line
            await pool.task("undo", "hand");
            await consoleSays(socket, "PAUSE billing");
            for (const action of ["do", "do", "undo", "undo"] as const) {
              const said = await pool.task(action, "r1");
              const paused = await consoleSays(socket, "SHOW DATABASES");
              assert.deepEqual([paused.get("app"), paused.get("billing")], [action === "do" ? "1" : "0", "1"], action);
              if (action === "undo") assert.match(said, /serves app again, .*; paused before, and still: billing$/);
            }
            await diesAndReturns(pool);
            const left = await consoleSays(socket, "SHOW DATABASES");
            assert.deepEqual(
              [left.get("app"), left.get("billing")],
              ["0", "1"],
              "what an earlier run left held is no hand's",
            );
            await pool.task("undo", "by-hand");
            assert.equal((await consoleSays(socket, "SHOW DATABASES")).get("billing"), "0");
          },
        ),
      );
    }),
);

/** What PgBouncer's console answers: database → `paused`. */
async function consoleSays(socket: string, command: string): Promise<ReadonlyMap<string, string>> {
  const text = await readFile(join(components, "pgbouncer/tasks/hold"), "utf8");
  const asks = `${text.slice(0, text.lastIndexOf("\nif (("))}\nprint "$_->{name} $_->{paused}\\n" for ask(console(), $ARGV[0]);\n`;
  const env = { CUTOVER_STATE: "/", CUTOVER_TARGET_HOST: "w1", CUTOVER_TARGET_ADDRESS: "-", PGBOUNCER_SOCKET: socket };
  const { stdout } = await program("perl", ["-e", asks, command], { env: { PATH: process.env.PATH, ...env } });
  return new Map(stdout.split("\n").map((line) => line.split(" ") as [string, string]));
}
