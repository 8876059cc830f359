// One Release against the hosts: targets with their versions (R34), and a dependency graph without holes or cycles.
import type { DesiredComponent } from "../model/desired.ts";
import { quotable } from "../model/diagnostic.ts";
import type { Host } from "../model/fleet.ts";
import type { Release, ReleaseComponent, Selector } from "../model/release.ts";
import { nearest } from "./nearest.ts";
import { slotProblems } from "./ranges.ts";

/** Files a finding at a path of the document. */
export type Report = (
  path: readonly (string | number)[],
  words: { message: string; expected?: string; nearest?: string },
) => void;

/** Components in the order of the document. `hosts` are sorted by name, so targets are too. */
export function resolveRelease(input: {
  readonly release: Release;
  readonly hosts: readonly Host[];
  readonly report: Report;
}): DesiredComponent[] {
  const { release, hosts, report } = input;
  const names = release.components.map(({ name }) => name);
  for (const [index, { name, depends_on }] of release.components.entries()) {
    const path = ["components", index] as const;
    if (names.indexOf(name) < index)
      report([...path, "name"], {
        message: `component ${name} is there twice`,
        expected: "each component once; other versions go into selectors",
      });
    for (const [place, needed] of depends_on.entries()) {
      if (names.includes(needed)) continue;
      report([...path, "depends_on", place], {
        message: `this release has no component ${needed}`,
        ...closest(needed, names),
      });
    }
  }
  reportCycles(release.components, report);
  reportSlots(release.components, report);
  return release.components.map((component, index) => {
    return {
      name: component.name,
      dependsOn: component.depends_on,
      targets: resolveTargets({ component, index, hosts, report }),
    };
  });
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

function matches(host: Host, match: Selector["match"]): boolean {
  return Object.entries(match).every(
    ([label, value]) => Object.hasOwn(host.labels, label) && host.labels[label] === value,
  );
}

/** Each cycle once, at the edge that closes it. Iterative: a chain may be as long as the release. */
function reportCycles(components: readonly ReleaseComponent[], report: Report): void {
  const places = new Map(components.map(({ name }, index) => [name, index]));
  const state = new Map<string, "open" | "closed">();
  for (const { name: start } of components) {
    const trail: { name: string; next: number }[] = state.has(start) ? [] : [{ name: start, next: 0 }];
    while (trail.length > 0) {
      const top = trail[trail.length - 1];
      if (top === undefined) break;
      state.set(top.name, "open");
      const index = places.get(top.name) ?? -1;
      const needed = components[index]?.depends_on[top.next];
      if (needed === undefined) {
        state.set(top.name, "closed");
        trail.pop();
        continue;
      }
      const path = ["components", index, "depends_on", top.next++];
      if (state.get(needed) === "open") {
        const cycle = trail.slice(trail.findIndex(({ name }) => name === needed)).map(({ name }) => name);
        report(path, {
          message: `a cycle: ${[...cycle, needed].join(" → ")}`,
          expected: "an order in which each can be reached",
        });
      } else if (!state.has(needed) && places.has(needed)) {
        trail.push({ name: needed, next: 0 });
      }
    }
  }
}

function closest(word: string, known: Iterable<string>): { nearest?: string } {
  const close = nearest(word, known);
  return close === undefined ? {} : { nearest: close };
}
