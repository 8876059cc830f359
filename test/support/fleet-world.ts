// The fleet: six whole Debian hosts in four roles, on which database → cache → api → gateway run, as deploy/components has them.
import assert from "node:assert/strict";
import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { readComponent } from "../../src/app/read-component.ts";
import type { LabHost } from "../../src/lab/lab.ts";
import type { Component } from "../../src/model/component.ts";
import type { JournalEvent } from "../../src/model/run-event.ts";
import { type FleetComponent, type FleetTrees, fleetComponents, fleetTrees } from "./fleet-trees.ts";
import type { Home } from "./with-home.ts";
import { withSystemdLab } from "./with-lab.ts";
import { type Place, say, withSystemdWorld } from "./with-systemd-world.ts";

/** The role of a host is the first part of its name. */
const roles: Readonly<Record<string, FleetComponent>> = { db: "database", cache: "cache", app: "api", gw: "gateway" };
const sites: Readonly<Record<string, string>> = { "app-2": "south", "app-3": "west" };
export const fleetHosts = ["db-1", "cache-1", "app-1", "app-2", "app-3", "gw-1"] as const;

/** What R2 has, word for word. */
export const releaseText = `components:
  - name: database
    version: v2
    depends_on: []
  - name: cache
    version: v2
    depends_on: [database]
  - name: api
    version: v2
    depends_on: [cache]
  - name: gateway
    version: v2
    depends_on: [api]
strategy: rolling
rollback_policy: auto
`;

export interface FleetWorld extends Home {
  readonly debian: FleetTrees["debian"];
  host(name: (typeof fleetHosts)[number]): LabHost;
  /** Hosts that run the component. */
  hostsOf(component: FleetComponent): readonly LabHost[];
  /** Publishes Debian's older or newer server as `version`, with another contract or tree where wanted. */
  publishServer(request: {
    readonly component: FleetComponent;
    readonly version: string;
    readonly which: "older" | "newer";
    readonly contract?: (document: Component) => Component;
    readonly edit?: (tree: string) => Promise<void>;
  }): Promise<void>;
  /** Pushes a Release as text. */
  pushText(text: string): Promise<string>;
}

export async function withFleet<T>(body: (fleet: FleetWorld) => Promise<T>): Promise<T> {
  const trees = await fleetTrees();
  const sources = fileURLToPath(new URL("../../deploy/components/", import.meta.url));
  const contracts = new Map<FleetComponent, Awaited<ReturnType<typeof readComponent>>>();
  const units: Record<string, string> = {};
  const unitNames = new Map<FleetComponent, readonly string[]>();
  for (const component of fleetComponents) {
    contracts.set(component, await readComponent(join(sources, component, "component.yaml")));
    const names = await readdir(join(sources, component, "units"));
    unitNames.set(component, names);
    for (const name of names) units[name] = await readFile(join(sources, component, "units", name), "utf8");
  }
  const documentOf = (component: FleetComponent) => {
    const found = contracts.get(component);
    assert.ok(found);
    return found;
  };
  const place = ({ name }: LabHost): Place => {
    const role = name.split("-")[0] ?? "";
    const component = componentOf(name);
    const labels = { role, site: sites[name] ?? "north" };
    return { components: [component], labels, units: unitNames.get(component) ?? [] };
  };
  const request = { contracts: fleetComponents.map((name) => documentOf(name).component), units, place };
  return withSystemdLab(fleetHosts, (lab) =>
    withSystemdWorld(lab, { ...request, policy: { batchSize: 2 } }, (home) =>
      body({
        ...home,
        debian: trees.debian,
        host: (name) => {
          const found = lab.hosts.find((host) => host.name === name);
          assert.ok(found);
          return found;
        },
        hostsOf: (component) => lab.hosts.filter((host) => componentOf(host.name) === component),
        async publishServer({ component, version, which, contract = (document) => document, edit }) {
          const tree = await trees.build(component, version, which, join(home.directory, "trees"));
          await edit?.(tree);
          const { component: document, bundleDirectory } = documentOf(component);
          await home.publish(contract(document), version, tree, bundleDirectory);
        },
        pushText: (text) => home.push({ "release.yaml": text }),
      }),
    ),
  );
}

export function componentOf(host: string): FleetComponent {
  const component = roles[host.split("-")[0] ?? ""];
  assert.ok(component);
  return component;
}

/** The version that a host's server runs from, by the kernel's word about its process. */
export async function runningVersion(host: LabHost): Promise<string> {
  const component = componentOf(host.name);
  const pid = await mainPid(host);
  const path = await say(host, "readlink", `/proc/${pid}/exe`);
  const version = /^\/srv\/cutover\/([a-z]+)\/versions\/([^/]+)\/bin\/[a-z-]+$/.exec(path);
  assert.equal(version?.[1], component, `${host.name}: ${path}`);
  return version?.[2] ?? "";
}

export function mainPid(host: LabHost): Promise<string> {
  return say(host, "systemctl", "show", "-p", "MainPID", "--value", `${componentOf(host.name)}.service`);
}

/** The inode of the listening socket: the same one means that it was never closed. */
export function listenerOf(host: LabHost): Promise<string> {
  const port = componentOf(host.name) === "gateway" ? 8080 : 8081;
  return say(host, "sh", "-c", `ss -Hltne 'sport = :${port}' | grep -o 'ino:[0-9]*'`);
}

/** Components in the order of their first and last word about a switch: `+api` when the first host begins, `-api` when the last has ended. */
export function switchOrder(events: readonly JournalEvent[], action: "do" | "undo"): string[] {
  const words = events.flatMap((event) => {
    if (event.kind !== "task" || event.event.action !== action) return [];
    const [, component = "", task] = event.event.task.split("/");
    return task === "switch" ? [{ component, state: event.event.state }] : [];
  });
  const marks = [...new Set(words.map(({ component }) => component))].flatMap((component) => [
    { at: words.findIndex((word) => word.component === component), mark: `+${component}` },
    {
      at: words.findLastIndex((word) => word.component === component && word.state !== "running"),
      mark: `-${component}`,
    },
  ]);
  return marks.sort((a, b) => a.at - b.at).map(({ mark }) => mark);
}
