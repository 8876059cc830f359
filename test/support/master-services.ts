// Servers whose master starts its successor on USR2: the real nginx and the real gunicorn, as versions of a parts host.

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { readdirSync } from "node:fs";
import { mkdir, readdir, readFile, readlink, rm } from "node:fs/promises";
import { join } from "node:path";
import { ask } from "./asking-clients.ts";
import { type DebianFiles, takeFromDebian } from "./debian-files.ts";
import { haproxyFiles } from "./fleet-trees.ts";
import type { PartsHost } from "./host-parts.ts";
import { alive, linkOf, textOf } from "./live-processes.ts";
import { skipReason } from "./skip-reason.ts";
import { until } from "./until.ts";

/** The packages are those of this very Debian, and run on this machine. */
export const nginxSkip = skipReason({ programs: ["apt-get", "dpkg-deb"], debian12: true });

const contract = {
  manager: "process",
  "switch.strategy": "signal",
  "switch.start": "bin/start",
  "switch.upgrade-signal": "USR2",
  "switch.wind-down-signal": "WINCH",
  "switch.stop-signal": "QUIT",
  "switch.ready-seconds": "10",
  "switch.stop-seconds": "5",
};

export const nginxFiles: DebianFiles = { nginx: { "usr/sbin/nginx": "bin/nginx" } };
export const gunicornFiles: DebianFiles = {
  "python3-gunicorn": { "usr/lib/python3/dist-packages/gunicorn": "lib/gunicorn/" },
};

/** What tells one version of nginx from another; `main` stands at the top of its configuration. */
export interface NginxVersion {
  readonly main?: string;
  /** Takes the place of the program. */
  readonly program?: string;
  readonly daemon?: "on" | "off";
  readonly contract?: Readonly<Record<string, string>>;
}

export async function installNginx(host: PartsHost, version: string, what: NginxVersion = {}): Promise<void> {
  const scratch = join(host.base, "scratch");
  await mkdir(scratch, { recursive: true });
  const temporary = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"].map(
    (name) => `${name}_temp_path ${scratch}/${name};`,
  );
  const conf = `${what.main ?? ""}
worker_processes 2;
error_log stderr notice;
events { worker_connections 256; }
http {
  access_log off;
  ${temporary.join(" ")}
  server {
    listen 127.0.0.1:${host.port};
    location / { return 200 "${version}\\n"; }
    location /slow { limit_rate 1k; return 200 "${version} ${"slow ".repeat(400)}\\n"; }
  }
}
`;
  const start = `#!/bin/sh
# The pid file says when it serves; without daemon this shell becomes the master.
set -- "$CUTOVER_ROOT/current/bin/nginx" -e stderr -p "$CUTOVER_ROOT/current" -c "$CUTOVER_ROOT/current/nginx.conf"
${what.daemon === "off" ? 'exec "$@" -g "pid $CUTOVER_PID_FILE; daemon off;"' : '"$@" -g "pid $CUTOVER_PID_FILE;" || exit'}
until [ -s "$CUTOVER_PID_FILE" ]; do sleep 0.02; done
`;
  const tree: Record<string, string> = { "bin/start": start, "nginx.conf": conf };
  if (what.program !== undefined) tree["bin/nginx"] = what.program;
  await host.install(version, { contract: { ...contract, ...what.contract }, tree });
  if (what.program !== undefined) return;
  await takeFromDebian(nginxFiles, join(host.base, "web/versions", version));
}

export async function installGunicorn(
  host: PartsHost,
  version: string,
  app = "",
  other: Readonly<Record<string, string>> = {},
  flags = "",
): Promise<void> {
  await host.install(version, {
    contract: { ...contract, "switch.stop-signal": "TERM", ...other },
    tree: {
      "bin/start": `#!/bin/sh
"$CUTOVER_ROOT/current/bin/gunicorn" --daemon --enable-stdio-inheritance --pid "$CUTOVER_PID_FILE" --bind 127.0.0.1:${host.port} \\
	--workers 2 --worker-tmp-dir "${host.base}" ${flags} app:serve || exit
until [ -s "$CUTOVER_PID_FILE" ]; do sleep 0.05; done
`,
      "bin/gunicorn": `#!/usr/bin/python3
# A process keeps to the version that it was started from, whatever \`current\` names later.
import os
import sys

here = os.path.dirname(os.path.dirname(os.path.realpath(__file__)))
os.chdir(here)
sys.dont_write_bytecode = True
sys.path[0:1] = [here, os.path.join(here, "lib")]
from gunicorn.app.wsgiapp import run

run()
`,
      "app.py": `${app}
def serve(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [b"${version}\\n"]
`,
    },
  });
  await takeFromDebian(gunicornFiles, join(host.base, "web/versions", version));
}

export interface HaproxyVersion {
  /** Stands at the top of its configuration. */
  readonly main?: string;
  readonly contract?: Readonly<Record<string, string>>;
}

