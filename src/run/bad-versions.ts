// Which versions a failed step speaks against: only what was seen of the version itself counts (P16). Pure.
import type { Step } from "../model/plan.ts";
import type { RunState } from "./run-state.ts";

/** A version that was shown to be bad, with what was seen. */
export interface BadVersion {
  readonly component: string;
  readonly version: string;
  readonly tree: string;
  readonly reason: string;
  readonly evidence: string;
}

/** Reasons of a failed task that are evidence against the version itself, never a deadline, a link or the host (P16). */
const badnessReasons: ReadonlySet<string> = new Set([
  "unhealthy",
  "not-ready",
  "new-version-died",
  "crash-loop",
  "start-failed",
]);

export function badVersions(state: RunState, step: Step): BadVersion[] {
  const bad = new Map<string, BadVersion>();
  const changes = new Map(state.plan?.changes.map((change) => [`${change.host}/${change.component}`, change]));
  for (const task of step.work.flatMap((work) => work.groups.flat())) {
    const record = state.tasks.get(task.id);
    const change = changes.get(`${task.host}/${task.component}`);
    // guard P16: only what was seen of the version itself speaks against it, and all of that does.
    if (!change || state.skipped.has(task.id) || record?.state !== "failed" || !badnessReasons.has(record.reason))
      continue;
    const { component, to: version, toTree: tree } = change;
    bad.set(`${component}@${tree}`, {
      component,
      version,
      tree,
      reason: record.reason,
      evidence: `${task.id}: ${record.evidence}`,
    });
  }
  return [...bad.values()];
}
