// The world of the loopback lab: `web`, a service under strategy exec, in as many versions as the test wants.
import { cp, mkdir, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { freePort } from "../../src/lab/free-port.ts";
import type { Lab, LabHost } from "../../src/lab/lab.ts";
import { type Contract, type Home, withHome } from "./with-home.ts";

/** How a version of the fixture service behaves; see fixtures/upgrading-service.cjs. */
export interface Behaviour {
  readonly failEvery?: number;
  readonly crashBeforeReady?: boolean;
  readonly neverReady?: boolean;
}

/** More files in the version's tree, by name. */
export interface Extra {
  readonly tree?: Readonly<Record<string, Uint8Array>>;
}

export interface World extends Home {
  /** Publishes a version of the service `web`. */
  publishWeb(version: string, behaviour?: Behaviour, extra?: Extra): Promise<void>;
  /** A release that wants `web` in this version on every host. */
  pushWeb(version: string, overrides?: Readonly<Record<string, unknown>>): Promise<string>;
  /** What a host answers on its service address: body and status. */
  ask(host: LabHost): Promise<{ readonly status: number; readonly body: string }>;
}

/** Every lab has the same loopback addresses, and test files run side by side: each takes a port of its own. */
export const webPort = await freePort([1, 2, 3, 4, 5, 6, 7, 8].map((number) => `127.0.1.${number}`));
const fixture = fileURLToPath(new URL("./fixtures/upgrading-service.cjs", import.meta.url));

/** Component overrides reach the contract of every version that the test publishes. */
export async function withWorld<T>(
  lab: Lab,
  body: (world: World) => Promise<T>,
  component: Readonly<Record<string, unknown>> = {},
): Promise<T> {
  const contract = { ...webComponent, ...component };
  const policy = { batchSize: 2 };
  return withHome(lab, { contracts: [contract], policy, enrolment, retire }, (home) => body(makeWorld(home, contract)));
}

const webComponent = {
  apiVersion: "cutover/v1",
  kind: "Component",
  name: "web",
  root: "/srv/cutover/web",
  manager: "process",
  switch: { strategy: "exec", start: "bin/start", readyWithinSeconds: 60, stopWithinSeconds: 30 },
  env: { PORT: String(webPort) },
  health: [
    { kind: "http", url: `http://self:${webPort}/`, samples: 20, maxFailures: 0, intervalMs: 5, withinSeconds: 60 },
  ],
  deadlineSeconds: 180,
};

function makeWorld(home: Home, contract: Contract): World {
  return {
    ...home,
    async publishWeb(version, behaviour = {}, { tree: files = {} } = {}) {
      const tree = join(home.directory, "trees", version);
      await mkdir(join(tree, "bin"), { recursive: true });
      await cp(fixture, join(tree, "service.cjs"));
      await writeFile(join(tree, "behaviour.json"), JSON.stringify({ version, ...behaviour }));
      // A host of the loopback lab has this machine's Node; `cd -P` keeps a process in the version it was started from.
      await writeFile(
        join(tree, "bin", "start"),
        `#!/bin/sh\ncd -P "$(dirname "$0")/.." || exit 70\nexec '${process.execPath}' ./service.cjs\n`,
        { mode: 0o755 },
      );
      for (const [name, bytes] of Object.entries(files)) await writeFile(join(tree, name), bytes);
      await home.publish(contract, version, tree);
    },
    pushWeb: (version, overrides = {}) => home.pushVersion("web", version, overrides),
    async ask(host) {
      const response = await fetch(`http://${host.address}:${webPort}/`, {
        headers: { connection: "close" },
        signal: AbortSignal.timeout(60_000),
      });
      return { status: response.status, body: (await response.text()).trim() };
    },
  };
}

export async function enrolment(host: LabHost) {
  return {
    host: { name: host.name, address: host.address, port: host.port, user: host.user },
    shell: (script: string) => host.run(["sh", "-s"], { input: script }),
    mode: "user" as const,
    stateDirectory: host.stateDirectory,
    prefix: host.prefix,
    authorizedKeysFile: host.authorizedKeysFile,
    bases: [host.baseDirectory],
    serviceAddress: host.address,
    hostKeys: host.hostKeys,
  };
}

/** Ends the services of a host as well. */
export async function retire(host: LabHost): Promise<void> {
  const pidFile = `${host.stateDirectory}/components/web/pid`;
  const script = `[ ! -f '${pidFile}' ] || kill -9 $(cut -d' ' -f1 '${pidFile}') 2>/dev/null; rm -rf '${host.stateDirectory}' '${host.prefix}/srv'; true`;
  await host.run(["sh", "-c", script]);
  await rm(host.pathOf(host.authorizedKeysFile), { force: true });
}
