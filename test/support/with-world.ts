// A whole small world for end-to-end tests: hosts of a lab, enrolled; a home made by `init`; a service in as many versions as
// the test wants; and controllers that reconcile it. Everything real, nothing shared with other tests.
import { cp, mkdir, readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { stringify } from "yaml";
import { type Controller, withLease } from "../../src/app/controller.ts";
import { enrolHost } from "../../src/app/enrol-host.ts";
import type { RunWatcher } from "../../src/app/execute-run.ts";
import { initRelease } from "../../src/app/init.ts";
import { publish } from "../../src/app/publish.ts";
import { type PassResult, reconcile } from "../../src/app/reconcile.ts";
import type { Lab, LabHost } from "../../src/lab/lab.ts";
import { mustRun } from "../../src/lab/run-program.ts";
import { Component } from "../../src/model/component.ts";
import type { JournalEvent } from "../../src/model/run-event.ts";
import { artifactWriter, keyMaker, type OpenOptions, openController, signer } from "../../src/wiring.ts";
import { withTemporaryDirectory } from "./temporary-directory.ts";

/** How a version of the fixture service behaves; see fixtures/upgrading-service.mjs. */
export interface Behaviour {
  readonly failEvery?: number;
  readonly crashBeforeReady?: boolean;
  readonly neverReady?: boolean;
}

export interface World {
  readonly lab: Lab;
  readonly home: string;
  readonly config: string;
  /** Publishes a version of the service `web`. */
  publishWeb(version: string, behaviour?: Behaviour): Promise<void>;
  /** Writes the documents, commits them signed, pushes; returns the commit. Keys are file names below releases/. */
  push(documents: Readonly<Record<string, unknown>>, message?: string): Promise<string>;
  /** A release that wants `web` in this version on every host. */
  pushWeb(version: string, overrides?: Readonly<Record<string, unknown>>): Promise<string>;
  /** One pass by a controller of its own, opened and closed for it. */
  reconcile(
    options?: OpenOptions & { readonly onEvent?: (event: JournalEvent) => void; readonly takeOver?: boolean },
  ): Promise<PassResult>;
  withController<T>(work: (controller: Controller) => Promise<T>, options?: OpenOptions): Promise<T>;
  /** What a host answers on its service address: body and status. */
  ask(host: LabHost): Promise<{ readonly status: number; readonly body: string }>;
}

export const webPort = 8091;
const fixture = fileURLToPath(new URL("./fixtures/upgrading-service.mjs", import.meta.url));
const root = "/srv/cutover/web";

/** Component overrides reach the contract of every version that the test publishes. */
export async function withWorld<T>(
  lab: Lab,
  body: (world: World) => Promise<T>,
  component: Readonly<Record<string, unknown>> = {},
): Promise<T> {
  return withTemporaryDirectory(async (directory) => {
    const home = join(directory, "home");
    await initRelease(home, { keyMaker });
    const fleet = [];
    for (const host of lab.hosts) fleet.push(await enrol(home, host));
    const contract = { ...webComponent, ...component };
    const world = makeWorld({ lab, home, directory, fleet, contract });
    await world.push(
      {
        "fleet.yaml": { apiVersion: "cutover/v1", kind: "Fleet", hosts: fleet },
        "web.yaml": contract,
        "policy.yaml": { apiVersion: "cutover/v1", kind: "Policy", name: "default", canaries: 1, batchSize: 2 },
      },
      "A fleet",
    );
    try {
      return await body(world);
    } finally {
      for (const host of lab.hosts) await retire(host);
    }
  });
}

const webComponent = {
  apiVersion: "cutover/v1",
  kind: "Component",
  name: "web",
  root,
  manager: "process",
  switch: { strategy: "exec", start: "bin/start", readyWithinSeconds: 10, stopWithinSeconds: 5 },
  env: { PORT: String(webPort) },
  health: [
    { kind: "http", url: `http://self:${webPort}/`, samples: 20, maxFailures: 0, intervalMs: 5, withinSeconds: 10 },
  ],
  deadlineSeconds: 30,
};

function makeWorld({
  lab,
  home,
  directory,
  contract,
}: {
  lab: Lab;
  home: string;
  directory: string;
  fleet: readonly unknown[];
  contract: Readonly<Record<string, unknown>>;
}): World {
  const config = join(home, "cutover.yaml");
  const work = join(home, "work");
  const git = (...args: string[]) => mustRun(["git", "-C", work, ...args]);
  const world: World = {
    lab,
    home,
    config,
    async publishWeb(version, behaviour = {}) {
      const tree = join(directory, "trees", version);
      await mkdir(join(tree, "bin"), { recursive: true });
      await cp(fixture, join(tree, "service.mjs"));
      await writeFile(join(tree, "behaviour.json"), JSON.stringify({ version, ...behaviour }));
      // A host of the loopback lab has this machine's Node; `cd -P` keeps a process in the version it was started from.
      await writeFile(
        join(tree, "bin", "start"),
        `#!/bin/sh\ncd -P "$(dirname "$0")/.." || exit 70\nexec '${process.execPath}' ./service.mjs\n`,
        { mode: 0o755 },
      );
      await publish({
        directory: tree,
        component: Component.parse(contract),
        version,
        releaseKeys: [join(home, "keys", "release")],
        store: artifactWriter(join(home, "artifacts")),
        signer,
        now: Date.now(),
        zstdLevel: 1,
      });
    },
    async push(documents, message = "A release") {
      for (const [name, value] of Object.entries(documents))
        await writeFile(join(work, "releases", name), stringify(value));
      await git("add", "--all");
      await git("commit", "--quiet", "--allow-empty", "--message", message);
      await git("push", "--quiet", "origin", "HEAD:main");
      return (await git("rev-parse", "HEAD")).trim();
    },
    pushWeb: (version, overrides = {}) =>
      world.push(
        {
          "release.yaml": {
            apiVersion: "cutover/v1",
            kind: "Release",
            name: "web",
            policy: "default",
            components: [{ name: "web", version }],
            ...overrides,
          },
        },
        `web ${version}`,
      ),
    async withController(work_, options = {}) {
      const opened = await openController(config, options);
      try {
        return await work_(opened.controller);
      } finally {
        await opened.close();
      }
    },
    reconcile: ({ onEvent = () => {}, takeOver = false, ...options } = {}) =>
      world.withController((controller) => {
        const watcher: RunWatcher = { onEvent, onBytes: () => {} };
        return withLease(controller, { takeOver, signal: AbortSignal.timeout(120_000) }, (lease, signal) =>
          reconcile({ controller, lease, watcher, signal }),
        );
      }, options),
    async ask(host) {
      const response = await fetch(`http://${host.address}:${webPort}/`, {
        headers: { connection: "close" },
        signal: AbortSignal.timeout(2_000),
      });
      return { status: response.status, body: (await response.text()).trim() };
    },
  };
  return world;
}

async function enrol(home: string, host: LabHost) {
  const read = async (name: string) =>
    (await readFile(join(home, "keys", `${name}.pub`), "utf8")).trim().split(" ").slice(0, 2).join(" ");
  const enrolled = await enrolHost({
    host: { name: host.name, address: host.address, port: host.port, user: host.user },
    shell: (script) => host.run(["sh", "-s"], { input: script }),
    mode: "user",
    stateDirectory: host.stateDirectory,
    prefix: host.prefix,
    authorizedKeysFile: host.authorizedKeysFile,
    bases: ["/srv/cutover"],
    serviceAddress: host.address,
    hostKeys: host.hostKeys,
    components: ["web"],
    trust: { releaseKeys: [await read("release")], threshold: 1, controllerKeys: [await read("envelope")] },
    controllerSshKey: await read("controller"),
  });
  return enrolled.entry;
}

/** Ends the services of a host and forgets that it was enrolled, so that the next test of the file starts fresh. */
async function retire(host: LabHost): Promise<void> {
  const pidFile = `${host.stateDirectory}/components/web/pid`;
  const script = `[ ! -f '${pidFile}' ] || kill -9 $(cut -d' ' -f1 '${pidFile}') 2>/dev/null; rm -rf '${host.stateDirectory}' '${host.prefix}/srv'; true`;
  await host.run(["sh", "-c", script]);
  await rm(host.pathOf(host.authorizedKeysFile), { force: true });
}
