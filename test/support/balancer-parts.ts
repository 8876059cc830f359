// What stands behind and before a balancer in tests: a service that ends without grace, and a HAProxy that takes hosts out of
// traffic with the task of deploy/components/haproxy-pool.
import { cp, mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { readComponent } from "../../src/app/read-component.ts";
import { buildHaproxy } from "./fleet-trees.ts";
import type { Contract } from "./with-home.ts";

const fixture = fileURLToPath(new URL("./fixtures/plain-service.mjs", import.meta.url));
const poolDirectory = fileURLToPath(new URL("../../deploy/components/haproxy-pool/", import.meta.url));

/** Holds the executable of the task `pool`. */
export const poolBundle = join(poolDirectory, "tasks");
/** What it answers, as the meter checks it. */
export const webBody = "(?<text>plain (?<version>\\S+) on \\S+) sum (?<sum>[0-9a-f]{8})\\n";

export interface WebContract {
  readonly port: number;
  readonly deadlineSeconds?: number;
}

export function webContract({ port, deadlineSeconds = 60 }: WebContract): Contract {
  return {
    apiVersion: "cutover/v1",
    kind: "Component",
    name: "web",
    root: "/srv/cutover/web",
    manager: "process",
    switch: {
      strategy: "balancer",
      balancer: { component: "haproxy-pool", task: "pool" },
      start: "bin/start",
      readyWithinSeconds: 20,
      stopWithinSeconds: 5,
    },
    env: { PORT: String(port) },
    health: [
      { kind: "http", url: `http://self:${port}/self`, samples: 3, maxFailures: 0, intervalMs: 5, withinSeconds: 30 },
    ],
    deadlineSeconds,
  };
}

/** Statuses other than 200, by path: `/self` is what the host's own check asks, `/lb` what HAProxy's does. */
export interface WebBehaviour {
  readonly status?: Readonly<Record<string, number>>;
}

export async function buildWeb(tree: string, version: string, behaviour: WebBehaviour = {}): Promise<void> {
  await mkdir(join(tree, "bin"), { recursive: true });
  await cp(fixture, join(tree, "service.mjs"));
  await writeFile(join(tree, "behaviour.json"), JSON.stringify({ version, ...behaviour }));
  const start = `#!/bin/sh\ncd -P "$(dirname "$0")/.." || exit 70\nexec '${process.execPath}' ./service.mjs\n`;
  await writeFile(join(tree, "bin", "start"), start, { mode: 0o755 });
}

/** The contract of deploy/, run by host.sh itself. */
export async function balancerContract(port: number): Promise<Contract> {
  const { component } = await readComponent(join(poolDirectory, "component.yaml"));
  return {
    ...component,
    ...{ manager: "process", units: [], needs: {} },
    switch: { strategy: "restart", start: "bin/start", readyWithinSeconds: 20 },
    env: { ...component.env, ...{ HAPROXY_SOCKET: poolSocket, HAPROXY_UP_SECONDS: "15", PORT: String(port) } },
    health: [{ kind: "tcp", address: "self", port, withinSeconds: 20 }],
  };
}

/** Without the prefix of a lab's host. */
export const poolSocket = "/srv/cutover/haproxy-pool/admin.sock";

export interface PoolServers {
  readonly port: number;
  /** By name. */
  readonly servers: Readonly<Record<string, string>>;
}

export async function buildBalancer(tree: string, { port, servers }: PoolServers): Promise<void> {
  await buildHaproxy(tree);
  await writeFile(join(tree, "bin", "start"), start, { mode: 0o755 });
  const lines = Object.entries(servers).map(([name, address]) => `  server ${name} ${address}:${port}\n`);
  await writeFile(join(tree, "haproxy.cfg"), `${configuration}${lines.join("")}`);
}

const start = `#!/bin/sh
cd -P "$(dirname "$0")/.." || exit 70
echo $$ >"$CUTOVER_PID_FILE.new" && mv "$CUTOVER_PID_FILE.new" "$CUTOVER_PID_FILE"
LD_LIBRARY_PATH=$PWD/lib exec bin/haproxy -db -f haproxy.cfg
`;

/**
 * It asks nobody twice: a request that is lost is lost for its client. Without a time of their own its checks have but 100 ms for an
 * answer, and on a busy machine good servers go down.
 */
const configuration = `global
  maxconn 500
  stats socket "\${CUTOVER_ROOT}/admin.sock" mode 600 level admin
defaults
  mode http
  timeout connect 2s
  timeout client 30s
  timeout server 30s
  timeout queue 5s
frontend front
  bind "\${CUTOVER_ADDRESS}:\${PORT}"
  default_backend web
backend web
  balance roundrobin
  option httpchk GET /lb
  retries 0
  timeout check 10s
  default-server check inter 100ms fall 2 rise 2
`;
