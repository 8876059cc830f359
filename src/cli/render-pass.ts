// What one pass came to, release by release, and the same as data. Pure.
import type { Plan } from "../model/plan.ts";
import type { RunOutcome } from "../model/run-event.ts";
import { renderPlan } from "./render-plan.ts";
import { type Line, type Style, styled } from "./text.ts";

/** The part of a pass that is shown; what app/reconcile.ts returns fits. */
export interface PassView {
  readonly commit: string;
  readonly resumed: readonly RunView[];
  readonly results: readonly {
    readonly release: string;
    readonly plan: Plan;
    readonly run: RunView | undefined;
    readonly outcome: RunOutcome | "in-sync" | "stalled" | "waiting";
  }[];
  readonly notPublished?: string;
}

interface RunView {
  readonly run: string;
  readonly state: { readonly outcome: RunOutcome | undefined; readonly reason: string };
}

type Outcome = PassView["results"][number]["outcome"];

const words: Readonly<Record<Outcome, { readonly text: string; readonly style: Style; readonly next?: string }>> = {
  "in-sync": { text: "in sync", style: "good" },
  done: { text: "done", style: "good" },
  "rolled-back": {
    text: "rolled back; what failed is quarantined until git asks for something else",
    style: "warn",
    next: "cutover status",
  },
  stuck: { text: "stuck, a person has to decide", style: "bad", next: "cutover status" },
  stalled: { text: "stalled: everything that should change is left alone", style: "bad", next: "cutover status" },
  waiting: { text: "waiting for hosts whose outcome nobody knows", style: "bad", next: "cutover host check" },
};

export function renderPass({ commit, results, notPublished }: PassView): Line[] {
  const lines = results.flatMap(({ release, plan, outcome, run }): Line[] => {
    const { text, style, next } = words[outcome];
    return [
      [styled(`${release}:`, "strong"), " ", styled(text, style), run === undefined ? "" : ` (run ${run.run})`],
      // A plan that ran was shown by its events; what it left alone was not.
      ...(plan.held.length === 0 ? [] : renderPlan({ plan: { ...plan, changes: [], steps: [] } }).slice(1, -1)),
      ...(next === undefined ? [] : [[styled("next:", "accent"), ` ${next}`]]),
    ];
  });
  if (results.length === 0) lines.push(["no release in the repository, nothing to do"]);
  if (notPublished !== undefined) {
    lines.push([styled("status not in git yet:", "warn"), ` ${notPublished}; the next pass writes it`]);
  }
  return [...lines, [styled(`commit ${commit}`, "faint")]];
}

/** Plain data: no maps, and plans by their hash, since the run's own events carry them whole. */
export function passDocument({ commit, resumed, results, notPublished }: PassView) {
  const runOf = ({ run, state }: RunView) => ({ run, outcome: state.outcome ?? "waiting", reason: state.reason });
  return {
    commit,
    resumed: resumed.map(runOf),
    results: results.map(({ release, plan, run, outcome }) => ({
      release,
      outcome,
      planHash: plan.hash,
      held: plan.held,
      run: run === undefined ? null : runOf(run),
    })),
    ...(notPublished === undefined ? {} : { notPublished }),
  };
}
