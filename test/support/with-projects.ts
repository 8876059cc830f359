// The world of parallel projects: small components that live together on every host. The check after each one's switch waits
// until the test opens its gate, so a run stays in the middle of a switch for as long as the test likes.
import { mkdir, readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { Lab, LabHost } from "../../src/lab/lab.ts";
import { type Home, withHome } from "./with-home.ts";
import { enrolment, retire } from "./with-world.ts";

export interface ProjectsWorld extends Home {
  /** A release document that wants these versions everywhere; `dependsOn` by component. */
  project(
    name: string,
    versions: Readonly<Record<string, string>>,
    dependsOn?: Readonly<Record<string, readonly string[]>>,
  ): Readonly<Record<string, unknown>>;
  /** Checks of these components pass, or wait. */
  openGates(components: readonly string[]): Promise<void>;
  closeGates(components: readonly string[]): Promise<void>;
  /** Versions of the component whose check began on the host, in order: one entry a switch. */
  looked(host: LabHost, component: string): Promise<readonly string[]>;
  current(host: LabHost, component: string): Promise<string>;
}

export interface ProjectsRequest {
  /** By component, the versions that are published. */
  readonly versions: Readonly<Record<string, readonly string[]>>;
  /** By component, the hosts that it lives on; all of them where it is not named. */
  readonly places?: Readonly<Record<string, readonly string[]>>;
  /** Ports that a component needs for itself. */
  readonly ports?: Readonly<Record<string, readonly number[]>>;
}

export function withProjects<T>(
  lab: Lab,
  { versions, places = {}, ports = {} }: ProjectsRequest,
  body: (world: ProjectsWorld) => Promise<T>,
): Promise<T> {
  const contracts = Object.keys(versions).map((name) => ({
    ...{ apiVersion: "cutover/v1", kind: "Component", name, root: `/srv/cutover/${name}`, manager: "none" },
    switch: { strategy: "none" },
    tasks: [{ name: "look", do: "look" }],
    health: [{ kind: "executable", task: "look", withinSeconds: 900 }],
    needs: { ports: [...(ports[name] ?? [])] },
    deadlineSeconds: 1_200,
  }));
  const names = contracts.map(({ name }) => name);
  const placed = async (host: LabHost) => ({
    ...(await enrolment(host)),
    components: names.filter((name) => places[name]?.includes(host.name) ?? true),
  });
  return withHome(lab, { contracts, policy: { batchSize: 10 }, enrolment: placed, retire }, async (home) => {
    const gate = (component: string) => join(home.directory, `open-${component}`);
    const onHost = (host: LabHost, path: string) => host.pathOf(`${host.prefix}/srv/cutover/${path}`);
    const publishAll = async (contract: (typeof contracts)[number]) => {
      const bundle = join(home.directory, "bundles", contract.name);
      await mkdir(bundle, { recursive: true });
      const look = `echo "$CUTOVER_VERSION" >>"$CUTOVER_ROOT.looked"\nuntil [ -e '${gate(contract.name)}' ]; do sleep 0.05; done\n`;
      await writeFile(join(bundle, "look"), `#!/bin/sh\n${look}`, { mode: 0o755 });
      for (const version of versions[contract.name] ?? []) {
        // The same files for all of them: runs that go on side by side bring the same bytes.
        const tree = join(home.directory, "trees", contract.name, version);
        await mkdir(tree, { recursive: true });
        await writeFile(join(tree, "version"), version);
        await home.publish(contract, version, tree, bundle);
      }
    };
    await Promise.all(contracts.map(publishAll));
    return body({
      ...home,
      project: (name, wanted, dependsOn = {}) => ({
        ...{ apiVersion: "cutover/v1", kind: "Release", name, policy: "default" },
        components: Object.entries(wanted).map(([component, version]) => ({
          name: component,
          version,
          depends_on: dependsOn[component] ?? [],
        })),
      }),
      openGates: async (names) => void (await Promise.all(names.map((name) => writeFile(gate(name), "")))),
      closeGates: async (names) => void (await Promise.all(names.map((name) => rm(gate(name), { force: true })))),
      looked: async (host, component) =>
        (await readFile(onHost(host, `${component}.looked`), "utf8").catch(() => "")).split("\n").filter(Boolean),
      current: (host, component) => readFile(onHost(host, `${component}/current/version`), "utf8"),
    });
  });
}
