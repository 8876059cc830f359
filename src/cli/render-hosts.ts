// What hosts said about themselves. Everything in it is a host's own word, so nothing of it is trusted to be printable. Pure.
import type { Observation, ObservedComponent } from "../model/observation.ts";
import { foldHosts } from "../status/fold-hosts.ts";
import { nextForSilent } from "../status/silent-words.ts";
import { type Cell, tableLines } from "./table.ts";
import { type Line, styled } from "./text.ts";
import { counted, formatCount } from "./units.ts";

/** The unreachable first, each with its reason; then one line a host. */
export function renderHosts(observations: readonly Observation[]): Line[] {
  const silent = observations.flatMap((each) => (each.kind === "unreachable" ? [each] : []));
  const answered = observations.flatMap((each) => (each.kind === "observed" ? [each] : []));
  const rows = answered.map(({ host, facts, components }): Cell[] => [
    { text: host, style: "strong" },
    { text: facts.mode },
    { text: `${facts.arch} ${facts.kernel}` },
    { text: facts.systemd ? "systemd" : "no systemd" },
    { text: facts.hostScript },
    { text: components.map(describeComponent).join(", ") || "nothing installed" },
  ]);
  return [
    ...silent.map(({ host, code, message }): Line => [styled(`${host} `, "bad"), `${code}: ${message}`]),
    ...(rows.length === 0 ? [] : tableLines(["host", "mode", "system", "init", "host.sh", "components"], rows)),
    [`${formatCount(answered.length)} of ${counted(observations.length, "host")} answered`],
  ];
}

export interface AwaitedView {
  readonly run: string;
  readonly release: string;
  readonly hosts: readonly string[];
}

/** Runs that wait for hosts which were asked, and what makes them go on. */
export function awaitedLines(awaited: readonly AwaitedView[], observations: readonly Observation[]): Line[] {
  const silent = new Set(observations.flatMap(({ kind, host }) => (kind === "unreachable" ? [host] : [])));
  const still = awaited.flatMap(({ hosts }) => hosts.filter((host) => silent.has(host)));
  const next = still.length === 0 ? "cutover reconcile --once" : nextForSilent(still);
  return [
    ...awaited.map(
      ({ run, release, hosts }): Line => [
        styled("waited for:", "warn"),
        ` run ${run} of ${release} waits for word from ${foldHosts(hosts, { ranges: 8 })}`,
      ],
    ),
    ...(awaited.length === 0 ? [] : [[styled("next:", "accent"), ` ${next}`] as const]),
  ];
}

function describeComponent({ component, current, committed, state, active }: ObservedComponent): string {
  const version = current ?? "none";
  const word = state === "committed" || state === "none" ? "" : ` (${state})`;
  const drift =
    state === "committed" && committed !== undefined && committed !== current ? ` (drifted from ${committed})` : "";
  return `${component} ${version}${word}${drift}${active === false ? " not running" : ""}`;
}
