// Documents → Desired: which version each component shall have on each host. Pure; every finding across documents is collected.
import type { Component } from "../model/component.ts";
import type { Desired, DesiredRelease } from "../model/desired.ts";
import { allDocuments, type Diagnostic, formatPath, quotable } from "../model/diagnostic.ts";
import { digestOf } from "../model/digest.ts";
import type { DocumentKind } from "../model/document.ts";
import type { Host } from "../model/fleet.ts";
import { builtInPolicy, type Policy, resolvePolicy } from "../model/policy.ts";
import { builtInProcedure, checkProcedure, type Procedure } from "../model/procedure.ts";
import { checkTrust, type Trust } from "../model/trust.ts";
import { reportNeedRanges, reportNeeds } from "./component-needs.ts";
import { nearest } from "./nearest.ts";
import type { ParsedDocument } from "./parse-documents.ts";
import type { Report } from "./report.ts";
import { resolveEdits } from "./resolve-edits.ts";
import { resolveLimits } from "./resolve-limits.ts";
import { resolveRelease } from "./resolve-release.ts";
import { resolveRestorePoint } from "./resolve-restore-point.ts";
import { upgradeProblems } from "./upgrade-ranges.ts";

export interface ResolveRequest {
  readonly commit: string;
  readonly documents: readonly ParsedDocument[];
  /** Git blob ids of all document files. */
  readonly blobs: readonly string[];
}

export interface Resolution {
  /** Undefined when a finding is an error. */
  readonly desired: Desired | undefined;
  readonly components: readonly Component[];
  readonly procedure: Procedure;
  /** The Trust of these documents; undefined when none of them is one. */
  readonly trust: Trust | undefined;
  readonly diagnostics: readonly Diagnostic[];
}

/** A missing Fleet is an error, never an empty fleet (P14). No Release at all is a warning: there is nothing to do yet. */
export function resolveDesired({ commit, documents, blobs }: ResolveRequest): Resolution {
  const diagnostics: Diagnostic[] = [];
  const reportOn = (parsed: ParsedDocument): Report => {
    return (path, { message, ...rest }) => {
      const place = parsed.yaml.place(path, "value");
      diagnostics.push({ severity: "error", file: parsed.file, ...place, path: formatPath(path), message, ...rest });
    };
  };
  const byKind = groupByKind(documents);

  const hosts = collectHosts(byKind.Fleet, reportOn);
  const limits = resolveLimits({ fleets: byKind.Fleet, hosts, reportOn });
  if (byKind.Fleet.length === 0)
    diagnostics.push(nowhere("error", "there is no Fleet document, and a missing one never means an empty fleet"));
  if (byKind.Release.length === 0)
    diagnostics.push(nowhere("warning", "there is no Release document; nothing is changed until there is one"));
  for (const kind of ["Component", "Release", "Policy", "Procedure", "PlanEdit"] as const)
    refuseRepeatedNames(byKind[kind], kind, reportOn);
  for (const kind of ["Trust", "Procedure"] as const) refuseSeveral(byKind[kind], kind, reportOn);

  const policies = byKind.Policy.map(({ document }) => document as Policy);
  const asked = byKind.Release.map((parsed) => {
    const report = reportOn(parsed);
    if (parsed.document.kind !== "Release") throw new TypeError("grouped by kind");
    const components = resolveRelease({ release: parsed.document, hosts, report });
    const policy = findPolicy(parsed.document.policy, policies, report);
    const restorePoint = resolveRestorePoint(parsed.document, report);
    return {
      ...{ name: parsed.document.name, components, rollbackPolicy: parsed.document.rollback_policy, policy },
      ...(restorePoint === undefined ? {} : { restorePoint }),
    };
  });
  const procedure = (byKind.Procedure[0]?.document as Procedure | undefined) ?? builtInProcedure;
  const phases = procedure.phases.map(({ name }) => name);
  const releases = resolveEdits({ documents: byKind.PlanEdit, releases: asked, hosts, phases, reportOn });
  refuseConflicts(byKind.Release, releases, reportOn);
  refuseBrokenNeeds(byKind, releases, reportOn);

  const trust = byKind.Trust[0]?.document as Trust | undefined;
  for (const parsed of byKind.Trust) {
    const report = reportOn(parsed);
    for (const { path, message } of checkTrust(parsed.document as Trust)) report(path, { message });
  }
  for (const parsed of byKind.Procedure) {
    const report = reportOn(parsed);
    for (const { path, message } of checkProcedure(parsed.document as Procedure)) report(path, { message });
  }

  const failed = diagnostics.some(({ severity }) => severity === "error");
  return {
    desired: failed
      ? undefined
      : {
          ...{ commit, generation: generationOf(blobs), hosts, procedure },
          ...(limits.length === 0 ? {} : { limits }),
          releases: sortBy(releases, ({ name }) => name),
        },
    components: byKind.Component.map(({ document }) => document as Component),
    procedure,
    trust,
    diagnostics,
  };
}

/** The same for the same documents, in whatever commit, order or file they are. */
export function generationOf(blobs: readonly string[]): string {
  return digestOf(
    [...blobs]
      .sort()
      .map((blob) => `${blob}\n`)
      .join(""),
  );
}

