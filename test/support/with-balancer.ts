// A real HAProxy on one host of the loopback lab, before services on the others that end without grace: what their clients
// never notice is the balancer's doing.
import { once } from "node:events";
import { rm, writeFile } from "node:fs/promises";
import { Agent, get, type IncomingMessage } from "node:http";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { setTimeout as delay } from "node:timers/promises";
import { freePort } from "../../src/lab/free-port.ts";
import type { LabHost } from "../../src/lab/lab.ts";
import {
  balancerContract,
  buildBalancer,
  buildWeb,
  poolBundle,
  poolSocket,
  type WebBehaviour,
  webContract,
} from "./balancer-parts.ts";
import { loadShare } from "./full-form.ts";
import { type Home, withHome } from "./with-home.ts";
import { withLoopbackLab } from "./with-lab.ts";
import { enrolment } from "./with-world.ts";

export const webPort = await freePort([1, 2, 3].map((number) => `127.0.1.${number}`));

export interface BalancedWorld extends Home {
  readonly web: readonly LabHost[];
  readonly balancer: LabHost;
  publishWeb(version: string, behaviour?: WebBehaviour): Promise<void>;
  publishBalancer(version: string): Promise<void>;
  /** A release of `web`; of `haproxy-pool` as well where a version of it is named. */
  pushWeb(version: string, options?: { readonly balancer?: string }): Promise<string>;
  /** By server, what HAProxy says it is: `UP`, `MAINT`, … */
  servers(): Promise<Readonly<Record<string, string>>>;
}

/** Three hosts; the last one balances. */
export async function withBalancer<T>(
  body: (world: BalancedWorld) => Promise<T>,
  { deadlineSeconds = 60 }: { readonly deadlineSeconds?: number } = {},
): Promise<T> {
  return withLoopbackLab(3, async (lab) => {
    const balancer = lab.hosts.at(-1);
    if (balancer === undefined) throw new Error("a lab without hosts");
    const web = lab.hosts.slice(0, -1);
    const contract = webContract({ port: webPort, deadlineSeconds });
    const pool = await balancerContract(webPort);
    const servers = Object.fromEntries(web.map(({ name, address }) => [name, address]));
    const request = {
      contracts: [contract, pool],
      policy: { batchSize: 1 },
      enrolment: async (host: LabHost) => ({
        ...(await enrolment(host)),
        components: [host === balancer ? pool.name : contract.name],
      }),
      retire,
    };
    return withHome(lab, request, (home) =>
      body({
        ...home,
        ...{ web, balancer },
        async publishWeb(version, behaviour) {
          const tree = join(home.directory, "trees", "web", version);
          await buildWeb(tree, version, behaviour);
          await home.publish(contract, version, tree);
        },
        async publishBalancer(version) {
          const tree = join(home.directory, "trees", "balancer", version);
          await buildBalancer(tree, { port: webPort, servers });
          await writeFile(join(tree, "VERSION"), `${version}\n`);
          await home.publish(pool, version, tree, poolBundle);
        },
        pushWeb: (version, { balancer: other } = {}) => {
          const before = other === undefined ? [] : [{ name: pool.name, version: other, depends_on: ["web"] }];
          return home.pushVersion("web", version, { components: [{ name: "web", version }, ...before] });
        },
        servers: () => serversOf(balancer),
      }),
    );
  });
}

async function serversOf(balancer: LabHost): Promise<Record<string, string>> {
  const ask =
    'my $to = IO::Socket::UNIX->new(Peer => $ARGV[0]) or die $!; print $to "show stat\\n"; $to->shutdown(1); print while <$to>';
  const { stdout } = await balancer.run(["perl", "-MIO::Socket::UNIX", "-e", ask, balancer.prefix + poolSocket]);
  const rows = stdout.split("\n").map((line) => line.split(","));
  const mine = rows.filter(([proxy, server]) => proxy === "web" && server !== "FRONTEND" && server !== "BACKEND");
  return Object.fromEntries(mine.map((row) => [row[1] ?? "", row[17] ?? ""]));
}

/** Ends the services of a host as well. */
async function retire(host: LabHost): Promise<void> {
  const script = `for file in '${host.stateDirectory}'/components/*/pid; do [ ! -f "$file" ] || kill -9 "$(cat "$file")" 2>/dev/null; done; rm -rf '${host.stateDirectory}' '${host.prefix}/srv'; true`;
  await host.run(["sh", "-c", script]);
  await rm(host.pathOf(host.authorizedKeysFile), { force: true });
}

export interface Traffic {
  readonly asked: number;
  readonly failures: readonly string[];
  /** Right answers by version. */
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
        const version = /^plain (\S+) on .* sum [0-9a-f]{8}\n$/.exec(await text(response))?.[1];
        if (response.statusCode !== 200) failures.push(`${path}: status ${response.statusCode}`);
        else if (version === undefined) failures.push(`${path}: wrong body`);
        else versions[version] = (versions[version] ?? 0) + 1;
      } catch (error) {
        failures.push(`${path}: ${error instanceof Error ? error.message : String(error)}`);
      }
      await delay(pauseMs / loadShare);
    }
  };
  const kept = new Agent({ keepAlive: true, maxSockets: 2 });
  const asking = [
    ...[ask("/", false, 10), ask("/", false, 10), ask("/", kept, 5), ask("/", kept, 5)],
    ...[0, 1, 2, 3].map(() => ask("/?ms=1500", false, 10)),
  ];
  try {
    const value = await work();
    over.abort();
    await Promise.all(asking);
    return { value, traffic: { asked, failures, versions } };
  } finally {
    over.abort();
    await Promise.all(asking);
    kept.destroy();
  }
}
