// A run that was amended: whoever asked for it goes first, and every other host gets the mended task bundle before it is handed
// anything more of the plan. A script that fails again has troubled no one else by then. Pure.
import type { EventBody } from "../model/run-event.ts";
import { makeTask } from "../plan/host-tasks.ts";
import type { Effect } from "./effect.ts";
import { type OwedBundle, placeOf, type RunState, stepsOf, taskKey } from "./run-state.ts";

type Owed = RunState["owed"];

/** Hosts that have the version already get its bundle again: the tree is there, the bundle is new. */
export function owedAfter(
  { plan, owed, hosts, leftOut }: RunState,
  { component, version }: { readonly component: string; readonly version: string },
): Owed {
  const changing = new Set(
    plan?.changes.filter((change) => change.component === component && change.to === version).map(({ host }) => host),
  );
  let now = owed;
  for (const { id: step, kind, work } of plan?.steps ?? [])
    for (const { host } of kind === "distribute" ? work : []) {
      const place = placeOf(step, host);
      if (!changing.has(host) || !hosts.has(place) || leftOut.has(host)) continue;
      const keys = (["distribute", "build"] as const).map((task) =>
        taskKey(makeTask({ host, component, to: version }, task)),
      );
      const tasks = [...new Set([...(now.get(place)?.tasks ?? []), ...keys])];
      now = now.set(place, { step, host, tasks });
    }
  return now;
}

/** One that opens the step again with all that is owed there pays it. */
export function owedWithout(
  owed: Owed,
  { step, host, tasks }: { readonly step: string; readonly host: string; readonly tasks: readonly string[] },
): Owed {
  const place = placeOf(step, host);
  return owed.get(place)?.tasks.every((key) => tasks.includes(key)) ? owed.delete(place) : owed;
}

/** Of hosts that the run goes on without. */
export function owedWithoutHost(owed: Owed, host: string): Owed {
  return owed.size === 0 ? owed : owed.filter((bundle) => bundle.host !== host);
}

export function isOwed(
  { owed }: RunState,
  { host, component }: { readonly host: string; readonly component: string },
): boolean {
  return owed.some(
    (bundle) => bundle.host === host && bundle.tasks.some((key) => key.startsWith(`${host}/${component}/`)),
  );
}

/** What is owed comes before the effect. A confirmation waits for nothing: what has switched goes back at its deadline (P8). */
export function afterOwed(state: RunState, effect: Effect): Effect {
  const { owed, rollback } = state;
  if (owed.size === 0 || rollback !== undefined) return effect;
  const bundles = [...owed.values()].sort((a, b) => (a.host < b.host ? -1 : 1));
  // One that is stuck ends as it is; only one that came to its end brings what is left.
  if (effect.kind === "end") return isAtEnd(state) ? bringing(state, bundles) : effect;
  if ((effect.kind !== "start-step" && effect.kind !== "run-step") || effect.step.kind === "confirm") return effect;
  if (effect.kind === "start-step") return bringing(state, bundles);
  const named = new Set(effect.hosts);
  const mine = bundles.filter(({ host }) => named.has(host));
  for (const { host } of mine) named.delete(host);
  if (mine.length === 0) return effect;
  return named.size === 0 || effect.step.kind === "restore-point"
    ? bringing(state, mine)
    : { ...effect, hosts: [...named] };
}

function isAtEnd(state: RunState): boolean {
  return stepsOf(state)[state.position] === undefined;
}

function bringing({ turns }: RunState, bundles: readonly OwedBundle[]): Effect {
  return {
    kind: "reopen",
    turns: bundles.map(({ step, host, tasks }): Extract<EventBody, { kind: "host-reopened" }> => {
      const turn = (turns.get(placeOf(step, host))?.number ?? 0) + 1;
      return {
        kind: "host-reopened",
        step,
        host,
        turn,
        tasks,
        rest: [],
        by: "cutover",
        reason: "the mended task bundle",
      };
    }),
  };
}
