// A plan beside the one that was approved: what it would do that nobody agreed to. Pure.
import type { IntendedChange, Plan, PlannedChange } from "../model/plan.ts";

export interface IntentDifference {
  readonly host: string;
  readonly component: string;
  /** `starts at 0.9.0, not at 1.0.0`. */
  readonly text: string;
}

/**
 * What the changes that can be done now have beyond the approved ones; empty when all of them are among those. Less is no
 * difference: hosts that are held, silent or done already.
 */
export function beyondApproved(plan: Pick<Plan, "changes">, approved: readonly IntendedChange[]): IntentDifference[] {
  const agreed = new Map(approved.map((change) => [`${change.host}/${change.component}`, change]));
  return plan.changes.flatMap((change): IntentDifference[] => {
    const { host, component } = change;
    const start = change.intended ?? change;
    // Healing and committing lead to where the host was brought before: nothing new is decided.
    if (start.from === change.to && start.fromTree === change.toTree) return [];
    const before = agreed.get(`${host}/${component}`);
    if (before !== undefined && isFurtherOn(before, { ...change, ...start })) return [];
    const text = before === undefined ? addedText(change, start.from) : changedText({ ...change, ...start }, before);
    return text === undefined ? [] : [{ host, component, text }];
  });
}

/** A later stretch of a way over stepping stones that was approved whole. */
function isFurtherOn({ to, toTree, further = [] }: IntendedChange, now: Omit<PlannedChange, "intended">): boolean {
  const way = [{ version: to, tree: toTree }, ...further];
  const start = way.findIndex(({ version, tree }) => version === now.from && tree === now.fromTree);
  if (start === -1) return false;
  const left = [{ version: now.to, tree: now.toTree }, ...(now.further ?? [])];
  return (
    left.length === way.length - start - 1 &&
    left.every(({ version, tree }, index) => {
      const meant = way[start + 1 + index];
      return meant?.version === version && meant.tree === tree;
    })
  );
}

function addedText({ to }: PlannedChange, from: string | undefined): string {
  return `${from ?? "(none)"} → ${to} was not part of it`;
}

function changedText(now: Omit<PlannedChange, "intended">, before: IntendedChange): string | undefined {
  if (now.from !== before.from) return `starts at ${now.from ?? "(none)"}, not at ${before.from ?? "(none)"}`;
  if (now.fromTree !== before.fromTree) return `starts at other files than those of the ${now.from} that was reviewed`;
  if (now.to !== before.to) return `goes to ${now.to}, not to ${before.to}`;
  if (now.toTree !== before.toTree) return `goes to other files than those of the ${now.to} that was reviewed`;
  if (wayOf(now) !== wayOf(before)) return `goes on ${wayOf(now)}, not ${wayOf(before)}`;
  if (now.strategy !== before.strategy) return `is switched by ${now.strategy}, not by ${before.strategy}`;
  if (now.deadlineSeconds !== before.deadlineSeconds)
    return `has ${now.deadlineSeconds} s to be confirmed, not ${before.deadlineSeconds}`;
  return undefined;
}

/** `to 1.8.0, 2.0.0`, with the start of each digest, as a name may stand for other files by now. */
function wayOf({ further = [] }: Pick<PlannedChange, "further">): string {
  if (further.length === 0) return "no further";
  return `to ${further.map(({ version, tree }) => `${version} (${tree.slice(7, 15)})`).join(", ")}`;
}