function groupByKind(documents: readonly ParsedDocument[]): Record<DocumentKind, ParsedDocument[]> {
  const groups: Record<DocumentKind, ParsedDocument[]> = {
    Fleet: [],
    Component: [],
    Release: [],
    Policy: [],
    Procedure: [],
    PlanEdit: [],
    Trust: [],
  };
  for (const parsed of documents) groups[parsed.document.kind].push(parsed);
  return groups;
}

/** Large fleets need several Fleet documents, since a file is capped; host names are unique across them. */
function collectHosts(fleets: readonly ParsedDocument[], reportOn: (parsed: ParsedDocument) => Report): Host[] {
  const hosts = new Map<string, { host: Host; file: string }>();
  for (const parsed of fleets) {
    if (parsed.document.kind !== "Fleet") continue;
    const report = reportOn(parsed);
    for (const [index, host] of parsed.document.hosts.entries()) {
      const other = hosts.get(host.name);
      if (other === undefined) hosts.set(host.name, { host, file: parsed.file });
      else
        report(["hosts", index, "name"], {
          message: `host ${host.name} is there twice, also in ${quotable(other.file)}`,
        });
      for (const [place, component] of host.components.entries()) {
        if (host.components.indexOf(component) < place)
          report(["hosts", index, "components", place], { message: `${component} is there twice` });
      }
    }
  }
  return sortBy(
    [...hosts.values()].map(({ host }) => host),
    ({ name }) => name,
  );
}

function findPolicy(name: string | undefined, policies: readonly Policy[], report: Report) {
  const found = policies.find((policy) => policy.name === (name ?? "default"));
  if (found !== undefined) return resolvePolicy(found);
  if (name !== undefined) {
    const close = nearest(
      name,
      policies.map((policy) => policy.name),
    );
    report(["policy"], { message: `there is no policy ${name}`, ...(close === undefined ? {} : { nearest: close }) });
  }
  return builtInPolicy;
}

/** Two releases that want the same component on the same host would fight (R33). */
function refuseConflicts(
  parsed: readonly ParsedDocument[],
  releases: readonly DesiredRelease[],
  reportOn: (parsed: ParsedDocument) => Report,
): void {
  const owners = new Map<string, string>();
  for (const [index, release] of releases.entries()) {
    const source = parsed[index];
    if (source === undefined) continue;
    for (const [place, component] of release.components.entries()) {
      const clash = component.targets.find(({ host }) => owners.has(`${host}/${component.name}`));
      if (clash !== undefined) {
        const owner = owners.get(`${clash.host}/${component.name}`);
        const message = `${component.name} on ${clash.host} already belongs to release ${owner}`;
        if (owner !== release.name)
          reportOn(source)(["components", place, "name"], {
            message,
            expected: "one release for a component on a host",
          });
      }
      for (const { host } of component.targets) owners.set(`${host}/${component.name}`, release.name);
    }
  }
}

/** Needs between components that these documents break by themselves, and ranges in them that nobody can read (R54). */
function refuseBrokenNeeds(
  byKind: Record<DocumentKind, readonly ParsedDocument[]>,
  releases: readonly DesiredRelease[],
  reportOn: (parsed: ParsedDocument) => Report,
): void {
  const contracts = byKind.Component.map(({ document }) => document as Component);
  const known = [
    ...contracts.map(({ name }) => name),
    ...releases.flatMap(({ components }) => components.map(({ name }) => name)),
  ];
  for (const parsed of byKind.Component) {
    const report = reportOn(parsed);
    reportNeedRanges(parsed.document as Component, known, report);
    for (const { path, words } of upgradeProblems(parsed.document as Component)) report(path, words);
  }
  for (const [index, parsed] of byKind.Release.entries()) {
    const resolved = releases[index];
    if (parsed.document.kind !== "Release" || resolved === undefined) continue;
    reportNeeds({ release: parsed.document, resolved, releases, contracts, report: reportOn(parsed) });
  }
}

function refuseRepeatedNames(
  parsed: readonly ParsedDocument[],
  kind: string,
  reportOn: (parsed: ParsedDocument) => Report,
): void {
  const names = new Map<string, ParsedDocument>();
  for (const each of parsed) {
    const other = names.get(each.document.name);
    if (other === undefined) names.set(each.document.name, each);
    else
      reportOn(each)(["name"], {
        message: `a ${kind} called ${each.document.name} is already in ${quotable(other.file)}`,
        expected: "another name",
      });
  }
}

function refuseSeveral(
  parsed: readonly ParsedDocument[],
  kind: string,
  reportOn: (parsed: ParsedDocument) => Report,
): void {
  for (const each of parsed.slice(1)) {
    reportOn(each)(["kind"], {
      message: `a second ${kind}; the first is in ${quotable(parsed[0]?.file ?? "")}`,
      expected: `one ${kind}`,
    });
  }
}

function nowhere(severity: "error" | "warning", message: string): Diagnostic {
  return { severity, file: allDocuments, line: 1, column: 1, path: "", message };
}

function sortBy<T>(values: readonly T[], key: (value: T) => string): T[] {
  return [...values].sort((a, b) => (key(a) < key(b) ? -1 : key(a) > key(b) ? 1 : 0));
}
