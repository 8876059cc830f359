// What an operator may do to runs by hand: hold and resume hosts, try again what failed. Each leaves who and why.
import { didYouMean, meantName } from "../desired/nearest.ts";
import { UsageError } from "../errors.ts";
import { knownHosts } from "./accept-commit.ts";
import { allBackOffs, type BackOff } from "./back-off.ts";
import type { Controller } from "./controller.ts";
import { type QuarantineEntry, recall, remember } from "./controller-memory.ts";

type Memory = Pick<Controller, "journal" | "clock" | "settings">;

export interface OperatorAct {
  /** Who: the operator's user name. */
  readonly by: string;
  readonly reason: string;
}

/** Plans leave the host (or, without one, the whole fleet) alone until it is resumed. A run under way is not touched. */
export async function holdHost(
  memory: Memory,
  { host, by, reason }: OperatorAct & { host?: string | undefined },
): Promise<void> {
  if (host !== undefined) await requireKnownHosts(memory, [host]);
  await remember(memory, { kind: "held", host, by, reason });
}

/** Throws UsageError for a name that the fleet does not have: a hold with a typo holds nothing. Before the first pass nobody knows. */
export async function requireKnownHosts({ journal }: Pick<Memory, "journal">, hosts: readonly string[]): Promise<void> {
  const known = await knownHosts(journal);
  const unknown = known === undefined ? undefined : hosts.find((host) => !known.includes(host));
  if (known === undefined || unknown === undefined) return;
  const near = meantName(unknown, known);
  throw new UsageError(
    `The fleet of the last accepted commit has no host ${unknown}${didYouMean(near)}`,
    near === undefined ? "cutover status" : `cutover hold ${near} --reason …`,
  );
}

/** Throws UsageError when there is no such hold. */
export async function resumeHost(
  memory: Memory,
  { host, by, reason }: OperatorAct & { host?: string | undefined },
): Promise<void> {
  const { holds } = await recall(memory);
  if (!holds.has(host ?? "*")) {
    const held = [...holds.keys()].map((name) => (name === "*" ? "the whole fleet" : name));
    const named = [...holds.keys()].filter((name) => name !== "*");
    const meant = host === undefined ? named.join(" ") : (meantName(host, named) ?? "");
    throw new UsageError(
      `${host ?? "The whole fleet"} is not on hold; on hold: ${held.join(", ") || "nothing"}`,
      meant === "" ? "cutover status" : `cutover resume ${meant} --reason …`,
    );
  }
  await remember(memory, { kind: "resumed", host, by, reason });
}

export interface Retried {
  readonly lifted: readonly QuarantineEntry[];
  /** Plans that waited for their next try and do not any more. */
  readonly released: readonly BackOff[];
}

export interface RetryRequest extends OperatorAct {
  readonly component?: string | undefined;
  /** Only this version of the component. */
  readonly version?: string | undefined;
}

/** Lifts the quarantine of a component's trees and ends the pause of plans that failed, so that the next pass tries both. */
export async function retryVersion(memory: Memory, { component, version, by, reason }: RetryRequest): Promise<Retried> {
  const { quarantined } = await recall(memory);
  const isMeant = (entry: { component: string; version: string }) =>
    (component === undefined || entry.component === component) && (version === undefined || entry.version === version);
  const lifted = [...quarantined.values()].filter(isMeant);
  const waiting = await allBackOffs(memory, "after-a-pause");
  const released = waiting.filter(({ versions }) => versions.map(splitVersion).some(isMeant));
  if (lifted.length === 0 && released.length === 0) {
    const of = component === undefined ? "" : ` of ${component}${version === undefined ? "" : ` ${version}`}`;
    const others = [...quarantined.values()].filter((entry) => entry.component === component);
    const hint = others.length === 0 ? "" : `; quarantined: ${others.map((entry) => entry.version).join(", ")}`;
    const known = [...quarantined.values(), ...waiting.flatMap(({ versions }) => versions.map(splitVersion))];
    const names = new Set(known.map((entry) => entry.component));
    const meant = component === undefined || names.has(component) ? undefined : meantName(component, names);
    const [other] = others;
    const near = meant ?? (other === undefined ? undefined : `${other.component}@${other.version}`);
    throw new UsageError(
      `Nothing${of} is quarantined or waits for another try${hint}${didYouMean(meant)}`,
      near === undefined ? "cutover status" : `cutover retry ${near} --reason …`,
    );
  }
  await remember(
    memory,
    ...lifted.map((entry) => ({
      kind: "quarantine-lifted" as const,
      component: entry.component,
      tree: entry.tree,
      by,
      reason,
    })),
    { kind: "retry-asked", component, ...(version === undefined ? {} : { version }), by, reason },
  );
  return { lifted, released };
}

/** `shop@1.2.3`; without a version only the component. */
export function splitVersion(text: string): { readonly component: string; readonly version: string } {
  const [component = "", version = ""] = text.split("@", 2);
  return { component, version };
}
