// The plan hash: what a reviewer agrees to. It covers what is meant for every host, whether it can be done now or not, so
// that a host that goes away, is held or comes back changes nothing; what hosts run, and how, does. Pure.
import type { DesiredRelease } from "../model/desired.ts";
import { canonicalJson, digestOf } from "../model/digest.ts";
import type { Digest } from "../model/names.ts";
import type { IntendedChange, Plan } from "../model/plan.ts";
import type { PublishedVersion } from "../model/published-version.ts";
import { byHostThenComponent, compareText, publishedVersion } from "./difference.ts";
import { taskWords } from "./host-tasks.ts";
import type { Stack } from "./order-stacks.ts";
import { stretchesOf } from "./stretches.ts";

/** What a plan means for all hosts, sorted. Commits of a trial, and healings, count as the change that they complete. */
export function intentOf({ changes, waiting }: Pick<Plan, "changes" | "waiting">): IntendedChange[] {
  const started = changes.map((change) => (change.intended === undefined ? change : { ...change, ...change.intended }));
  return [...started, ...waiting]
    .filter(({ from, fromTree, to, toTree }) => from !== to || fromTree !== toTree)
    .map(({ host, component, from, fromTree, to, toTree, strategy, deadlineSeconds, further }) => {
      const change = { host, component, from, fromTree, to, toTree, strategy, deadlineSeconds };
      return further === undefined ? change : { ...change, further };
    })
    .sort(byHostThenComponent);
}

export interface HashInput {
  readonly plan: Pick<Plan, "changes" | "waiting">;
  readonly release: DesiredRelease;
  readonly generation: string;
  /** Order of the stacks of the whole release. */
  readonly layers: readonly (readonly Stack[])[];
  readonly published: ReadonlyMap<string, PublishedVersion>;
}

/** Time, bytes, commit, run, epoch, reachability and who goes in which batch stay outside. */
export function planHash({ plan, release, generation, layers, published }: HashInput): Digest {
  const { name, policy, rollbackPolicy, edits, restorePoint } = release;
  // Hosts with the same change are named together: 80,000 changes are a few lines.
  const groups = new Map<string, { readonly first: IntendedChange; readonly hosts: string[] }>();
  for (const change of intentOf(plan)) {
    const { component, from, fromTree, to, toTree, strategy, deadlineSeconds, further = [] } = change;
    const key = JSON.stringify([component, from, fromTree, to, toTree, strategy, deadlineSeconds, ...further]);
    const group = groups.get(key);
    if (group === undefined) groups.set(key, { first: change, hosts: [change.host] });
    else group.hosts.push(change.host);
  }
  const changes = [...groups]
    .sort(([a], [b]) => compareText(a, b))
    .map(([, { first, hosts }]) => {
      const { host: _, further, ...decision } = first;
      const [now, ...onward] = stretchesOf(first).map((stretch) => {
        const { contract } = publishedVersion(published, stretch.component, stretch.to);
        return { to: stretch.to, toTree: stretch.toTree, contract, tasks: wordsOf(published, stretch) };
      });
      return { ...decision, hosts, ...now, ...(further === undefined ? {} : { further: onward }) };
    });
  return digestOf(
    canonicalJson({
      release: name,
      generation,
      policy,
      rollbackPolicy,
      failureBudget: policy.failureBudget,
      layers,
      changes,
      edits,
      restorePoint,
    }),
  );
}

function wordsOf(published: HashInput["published"], change: IntendedChange): string[] {
  return taskWords(publishedVersion(published, change.component, change.to), change);
}