/** Under strategy reload: its master executes itself again on USR2. */
export async function installHaproxy(host: PartsHost, version: string, what: HaproxyVersion = {}): Promise<void> {
  const reload = { "switch.strategy": "reload", "switch.reload-signal": "USR2", "switch.stop-signal": "USR1" };
  await host.install(version, {
    contract: { ...contract, ...reload, ...what.contract },
    tree: {
      "bin/start": `#!/bin/sh
export LD_LIBRARY_PATH="$CUTOVER_ROOT/current/lib"
exec "$CUTOVER_ROOT/current/bin/haproxy" -W -p "$CUTOVER_PID_FILE" -f "$CUTOVER_ROOT/current/haproxy.cfg"
`,
      "haproxy.cfg": `${what.main ?? ""}
global
  stats socket ${host.base}/haproxy.socket mode 600 expose-fd listeners level admin
  hard-stop-after 10s
defaults
  mode http
  timeout client 5s
  timeout connect 5s
  timeout server 5s
frontend web
  bind 127.0.0.1:${host.port}
  http-request return status 200 content-type text/plain string "${version}\\n"
`,
    },
  });
  await takeFromDebian(haproxyFiles, join(host.base, "web/versions", version));
}

export interface ServiceProcess {
  readonly pid: number;
  readonly parent: number;
  readonly version: string;
}

/** Living processes of the service by their pid, with the version that their program or directory is of. */
export async function serviceProcesses(host: PartsHost): Promise<ServiceProcess[]> {
  const below = join(host.base, "web/versions/");
  const found: ServiceProcess[] = [];
  for (const entry of await readdir("/proc")) {
    if (!/^\d+$/.test(entry) || !(await alive(Number(entry)))) continue;
    const links = ["exe", "cwd"].map((name) => readlink(`/proc/${entry}/${name}`).catch(() => ""));
    const link = (await Promise.all(links)).find((path) => path.startsWith(below));
    const stat = await readFile(`/proc/${entry}/stat`, "latin1").catch(() => "");
    if (link === undefined || stat === "") continue;
    const parent = Number(stat.slice(stat.lastIndexOf(")") + 2).split(" ")[1]);
    found.push({ pid: Number(entry), parent, version: link.slice(below.length).split("/")[0] ?? "" });
  }
  return found.sort((a, b) => a.pid - b.pid);
}

/** One master with workers of one version that answer, and its pid in the only pid file. `count`: so many workers and no more. */
export async function assertOneMaster(host: PartsHost, version: string, count?: number): Promise<void> {
  let all: ServiceProcess[] = [];
  await until(`processes of ${version} alone`, 10_000, async () => {
    all = await serviceProcesses(host);
    const foreign = all.filter((each) => each.version !== version);
    // Of another version, one that accepts no more may still be about to end. One that does serves what nobody chose.
    const serving = foreign.filter(({ pid }) => listensOn(pid, host.port));
    assert.deepEqual(serving, [], `of another version than ${version}, they still accept`);
    return foreign.length === 0 && (count === undefined || all.length === 1 + count);
  });
  const masters = all.filter(({ parent }) => !all.some(({ pid }) => pid === parent));
  const main = await host.pid();
  assert.deepEqual(
    masters.map((each) => [each.pid, each.version]),
    [[main, version]],
  );
  const workers = all.filter(({ parent }) => parent === main);
  assert.ok(workers.length > 0, "workers");
  assert.equal(workers.length, count ?? workers.length, "workers");
  assert.deepEqual(await pidFiles(host), ["pid"]);
  assert.equal(await ask(host.port), version);
}

/** Whether it holds a listener of that port. */
function listensOn(pid: number, port: number): boolean {
  const local = `:${port.toString(16).toUpperCase().padStart(4, "0")}`;
  const rows = ["tcp", "tcp6"].flatMap((table) => textOf(`/proc/${pid}/net/${table}`).split("\n"));
  const listeners = rows
    .map((row) => row.trim().split(/\s+/))
    .filter((row) => row[1]?.endsWith(local) && row[3] === "0A")
    .map((row) => `socket:[${row[9]}]`);
  return descriptorsOf(pid).some((link) => listeners.includes(link));
}

function descriptorsOf(pid: number): string[] {
  try {
    return readdirSync(`/proc/${pid}/fd`).map((name) => linkOf(`/proc/${pid}/fd/${name}`));
  } catch {
    return []; // it has ended meanwhile
  }
}

/** Names of pid files, those of a second master included. */
export async function pidFiles(host: PartsHost): Promise<string[]> {
  const names: readonly string[] = await readdir(join(host.state, "components/web"));
  return names.filter((name) => /^pid($|\.)/.test(name)).sort();
}

/** What a supervisor does after a crash: the whole service is killed, and started anew from what `current` names. */
export async function crashAndStartAnew(host: PartsHost, version: string): Promise<void> {
  const pidFile = join(host.state, "components/web/pid");
  for (const { pid } of await serviceProcesses(host)) process.kill(pid, "SIGKILL");
  await until("their end", 5000, async () => (await serviceProcesses(host)).length === 0);
  await rm(pidFile, { force: true });
  const root = join(host.base, "web");
  const env = { PATH: process.env.PATH, CUTOVER_ROOT: root, CUTOVER_PID_FILE: pidFile };
  spawn(join(root, "current/bin/start"), { env, detached: true, stdio: "ignore" }).unref();
  await until(`${version} to serve`, 5000, async () => (await ask(host.port).catch(() => "")) === version);
}
