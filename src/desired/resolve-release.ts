// One Release against the hosts: targets with their versions (R34), and a dependency graph without holes or cycles.
import type { DesiredComponent } from "../model/desired.ts";
import { quotable } from "../model/diagnostic.ts";
import type { Host } from "../model/fleet.ts";
import type { Release, ReleaseComponent, Selector } from "../model/release.ts";
import { nearest } from "./nearest.ts";
import { reportCycles, reportMissingNames } from "./order-cycles.ts";
import { slotProblems } from "./ranges.ts";
import type { Report } from "./report.ts";
import { reportSkew } from "./skew-limits.ts";

/** Components in the order of the document. `hosts` are sorted by name, so targets are too. */
export function resolveRelease(input: {
  readonly release: Release;
  readonly hosts: readonly Host[];
  readonly report: Report;
}): DesiredComponent[] {
  const { release, hosts, report } = input;
  const names = release.components.map(({ name }) => name);
  for (const [index, { name }] of release.components.entries()) {
    const path = ["components", index] as const;
    if (names.indexOf(name) < index)
      report([...path, "name"], {
        message: `component ${name} is there twice`,
        expected: "each component once; other versions go into selectors",
      });
  }
  reportMissingNames(release.components, report);
  reportCycles(release.components, report);
  reportSlots(release.components, report);
  const resolved = release.components.map((component, index): DesiredComponent => {
    return {
      name: component.name,
      dependsOn: component.depends_on,
      ...(component.consumes.length === 0 ? {} : { consumes: component.consumes }),
      ...(component.skew.length === 0 ? {} : { skew: component.skew }),
      targets: resolveTargets({ component, index, hosts, report }),
    };
  });
  reportSkew(resolved, report);
  return resolved;
}

function resolveTargets(input: {
  component: ReleaseComponent;
  index: number;
  hosts: readonly Host[];
  report: Report;
}): DesiredComponent["targets"] {
  const { component, index, hosts, report } = input;
  const selected = hosts.filter((host) => host.components.includes(component.name));
  if (selected.length === 0) {
    const listed = new Set(hosts.flatMap((host) => host.components));
    report(["components", index, "name"], {
      message: `${component.name} selects no host: no host of the Fleet lists it`,
      expected: "at least one host with it under components",
      ...closest(component.name, listed),
    });
  }
  for (const [place, { match }] of component.selectors.entries()) {
    if (selected.length === 0 || selected.some((host) => matches(host, match))) continue;
    const path = ["components", index, "selectors", place, "match"];
    const labels = new Set(
      selected.flatMap((host) => Object.entries(host.labels).map(([key, value]) => `${key}: ${value}`)),
    );
    const close = closest(Object.entries(match).map(([key, value]) => `${key}: ${value}`)[0] ?? "", labels);
    report(path, {
      message: `no host of ${component.name} carries these labels`,
      ...("nearest" in close ? { nearest: quotable(close.nearest ?? "") } : {}),
    });
  }
  return selected.map((host) => ({ host: host.name, version: versionFor(host, component) }));
}

/** The first selector that matches counts. */
function versionFor(host: Host, component: ReleaseComponent): string {
  return component.selectors.find(({ match }) => matches(host, match))?.version ?? component.version;
}

/** Versions and ranges that contradict themselves, and ranges that nobody has pinned yet (R66). */
function reportSlots(components: readonly ReleaseComponent[], report: Report): void {
  for (const [index, component] of components.entries()) {
    for (const { field, words } of slotProblems(component)) report(["components", index, field], words);
    for (const [place, selector] of component.selectors.entries()) {
      const path = ["components", index, "selectors", place] as const;
      for (const { field, words } of slotProblems(selector)) report([...path, field], words);
    }
  }
}

/** Whether a host carries all these labels. */
export function matches(host: Host, match: Selector["match"]): boolean {
  return Object.entries(match).every(
    ([label, value]) => Object.hasOwn(host.labels, label) && host.labels[label] === value,
  );
}

function closest(word: string, known: Iterable<string>): { nearest?: string } {
  const close = nearest(word, known);
  return close === undefined ? {} : { nearest: close };
}
