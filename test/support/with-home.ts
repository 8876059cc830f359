// What every end-to-end world stands on: enrolled hosts of a lab, a home made by `init` with their Fleet, versions published
// into it, releases pushed, and controllers that reconcile. Everything real, nothing shared with other tests.
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { stringify } from "yaml";
import { type Controller, withLease } from "../../src/app/controller.ts";
import { type EnrolInput, enrolHost } from "../../src/app/enrol-host.ts";
import type { RunWatcher } from "../../src/app/execute-run.ts";
import { initRelease } from "../../src/app/init.ts";
import type { PassResult } from "../../src/app/pass-result.ts";
import { publish } from "../../src/app/publish.ts";
import { reconcile } from "../../src/app/reconcile.ts";
import type { Lab, LabHost } from "../../src/lab/lab.ts";
import { mustRun } from "../../src/lab/run-program.ts";
import { Component } from "../../src/model/component.ts";
import type { Host } from "../../src/model/fleet.ts";
import type { JournalEvent } from "../../src/model/run-event.ts";
import { artifactWriter, keyMaker, type OpenOptions, openController, signer } from "../../src/wiring.ts";
import { withTemporaryDirectory } from "./temporary-directory.ts";

export type PassOptions = OpenOptions & {
  readonly onEvent?: (event: JournalEvent) => void;
  readonly takeOver?: boolean;
  /** As `cutover step` does it; a whole pass without it. */
  readonly pace?: "one-task";
};

/** A contract as its document has it. */
export type Contract = Readonly<Record<string, unknown>> & { readonly name: string };

export interface Home {
  readonly lab: Lab;
  readonly home: string;
  readonly config: string;
  /** Scratch space of this world. */
  readonly directory: string;
  /** Publishes a directory as a version of the component, with the executables of its tasks from `bundle`. */
  publish(contract: Contract, version: string, tree: string, bundle?: string): Promise<void>;
  /** Writes the documents, or texts as they are, commits them signed, pushes; returns the commit. Keys are file names below releases/. */
  push(documents: Readonly<Record<string, unknown>>, message?: string): Promise<string>;
  /** A release that wants `component` in this version on every host. */
  pushVersion(component: string, version: string, overrides?: Readonly<Record<string, unknown>>): Promise<string>;
  /** One pass by a controller of its own, opened and closed for it. */
  reconcile(options?: PassOptions): Promise<PassResult>;
  withController<T>(work: (controller: Controller) => Promise<T>, options?: OpenOptions): Promise<T>;
}

export interface HomeRequest {
  /** The contract of each component; all hosts have all of them, unless their enrolment says otherwise. */
  readonly contracts: readonly Contract[];
  /** Components that hosts have without a document, such as cutover-host. */
  readonly others?: readonly string[];
  readonly policy?: Readonly<Record<string, unknown>>;
  /** What every controller of this world is opened with. */
  readonly open?: OpenOptions;
  /** How the lab's hosts are enrolled; the rest is the same everywhere. */
  readonly enrolment: (host: LabHost, directory: string) => Promise<HostEnrolment>;
  /** Forgets that the host was enrolled, so that the next test of the file starts fresh. */
  readonly retire: (host: LabHost) => Promise<void>;
}

/** Without components of its own a host has all that the world has. */
export type HostEnrolment = Omit<EnrolInput, "components" | "trust" | "controllerSshKey"> &
  Partial<Pick<EnrolInput, "components">>;

export async function withHome<T>(lab: Lab, request: HomeRequest, body: (home: Home) => Promise<T>): Promise<T> {
  return withTemporaryDirectory(async (directory) => {
    const home = join(directory, "home");
    await initRelease(home, { keyMaker });
    const world = makeHome(lab, directory, request.open ?? {});
    try {
      const components = [...request.contracts.map(({ name }) => name), ...(request.others ?? [])];
      const hosts = await Promise.all(
        lab.hosts.map(async (host) => enrol(home, components, await request.enrolment(host, directory))),
      );
      const policy = { apiVersion: "cutover/v1", kind: "Policy", name: "default", canaries: 1, ...request.policy };
      const contracts = request.contracts.map((contract) => [`${contract.name}.yaml`, contract] as const);
      await world.push(
        {
          "fleet.yaml": { apiVersion: "cutover/v1", kind: "Fleet", hosts },
          "policy.yaml": policy,
          ...Object.fromEntries(contracts),
        },
        "A fleet",
      );
      return await body(world);
    } finally {
      await Promise.all(lab.hosts.map((host) => request.retire(host)));
    }
  });
}

function makeHome(lab: Lab, directory: string, always: OpenOptions): Home {
  const home = join(directory, "home");
  const config = join(home, "cutover.yaml");
  const work = join(home, "work");
  const git = (...args: string[]) => mustRun(["git", "-C", work, ...args]);
  const world: Home = {
    lab,
    home,
    config,
    directory,
    async publish(contract, version, tree, bundle) {
      await publish({
        directory: tree,
        component: Component.parse(contract),
        version,
        releaseKeys: [join(home, "keys", "release")],
        store: artifactWriter(join(home, "artifacts")),
        signer,
        now: Date.now(),
        zstdLevel: 1,
        ...(bundle === undefined ? {} : { bundleDirectory: bundle }),
      });
    },
    async push(documents, message = "A release") {
      for (const [name, value] of Object.entries(documents))
        await writeFile(join(work, "releases", name), typeof value === "string" ? value : stringify(value));
      await git("add", "--all");
      await git("commit", "--quiet", "--allow-empty", "--message", message);
      await git("push", "--quiet", "origin", "HEAD:main");
      return (await git("rev-parse", "HEAD")).trim();
    },
    pushVersion(component, version, overrides = {}) {
      const release = { apiVersion: "cutover/v1", kind: "Release", name: component, policy: "default" };
      const documents = { "release.yaml": { ...release, components: [{ name: component, version }], ...overrides } };
      return world.push(documents, `${component} ${version}`);
    },
    async withController(use, options = {}) {
      const opened = await openController(config, { ...always, ...options });
      try {
        return await use(opened.controller);
      } finally {
        await opened.close();
      }
    },
    reconcile: ({ onEvent = () => {}, takeOver = false, pace, ...options } = {}) =>
      world.withController((controller) => {
        const watcher: RunWatcher = { onEvent, onBytes: () => {} };
        return withLease(controller, { takeOver, signal: AbortSignal.timeout(400_000) }, (lease, signal) =>
          reconcile({ controller, lease, watcher, signal, ...(pace === undefined ? {} : { pace }) }),
        );
      }, options),
  };
  return world;
}

async function enrol(home: string, components: readonly string[], enrolment: HostEnrolment): Promise<Host> {
  const read = async (name: string) =>
    (await readFile(join(home, "keys", `${name}.pub`), "utf8")).trim().split(" ").slice(0, 2).join(" ");
  const { entry } = await enrolHost({
    components,
    ...enrolment,
    trust: { releaseKeys: [await read("release")], threshold: 1, controllerKeys: [await read("envelope")] },
    controllerSshKey: await read("controller"),
  });
  return entry;
}
