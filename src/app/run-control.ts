// What an operator may do to runs by hand: hold and resume hosts, try a quarantined version again. Each leaves who and why.
import { UsageError } from "../errors.ts";
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
  await remember(memory, { kind: "held", host, by, reason });
}

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

/** Lifts the quarantine of a component's trees, so that the next pass tries them again. Returns what was lifted. */
export async function retryVersion(
  memory: Memory,
  { component, by, reason }: OperatorAct & { component?: string | undefined },
): Promise<readonly QuarantineEntry[]> {
  const { quarantined } = await recall(memory);
  const lifted = [...quarantined.values()].filter((entry) => component === undefined || entry.component === component);
  if (lifted.length === 0) {
    throw new UsageError(
      `Nothing${component === undefined ? "" : ` of ${component}`} is quarantined`,
      "cutover status",
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
  );
  return lifted;
}
