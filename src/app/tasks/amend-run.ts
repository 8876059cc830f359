// A task bundle that was mended and published again, taken into a run that is under way: new hash, shown difference, same
// journal (DESIGN section 4). The tree stays what it was. The host whose task is tried again gets the new bundle first; every
// other one gets it before it goes on (`run/owed-bundles.ts`).
import { CutoverError, RefusedError } from "../../errors.ts";
import { canonicalJson, digestOf } from "../../model/digest.ts";
import type { Bundles, Plan } from "../../model/plan.ts";
import type { EventBody } from "../../model/run-event.ts";
import { owedAfter } from "../../run/owed-bundles.ts";
import { placeOf } from "../../run/run-state.ts";
import { isApprovedByHash } from "../approval.ts";
import { recall } from "../controller-memory.ts";
import { loadVersion } from "../load-published.ts";
import { namedPlans } from "../named-plans.ts";
import { refuseOtherVersion } from "../version-changed.ts";
import type { FoundTask } from "./find-task.ts";
import type { RetryAct } from "./retry-task.ts";

/** Nothing when the version is as it was planned. Throws `version-changed` when it is not and this was not asked for, `approval-missing`. */
export async function amendment(act: RetryAct, found: FoundTask): Promise<EventBody[]> {
  const { controller, by, reason, amend } = act;
  const { task, state } = found;
  const { trust } = await recall(controller);
  const { component, version } = task;
  const loaded = await loadVersion(controller, { component, version, trust });
  const key = `${component}@${version}`;
  const before = state.plan?.contracts?.[key];
  const { contract } = loaded.published;
  if (state.plan === undefined || before === undefined) return [];
  if (before === contract && amend) throw nothingToAmend(found);
  if (before === contract) return [];
  refuseOtherVersion(loaded.published, { tree: treeOf(state.plan, key), contract: undefined });
  const changes = bundleChanges(state.plan.bundles?.[key], loaded.published.bundleFiles);
  const hash = digestOf(canonicalJson({ amends: state.plan.hash, version: key, contract }));
  if (!amend) throw amendable(found, { changes, hash });
  await requireApproval(act, found, hash);
  return [
    { kind: "amended", component, version, contract, bundle: loaded.published.bundleFiles ?? {}, hash, changes, by, reason }, // biome-ignore format: one line
    ...deliveries(found, loaded.published, { by, reason }),
  ];
}

/** A run that was approved by its hash goes on with another one only when a signed commit names that. */
async function requireApproval({ controller }: RetryAct, { run, state }: FoundTask, hash: string): Promise<void> {
  const { plan, generation } = state;
  if (plan === undefined || !(await isApprovedByHash(controller, { release: plan.release, generation }))) return;
  const { commit } = await controller.repository.fetch();
  const { trust } = await recall(controller);
  await controller.repository.verifySignature(commit, trust.commitSigners);
  const { named } = await namedPlans(controller.repository, {
    ...{ desired: { commit, generation }, directory: controller.settings.directory },
    ...{ signers: trust.commitSigners, sought: hash },
  });
  if (named.some((each) => each.hash === hash)) return;
  throw new RefusedError({
    code: "approval-missing",
    message: `Run ${run} was approved by its hash, and the amended plan is another one`,
    evidence: `no signed commit names ${hash}`,
    impact: "Nothing was changed",
    remedy: `git commit --allow-empty -S -m 'Approve the mended task' -m 'Cutover-Plan: ${hash}', push, then the same command again`,
  });
}

function treeOf({ changes }: Plan, key: string): string | undefined {
  return changes.find(({ component, to }) => `${component}@${to}` === key)?.toTree;
}

function nothingToAmend({ run, task }: FoundTask): CutoverError {
  return new CutoverError({
    code: "nothing-to-amend",
    message: `No task bundle of ${task.component} ${task.version} was published since run ${run} was planned`,
    impact: "Nothing was changed",
    remedy: `cutover publish … --version ${task.version} --amend, then the same command again`,
  });
}

function amendable(
  { run, task }: FoundTask,
  { changes, hash }: { readonly changes: readonly string[]; readonly hash: string },
): RefusedError {
  return new RefusedError({
    code: "version-changed",
    message: `${task.component} ${task.version} was published again with another task bundle`,
    evidence: [...changes, `the plan becomes ${hash}`].join("\n"),
    impact: "Nothing was changed; the run still stands on the bundle that it was planned with",
    remedy: `cutover task retry ${run}/${task.id} --amend --reason …`,
  });
}

/** `changed convert`, `added undo-convert`, in the order of names. */
export function bundleChanges(before: Bundles[string] = {}, after: Bundles[string] = {}): string[] {
  const names = [...new Set([...Object.keys(before), ...Object.keys(after)])].sort();
  return names.flatMap((name) => {
    if (before[name] === after[name]) return [];
    return [`${before[name] === undefined ? "added" : after[name] === undefined ? "removed" : "changed"} ${name}`];
  });
}

/** The host whose task is tried again gets the bundle at once, where it has the version; the others before they go on. */
function deliveries(
  { state, task }: FoundTask,
  published: { readonly component: string; readonly version: string },
  said: { readonly by: string; readonly reason: string },
): EventBody[] {
  return [...owedAfter(state, published).values()]
    .filter(({ host }) => host === task.host)
    .map(({ step, host, tasks }): EventBody => {
      const turn = (state.turns.get(placeOf(step, host))?.number ?? 0) + 1;
      return { kind: "host-reopened", step, host, turn, tasks, rest: [], ...said };
    });
}
