// Plan edits against the releases that they edit: holds, exclusions and pins change what is meant for a host, here, before
// anything is compared with hosts; splits, moves and gates are kept for the planner. Pure.
import type { DesiredComponent, DesiredRelease, DesiredTarget } from "../model/desired.ts";
import type { Host } from "../model/fleet.ts";
import { type Edit, editReason, type NamedEdit, type PlanEdit } from "../model/plan-edit.ts";
import { nearest } from "./nearest.ts";
import type { ParsedDocument } from "./parse-documents.ts";
import type { Report } from "./report.ts";
import { matches } from "./resolve-release.ts";

export interface EditsRequest {
  readonly documents: readonly ParsedDocument[];
  readonly releases: readonly DesiredRelease[];
  readonly hosts: readonly Host[];
  /** Names of the Procedure's phases. */
  readonly phases: readonly string[];
  readonly reportOn: (parsed: ParsedDocument) => Report;
}

interface Placed {
  readonly edit: NamedEdit;
  readonly report: Report;
}

/** The releases as their edits leave them. Reports what an edit names and nobody has, and edits that contradict each other. */
export function resolveEdits({ documents, releases, hosts, phases, reportOn }: EditsRequest): DesiredRelease[] {
  const placed = new Map<string, Placed[]>();
  const names = releases.map(({ name }) => name);
  for (const parsed of [...documents].sort(byName)) {
    const document = parsed.document as PlanEdit;
    const report = reportOn(parsed);
    if (!names.includes(document.release)) {
      report(["release"], { message: `there is no release ${document.release}`, ...closest(document.release, names) });
      continue;
    }
    const mine = document.edits.map((edit, index): Placed => {
      const at: Report = (path, words) => report(["edits", index, ...path], words);
      return { edit: { ...edit, document: document.name }, report: at };
    });
    placed.set(document.release, [...(placed.get(document.release) ?? []), ...mine]);
  }
  return releases.map((release) => {
    const edits = placed.get(release.name);
    return edits === undefined ? release : editRelease({ release, edits, hosts, phases });
  });
}

interface ReleaseEdits {
  readonly release: DesiredRelease;
  readonly edits: readonly Placed[];
  readonly hosts: readonly Host[];
  readonly phases: readonly string[];
}

function editRelease({ release, edits, hosts, phases }: ReleaseEdits): DesiredRelease {
  const targets = new Map<string, DesiredTarget>(
    release.components.flatMap(({ name, targets }) =>
      targets.map((target) => [`${target.host}/${name}`, target] as const),
    ),
  );
  const known: Known = { release, targets, hosts, phases, taken: new Map() };
  for (const { edit, report } of edits) {
    if (!checkNames(edit, known, report) || !checkTaken(edit, known, report)) continue;
    for (const place of placesOf(edit, known)) {
      const target = targets.get(place);
      if (target !== undefined) targets.set(place, editTarget(target, edit));
    }
  }
  const components = release.components.map((component): DesiredComponent => {
    const mine = component.targets.map((target) => targets.get(`${target.host}/${component.name}`) ?? target);
    return { ...component, targets: mine };
  });
  return { ...release, components, edits: edits.map(({ edit }) => edit) };
}

function editTarget(target: DesiredTarget, edit: NamedEdit): DesiredTarget {
  switch (edit.kind) {
    case "hold": {
      // The whole host is the stronger word, whichever comes first.
      const part = edit.component !== undefined;
      return part && target.held !== undefined ? target : { ...target, held: { why: editReason(edit), part } };
    }
    case "exclude":
      return { ...target, excluded: editReason(edit) };
    case "pin":
      return edit.version === target.version
        ? target
        : { ...target, version: edit.version, insteadOf: target.insteadOf ?? target.version };
    default:
      return target;
  }
}

interface Known {
  readonly release: DesiredRelease;
  /** Keyed by `host/component`. */
  readonly targets: ReadonlyMap<string, DesiredTarget>;
  readonly hosts: readonly Host[];
  readonly phases: readonly string[];
  /** What an earlier edit has decided already, in words. */
  readonly taken: Map<string, string>;
}

