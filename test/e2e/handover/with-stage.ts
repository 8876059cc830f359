// The stage of a row: hosts of its own, enrolled, with everything beside the component in place. All of it is gone afterwards.
import assert from "node:assert/strict";
import { mkdir, mkdtemp } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { freePort } from "../../../src/lab/free-port.ts";
import type { Lab, LabHost } from "../../../src/lab/lab.ts";
import { startLoopbackLab } from "../../../src/lab/loopback-lab.ts";
import { startSystemdLab } from "../../../src/lab/systemd-lab.ts";
import { leaksOf } from "../../support/leak-check.ts";
import { type Contract, type Home, withHome } from "../../support/with-home.ts";
import { withSystemdWorld } from "../../support/with-systemd-world.ts";
import { enrolment } from "../../support/with-world.ts";
import type { Place, Row, RowComponent } from "./row.ts";

export interface Stage {
  readonly home: Home;
  readonly place: Place;
  readonly contract: Contract;
  /** Where clients go. */
  readonly front: LabHost;
  /** Names of those that have the component. */
  readonly hosts: readonly string[];
  /** Builds and publishes a version of the row's component, `contract` in the place of its own. */
  publish(version: string, which: "A" | "B", contract?: Contract): Promise<void>;
  /** Releases the version, with everything beside; the component's own part is what the run is about. */
  push(version: string): Promise<void>;
}

const besideVersion = "1.0.0";

export async function withStage<T>(row: Row, body: (stage: Stage) => Promise<T>): Promise<T> {
  const names = row.hosts ?? ["host"];
  const lab = await startLab(row, names);
  try {
    return await onLab(row, lab, body);
  } finally {
    await lab.down();
    assert.deepEqual(await leaksOf({ ...lab, hosts: names.length }), [], `${row.name} left something behind`);
  }
}

async function startLab({ lab, packages = [] }: Row, hosts: readonly string[]): Promise<Lab> {
  const request = { directory: await mkdtemp(join(tmpdir(), "cutover-lab-")), hosts };
  return lab === "systemd" ? startSystemdLab({ ...request, packages }) : startLoopbackLab(request);
}

async function onLab<T>(row: Row, lab: Lab, body: (stage: Stage) => Promise<T>): Promise<T> {
  const ports = lab.kind === "systemd" ? ([8080, 8081, 8082] as const) : await freePorts(lab);
  const directory = join(lab.directory, "row");
  await mkdir(directory);
  const place: Place = { ports, directory };
  const { around = (_place, work) => work() } = row;
  return around(place, () => onStage(row, lab, place, body));
}

async function onStage<T>(row: Row, lab: Lab, place: Place, body: (stage: Stage) => Promise<T>): Promise<T> {
  const { directory } = place;
  const host = hostOf(lab, lab.hosts[0]?.name);
  const parts: Part[] = [{ part: row, contract: await row.contract(place), on: row.on ?? [host.name] }];
  for (const part of row.beside ?? []) parts.push({ part, contract: await part.contract(place), on: [part.host] });
  for (const one of lab.hosts) await row.setUp?.(one, place);
  const build = async (home: Home, { part, contract }: Part, version: string, which: "A" | "B") => {
    const tree = join(directory, "trees", contract.name, version);
    await mkdir(tree, { recursive: true });
    await part.build({ version, which, directory: tree, place });
    await home.publish(contract, version, tree, part.bundle);
  };
  return inWorld(lab, parts, async (home) => {
    for (const part of parts.slice(1)) await build(home, part, besideVersion, "A");
    const [own] = parts;
    assert.ok(own);
    return body({
      home,
      place,
      contract: own.contract,
      hosts: own.on,
      front: hostOf(lab, row.front ?? host.name),
      publish: (version, which, contract = own.contract) => build(home, { ...own, contract }, version, which),
      async push(version) {
        const beside = parts.slice(1).map(({ contract: { name } }) => ({ name, version: besideVersion }));
        await home.pushVersion(own.contract.name, version, {
          components: [{ name: own.contract.name, version }, ...beside],
        });
      },
    });
  });
}

interface Part {
  readonly part: RowComponent;
  readonly contract: Contract;
  readonly on: readonly string[];
}

/** Enrols the hosts, each with its own components and units. */
function inWorld<T>(lab: Lab, parts: readonly Part[], body: (home: Home) => Promise<T>): Promise<T> {
  const contracts = parts.map(({ contract }) => contract);
  const componentsOn = (name: string) =>
    parts.filter(({ on }) => on.includes(name)).map(({ contract }) => contract.name);
  if (lab.kind === "systemd") {
    const units = Object.assign({}, ...parts.map(({ part }) => part.units ?? {}));
    const place = ({ name }: LabHost) => ({
      components: componentsOn(name),
      labels: {},
      units: parts.filter(({ on }) => on.includes(name)).flatMap(({ part }) => Object.keys(part.units ?? {})),
    });
    return withSystemdWorld(lab, { contracts, units, place }, body);
  }
  return withHome(
    lab,
    {
      contracts,
      enrolment: async (host) => ({ ...(await enrolment(host)), components: componentsOn(host.name) }),
      retire: async () => {}, // the lab goes with all that runs in it
    },
    body,
  );
}

async function freePorts(lab: Lab): Promise<readonly [number, number, number]> {
  const found = new Set<number>();
  while (found.size < 3) found.add(await freePort(lab.hosts.map(({ address }) => address)));
  return [...found] as unknown as readonly [number, number, number];
}

function hostOf(lab: Lab, name: string | undefined): LabHost {
  const found = lab.hosts.find((host) => host.name === name);
  assert.ok(found, `no host ${name}`);
  return found;
}
