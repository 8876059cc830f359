// A real HAProxy on one host of the loopback lab, before services on the others that end without grace: what their clients
// never notice is the balancer's doing.
import { once } from "node:events";
import { cp, mkdir, rm, writeFile } from "node:fs/promises";
import { Agent, get, type IncomingMessage } from "node:http";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { setTimeout as delay } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { readComponent } from "../../src/app/read-component.ts";
import type { LabHost } from "../../src/lab/lab.ts";
import { freePort } from "../../src/lab/loopback-lab.ts";
import { buildHaproxy } from "./fleet-trees.ts";
import { type Home, withHome } from "./with-home.ts";
import { withLoopbackLab } from "./with-lab.ts";
import { enrolment } from "./with-world.ts";

const addresses = [1, 2, 3, 4, 5].map((number) => `127.0.1.${number}`);
export const webPort = await freePort(addresses);
const fixture = fileURLToPath(new URL("./fixtures/plain-service.mjs", import.meta.url));
const balancerSource = fileURLToPath(new URL("../../deploy/components/haproxy-pool/", import.meta.url));

/** Statuses other than 200, by path: `/self` is what the host's own check asks, `/lb` what HAProxy's does. */
export interface WebBehaviour {
  readonly status?: Readonly<Record<string, number>>;
}

export interface BalancedWorld extends Home {
  readonly web: readonly LabHost[];
  readonly balancer: LabHost;
  publishWeb(version: string, behaviour?: WebBehaviour): Promise<void>;
  publishBalancer(version: string): Promise<void>;
  /** A release of `web`; `haproxy-pool` as well where a version of it is named. */
  pushWeb(version: string, options?: { readonly balancer?: string }): Promise<string>;
  /** By server, what HAProxy says it is: `UP`, `MAINT`, … */
  servers(): Promise<Readonly<Record<string, string>>>;
}

export interface BalancedOptions {
  readonly hosts?: number;
  readonly deadlineSeconds?: number;
  readonly policy?: Readonly<Record<string, unknown>>;
  readonly hold?: boolean;
}

/** The last host of the lab balances. */
export async function withBalancer<T>(
  body: (world: BalancedWorld) => Promise<T>,
  { hosts = 3, deadlineSeconds = 60, policy = {}, hold = false }: BalancedOptions = {},
): Promise<T> {
  return withLoopbackLab(hosts, async (lab) => {
    const balancer = lab.hosts.at(-1);
    if (balancer === undefined) throw new Error("a lab without hosts");
    const web = lab.hosts.slice(0, -1);
    const webContract = webComponent({ deadlineSeconds, hold });
    const source = await readComponent(join(balancerSource, "component.yaml"));
    const socket = "/srv/cutover/admin.sock";
    const balancerContract = {
      ...source.component,
      ...{ manager: "process", units: [], needs: {} },
      switch: { strategy: "restart", start: "bin/start", readyWithinSeconds: 20 },
      env: { ...source.component.env, HAPROXY_SOCKET: socket, HAPROXY_UP_SECONDS: "5", PORT: String(webPort) },
      health: [{ kind: "tcp", address: "self", port: webPort, withinSeconds: 20 }],
    };
    const request = {
      contracts: [webContract, balancerContract],
      policy: { batchSize: 1, ...policy },
      enrolment: async (host: LabHost) => ({
        ...(await enrolment(host)),
        components: [host === balancer ? "haproxy-pool" : "web"],
      }),
      retire,
    };
    return withHome(lab, request, (home) =>
      body({
        ...home,
        web,
        balancer,
        async publishWeb(version, behaviour = {}) {
          const tree = join(home.directory, "trees", "web", version);
          await mkdir(join(tree, "bin"), { recursive: true });
          await cp(fixture, join(tree, "service.mjs"));
          await writeFile(join(tree, "behaviour.json"), JSON.stringify({ version, ...behaviour }));
          const start = `#!/bin/sh\ncd -P "$(dirname "$0")/.." || exit 70\nexec '${process.execPath}' ./service.mjs\n`;
          await writeFile(join(tree, "bin", "start"), start, { mode: 0o755 });
          await home.publish(webContract, version, tree);
        },
        async publishBalancer(version) {
          const tree = join(home.directory, "trees", "balancer", version);
          await buildHaproxy(tree);
          await writeFile(join(tree, "haproxy.cfg"), haproxyConfig(balancer.prefix + socket, web));
          await writeFile(join(tree, "VERSION"), `${version}\n`);
          await writeFile(join(tree, "bin", "start"), haproxyStart, { mode: 0o755 });
          await home.publish(balancerContract, version, tree, source.bundleDirectory);
        },
        pushWeb: (version, { balancer: other } = {}) => {
          const components = [
            { name: "web", version },
            ...(other === undefined ? [] : [{ name: "haproxy-pool", version: other, depends_on: ["web"] }]),
          ];
          return home.pushVersion("web", version, { components });
        },
        async servers() {
          const { stdout } = await balancer.run([
            "perl",
            "-MIO::Socket::UNIX",
            "-e",
            'my $to = IO::Socket::UNIX->new(Peer => $ARGV[0]) or die $!; print $to "show stat\\n"; $to->shutdown(1); print while <$to>',
            balancer.prefix + socket,
          ]);
          const rows = stdout.split("\n").map((line) => line.split(","));
          const mine = rows.filter(
            ([proxy, server]) => proxy === "web" && server !== "FRONTEND" && server !== "BACKEND",
          );
          return Object.fromEntries(mine.map((row) => [row[1] ?? "", row[17] ?? ""]));
        },
      }),
    );
  });
}