/** Targets that an edit changes, as `host/component`. */
function placesOf(edit: Edit, { release, targets, hosts }: Known): string[] {
  if (edit.kind === "exclude") return [`${edit.host}/${edit.component}`];
  if (edit.kind === "hold") {
    const components = edit.component === undefined ? release.components.map(({ name }) => name) : [edit.component];
    return components.map((component) => `${edit.host}/${component}`).filter((place) => targets.has(place));
  }
  if (edit.kind !== "pin") return [];
  const { host: only, match = {} } = edit;
  return hosts
    .filter((host) => (only === undefined || host.name === only) && matches(host, match))
    .map(({ name }) => `${name}/${edit.component}`)
    .filter((place) => targets.has(place));
}

/** False when the edit names what nobody has; then it does nothing. */
function checkNames(edit: Edit, known: Known, report: Report): boolean {
  const { release, targets, hosts, phases } = known;
  const host = "host" in edit ? edit.host : undefined;
  const component = "component" in edit ? edit.component : undefined;
  const components = release.components.map(({ name }) => name);
  if (host !== undefined && !hosts.some(({ name }) => name === host)) {
    const names = hosts.map(({ name }) => name);
    report(["host"], { message: `the Fleet has no host ${host}`, ...closest(host, names) });
    return false;
  }
  if (component !== undefined && !components.includes(component)) {
    const message = `release ${release.name} has no component ${component}`;
    report(["component"], { message, ...closest(component, components) });
    return false;
  }
  const here = component === undefined ? components : [component];
  if (host !== undefined && !here.some((name) => targets.has(`${host}/${name}`))) {
    const message = `release ${release.name} ${component === undefined ? "has nothing" : `does not have ${component}`} on ${host}`;
    report(["host"], { message, expected: "a host that the release is meant for" });
    return false;
  }
  if (edit.kind === "pin" && placesOf(edit, known).length === 0) {
    report([edit.match === undefined ? "host" : "match"], {
      message: `no host of ${edit.component} carries these labels`,
    });
    return false;
  }
  if (edit.kind === "gate" && edit.beforePhase !== undefined && !phases.includes(edit.beforePhase)) {
    const message = `the Procedure has no phase ${edit.beforePhase}`;
    report(["beforePhase"], { message, expected: `one of ${phases.join(", ")}`, ...closest(edit.beforePhase, phases) });
    return false;
  }
  return true;
}

/** False when an earlier edit says something else about the same thing. */
function checkTaken(edit: NamedEdit, known: Known, report: Report): boolean {
  for (const { key, says, path } of claimsOf(edit, known)) {
    const before = known.taken.get(key);
    if (before === undefined) known.taken.set(key, says);
    else if (before !== says || edit.kind === "gate") {
      report([path], { message: `${says}, and another edit of ${known.release.name} has it already: ${before}` });
      return false;
    }
  }
  return true;
}

function claimsOf(edit: NamedEdit, known: Known): { key: string; says: string; path: string }[] {
  switch (edit.kind) {
    case "pin":
      return placesOf(edit, known).map((place) => {
        return { key: place, says: `${place} is pinned to ${edit.version}`, path: "version" };
      });
    case "exclude":
      return placesOf(edit, known).map((place) => ({ key: place, says: `${place} is excluded`, path: "component" }));
    case "move":
      return [{ key: `move ${edit.host}`, says: `${edit.host} moves to batch ${edit.toBatch}`, path: "toBatch" }];
    case "split":
      return [{ key: `split ${edit.batch}`, says: `batch ${edit.batch} is split by ${edit.size}`, path: "size" }];
    case "gate":
      return [{ key: `gate ${edit.name}`, says: `a gate is called ${edit.name}`, path: "name" }];
    case "hold":
      return [];
  }
}

function byName(a: ParsedDocument, b: ParsedDocument): number {
  return a.document.name < b.document.name ? -1 : 1;
}

function closest(word: string, known: Iterable<string>): { nearest?: string } {
  const close = nearest(word, known);
  return close === undefined ? {} : { nearest: close };
}
