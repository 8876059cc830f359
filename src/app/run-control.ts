// What an operator may do to runs by hand: hold and resume hosts, try again what failed. Each leaves who and why.
import { nearest } from "../desired/nearest.ts";
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
  // Two letters the wrong way round are the commonest slip, and two changes of a short word.
  const near = known.find((name) => sorted(name) === sorted(unknown)) ?? nearest(unknown, known);
  throw new UsageError(
    `The fleet of the last accepted commit has no host ${unknown}${near === undefined ? "" : `; did you mean ${near}?`}`,
    near === undefined ? "cutover status" : `cutover hold ${near} --reason …`,
  );
}

const sorted = (word: string): string => [...word].sort().join("");

/** Throws UsageError when there is no such hold. */
export async function resumeHost(
  memory: Memory,
  { host, by, reason }: OperatorAct & { host?: string | undefined },
): Promise<void> {
  const { holds } = await recall(memory);
  if (!holds.has(host ?? "*")) {
    const held = [...holds.keys()].map((name) => (name === "*" ? "the whole fleet" : name));
    throw new UsageError(
      `${host ?? "The whole fleet"} is not on hold; on hold: ${held.join(", ") || "nothing"}`,
      "cutover status",
    );
  }
  await remember(memory, { kind: "resumed", host, by, reason });
}

export interface Retried {
  readonly lifted: readonly QuarantineEntry[];
  /** Plans that waited for their next try and do not any more. */
  readonly released: readonly BackOff[];
}

/** Lifts the quarantine of a component's trees and ends the pause of plans that failed, so that the next pass tries both. */
export async function retryVersion(
  memory: Memory,
  { component, by, reason }: OperatorAct & { component?: string | undefined },
): Promise<Retried> {
  const { quarantined } = await recall(memory);
  const lifted = [...quarantined.values()].filter((entry) => component === undefined || entry.component === component);
  const waiting = await allBackOffs(memory, "after-a-pause");
  const released = waiting.filter(({ components }) => component === undefined || components.includes(component));
  if (lifted.length === 0 && released.length === 0) {
    const of = component === undefined ? "" : ` of ${component}`;
    throw new UsageError(`Nothing${of} is quarantined or waits for another try`, "cutover status");
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
    { kind: "retry-asked", component, by, reason },
  );
  return { lifted, released };
}
