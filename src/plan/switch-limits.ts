// Declared capacity: how many hosts of a group may be in a switch at a time, over all runs. A run takes its share when it
// starts, by its largest batch, and keeps it to its end: so the sum holds whatever batches meet. Pure.
import type { SwitchLimit } from "../model/fleet.ts";
import type { Plan } from "../model/plan.ts";

export type Labels = Readonly<Record<string, string>>;

export function carriesLabels(labels: Labels, match: Labels): boolean {
  return Object.entries(match).every(([name, value]) => labels[name] === value);
}

/** As many hosts with these labels as one switch step of the plan holds at most. */
export function largestSwitch(
  { steps }: Pick<Plan, "steps">,
  { match, labelsOf }: { readonly match: Labels; readonly labelsOf: (host: string) => Labels },
): number {
  const sizes = steps
    .filter(({ kind }) => kind === "switch")
    .map(({ work }) => work.filter(({ host }) => carriesLabels(labelsOf(host), match)).length);
  return sizes.reduce((most, size) => Math.max(most, size), 0);
}

export interface LimitTest<Other> {
  readonly plan: Pick<Plan, "steps">;
  readonly limits: readonly SwitchLimit[];
  readonly labelsOf: (host: string) => Labels;
  /** The other runs that are open. */
  readonly open: readonly (Other & { readonly plan: Pick<Plan, "steps"> })[];
}

/** Limits that this plan would break: by itself where `by` is empty, else together with these runs. */
export function brokenLimits<Other>({ plan, limits, labelsOf, open }: LimitTest<Other>): {
  readonly limit: SwitchLimit;
  readonly wanted: number;
  readonly by: LimitTest<Other>["open"];
}[] {
  return limits.flatMap((limit) => {
    const { match, hosts } = limit;
    const wanted = largestSwitch(plan, { match, labelsOf });
    if (wanted === 0) return [];
    if (wanted > hosts) return [{ limit, wanted, by: [] }];
    const shares = open.map((each) => ({ each, share: largestSwitch(each.plan, { match, labelsOf }) }));
    const by = shares.filter(({ share }) => share > 0);
    const taken = by.reduce((sum, { share }) => sum + share, 0);
    return wanted + taken > hosts ? [{ limit, wanted, by: by.map(({ each }) => each) }] : [];
  });
}
