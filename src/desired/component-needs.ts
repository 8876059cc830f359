// Which other components a contract needs on the same host, and whether they will be there (R54). Pure; asked twice: of the
// documents, where the release itself breaks it, and of signed contracts and hosts' own words before anything moves.
import type { Component } from "../model/component.ts";
import type { Desired, DesiredRelease, DesiredTarget } from "../model/desired.ts";
import type { Release } from "../model/release.ts";
import { isRange } from "../model/version-range.ts";
import { nearest } from "./nearest.ts";
import { isWithin, rangeProblem } from "./ranges.ts";
import type { Report } from "./report.ts";

/** A need that does not hold on some hosts, all in the same way. */
export interface BrokenNeed {
  readonly component: string;
  readonly version: string;
  readonly needed: string;
  readonly range: string;
  /** What is or will be there; undefined when there is nothing. */
  readonly found: string | undefined;
  /** Where `found` comes from. */
  readonly source: "wanted" | "running";
  readonly hosts: readonly string[];
}

export interface NeedsRequest {
  readonly release: DesiredRelease;
  /** Every release: what another one wants on the host counts as well. */
  readonly releases: readonly DesiredRelease[];
  /** What a component's version needs of others. */
  readonly needsOf: (component: string, version: string) => Readonly<Record<string, string>>;
  /** What runs on a host now, for components that no release wants there; `unknown` breaks nothing. */
  readonly running: (host: string, component: string) => string | undefined | "unknown";
}

/** In order of the release's components. */
export function brokenNeeds({ release, releases, needsOf, running }: NeedsRequest): BrokenNeed[] {
  const wanted = wantedVersions(releases);
  const broken = new Map<string, BrokenNeed & { hosts: string[] }>();
  for (const { name: component, targets } of release.components) {
    for (const { host, version } of targets.filter(isBrought)) {
      for (const [needed, range] of Object.entries(needsOf(component, version))) {
        const want = wanted.get(`${host}/${needed}`);
        const found = want ?? running(host, needed);
        if (found === "unknown" || (found !== undefined && isWithin(found, range))) continue;
        const source = want === undefined ? "running" : "wanted";
        const key = [component, version, needed, found, source].join("\0");
        const known = broken.get(key);
        if (known) known.hosts.push(host);
        else broken.set(key, { component, version, needed, range, found, source, hosts: [host] });
      }
    }
  }
  return [...broken.values()];
}

/** `api 2.0.0 needs cache ">=7 <8", and 6.2.1 is wanted there`, without the hosts. */
export function describeNeed({ component, version, needed, range, found, source }: BrokenNeed): string {
  const there = found === undefined ? "there is none" : `${found} ${source === "wanted" ? "is wanted" : "runs"} there`;
  return `${component} ${version} needs ${needed} "${range}" on the same host, and ${there}`;
}

/** What the documents of one commit break by themselves. A component that they do not mention may run on the hosts already. */
export function reportNeeds(input: {
  readonly release: Release;
  readonly resolved: DesiredRelease;
  readonly releases: readonly DesiredRelease[];
  readonly contracts: readonly Component[];
  readonly report: Report;
}): void {
  const { release, resolved, releases, report } = input;
  const contracts = new Map(input.contracts.map((contract) => [contract.name, contract]));
  const broken = brokenNeeds({
    release: resolved,
    releases,
    needsOf: (component) => contracts.get(component)?.needs.components ?? {},
    running: () => "unknown",
  });
  // A range that nobody pinned yet is reported where it stands; what it will be, nobody knows.
  for (const need of broken.filter(({ version, found }) => ![version, found ?? version].some(isRange))) {
    // Blame the needed component's version where this release sets it; else the version of the one that needs it.
    const at = pathOf(release, need.needed, need.found) ?? pathOf(release, need.component, need.version);
    const on = need.hosts.length === 1 ? need.hosts[0] : `${need.hosts[0]} and ${need.hosts.length - 1} more hosts`;
    report(at ?? ["components"], { message: `${describeNeed(need)} (${on})` });
  }
}

/** What is wrong with the needs of a Component document beyond its schema. */
export function reportNeedRanges(contract: Component, known: readonly string[], report: Report): void {
  for (const [name, range] of Object.entries(contract.needs.components)) {
    const problem = rangeProblem(range);
    if (problem !== undefined) report(["needs", "components", name], problem);
    const close = known.includes(name) ? undefined : nearest(name, known);
    if (close === undefined) continue;
    report(["needs", "components", name], { message: `no document knows a component ${name}`, nearest: close });
  }
}

function pathOf(release: Release, component: string, version: string | undefined): (string | number)[] | undefined {
  const index = release.components.findIndex(({ name }) => name === component);
  const found = release.components[index];
  if (found === undefined || version === undefined) return undefined;
  if (found.version === version) return ["components", index, "version"];
  const place = found.selectors.findIndex((selector) => selector.version === version);
  return place === -1 ? undefined : ["components", index, "selectors", place, "version"];
}

function wantedVersions(releases: Desired["releases"]): Map<string, string> {
  return new Map(
    releases.flatMap(({ components }) =>
      components.flatMap(({ name, targets }) =>
        targets.filter(isBrought).map(({ host, version }) => [`${host}/${name}`, version] as const),
      ),
    ),
  );
}

/** What a plan edit holds or excludes stays what it is: it needs nothing new, and gives others nothing new. */
function isBrought({ held, excluded }: DesiredTarget): boolean {
  return held === undefined && excluded === undefined;
}