function webComponent({ deadlineSeconds, hold }: { readonly deadlineSeconds: number; readonly hold: boolean }) {
  return {
    apiVersion: "cutover/v1",
    kind: "Component",
    name: "web",
    root: "/srv/cutover/web",
    manager: "process",
    switch: {
      strategy: "balancer",
      balancer: { component: "haproxy-pool", task: "pool", ...(hold ? { hold } : {}) },
      start: "bin/start",
      readyWithinSeconds: 20,
      stopWithinSeconds: 5,
    },
    env: { PORT: String(webPort) },
    health: [
      { kind: "http", url: `http://self:${webPort}/self`, samples: 3, maxFailures: 0, intervalMs: 5, withinSeconds: 2 },
    ],
    deadlineSeconds,
  };
}

function haproxyConfig(socket: string, web: readonly LabHost[]): string {
  const servers = web.map(({ name, address }) => `  server ${name} ${address}:${webPort}`).join("\n");
  return `global
  maxconn 500
  stats socket ${socket} mode 600 level admin
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
  default-server check inter 100ms fall 2 rise 2
${servers}
`;
}

const haproxyStart = `#!/bin/sh
cd -P "$(dirname "$0")/.." || exit 70
echo $$ >"$CUTOVER_PID_FILE.new" && mv "$CUTOVER_PID_FILE.new" "$CUTOVER_PID_FILE"
LD_LIBRARY_PATH=$PWD/lib exec bin/haproxy -db -f haproxy.cfg
`;

/** Ends the services of a host as well. */
async function retire(host: LabHost): Promise<void> {
  const script = `for file in '${host.stateDirectory}'/components/*/pid; do [ ! -f "$file" ] || kill -9 "$(cat "$file")" 2>/dev/null; done; rm -rf '${host.stateDirectory}' '${host.prefix}/srv'; true`;
  await host.run(["sh", "-c", script]);
  await rm(host.pathOf(host.authorizedKeysFile), { force: true });
}

export interface Traffic {
  readonly asked: number;
  readonly failures: readonly string[];
  /** Answers by version. */
  readonly versions: Readonly<Record<string, number>>;
}

/** New connections, kept ones, and requests that take longer than a switch, all the while; nothing is repeated. */
export async function underTraffic<T>(host: LabHost, work: () => Promise<T>): Promise<{ value: T; traffic: Traffic }> {
  const over = new AbortController();
  const failures: string[] = [];
  const versions: Record<string, number> = {};
  let asked = 0;
  const ask = async (path: string, agent: Agent | false, pauseMs: number): Promise<void> => {
    while (!over.signal.aborted) {
      asked += 1;
      try {
        const request = get({ host: host.address, port: webPort, path, agent, timeout: 20_000 });
        request.once("timeout", () => request.destroy(new Error("timeout")));
        const [response] = (await once(request, "response")) as [IncomingMessage];
        const body = (await text(response)).trim();
        if (response.statusCode !== 200) failures.push(`${path}: status ${response.statusCode}`);
        else versions[body] = (versions[body] ?? 0) + 1;
      } catch (error) {
        failures.push(`${path}: ${error instanceof Error ? error.message : String(error)}`);
      }
      await delay(pauseMs);
    }
  };
  const kept = new Agent({ keepAlive: true, maxSockets: 2 });
  const asking = [
    ...[ask("/", false, 10), ask("/", false, 10), ask("/", kept, 5), ask("/", kept, 5)],
    ...[0, 1, 2, 3].map(() => ask("/?ms=1500", false, 10)),
  ];
  let value: T;
  try {
    value = await work();
  } finally {
    over.abort();
    await Promise.all(asking);
    kept.destroy();
  }
  return { value, traffic: { asked, failures, versions } };
}
