// A component of files only, in as many versions as the test wants: what goes over the wire, and what arrives.
import { createHash } from "node:crypto";
import { mkdir, readFile, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { type Controller, withLease } from "../../src/app/controller.ts";
import type { PassResult } from "../../src/app/pass-result.ts";
import { publish } from "../../src/app/publish.ts";
import { reconcile } from "../../src/app/reconcile.ts";
import type { Lab, LabHost } from "../../src/lab/lab.ts";
import { Component } from "../../src/model/component.ts";
import type { JournalEvent } from "../../src/model/run-event.ts";
import { artifactWriter, patchTools, signer } from "../../src/wiring.ts";
import { type Home, withHome } from "./with-home.ts";
import { enrolment, retire } from "./with-world.ts";

export const component = "web";

export interface TreeWorld extends Home {
  /** With patches from so many versions before it; returns the tree digest. */
  publishTree(version: string, files: Readonly<Record<string, Uint8Array>>, patchFrom?: number): Promise<string>;
  /** Pushes a release that wants the version everywhere and makes one pass; `work` may do something to the controller before. */
  release(version: string, work?: (controller: Controller) => Promise<unknown>): Promise<ReleasedTree>;
  /** SHA-256 of a file of the version that the host runs. */
  digestOn(host: LabHost, file: string): Promise<string>;
  pathOn(host: LabHost, path: string): string;
}

export interface ReleasedTree {
  readonly pass: PassResult;
  readonly events: readonly JournalEvent[];
  /** What was made here, by name. */
  readonly made: readonly string[];
  /** `HOST patch|full`, with the bytes that were sent. */
  readonly sent: ReadonlyMap<string, number>;
}

const contract = {
  ...{ apiVersion: "cutover/v1", kind: "Component", name: component, root: "/srv/cutover/web", manager: "none" },
  switch: { strategy: "none" },
};

export function withTreeWorld<T>(lab: Lab, body: (world: TreeWorld) => Promise<T>): Promise<T> {
  const policy = { batchSize: 10 };
  return withHome(lab, { contracts: [contract], policy, enrolment, retire }, (home) => body(makeTreeWorld(home)));
}

function makeTreeWorld(home: Home): TreeWorld {
  const pathOn = (host: LabHost, path: string) => host.pathOf(`${host.prefix}/srv/cutover/web/${path}`);
  return {
    ...home,
    pathOn,
    async publishTree(version, files, patchFrom = 3) {
      const directory = join(home.directory, "trees", version);
      for (const [name, bytes] of Object.entries(files)) {
        await mkdir(dirname(join(directory, name)), { recursive: true });
        await writeFile(join(directory, name), bytes);
      }
      const { tree } = await publish({
        ...{ directory, component: Component.parse(contract), version, now: Date.now(), zstdLevel: 1, signer },
        releaseKeys: [join(home.home, "keys", "release")],
        store: artifactWriter(join(home.home, "artifacts")),
        patches: { tools: patchTools(), from: patchFrom, effort: "fast" },
      });
      return tree;
    },
    async release(version, work = async () => {}) {
      await home.pushVersion(component, version);
      const events: JournalEvent[] = [];
      const made = new Set<string>();
      const watcher = {
        onEvent: (event: JournalEvent) => void events.push(event),
        onBytes: () => {},
        onMaking: ({ what }: { what: string }) => void made.add(what),
      };
      const pass = await home.withController(async (controller) => {
        await work(controller);
        return withLease(controller, { takeOver: false, signal: AbortSignal.timeout(400_000) }, (lease, signal) =>
          reconcile({ controller, lease, watcher, signal }),
        );
      });
      const sent = new Map(
        events.flatMap((event): [string, number][] =>
          event.kind === "delivered" ? [[`${event.host} ${event.base ? "patch" : "full"}`, event.bytes]] : [],
        ),
      );
      return { pass, events, made: [...made], sent };
    },
    digestOn: async (host, file) => sha256(await readFile(pathOn(host, `current/${file}`))),
  };
}

export function sha256(bytes: Uint8Array): string {
  return createHash("sha256").update(bytes).digest("hex");
}
