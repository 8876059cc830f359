// What is said in a run beside the process that drives it: nobody may write into a journal that is being written. Pure.
import { CutoverError } from "../errors.ts";
import type { RunId } from "../model/run-event.ts";
import { decide } from "../run/decide.ts";
import { isLeftToSteps } from "../run/pace.ts";
import type { RunState } from "../run/run-state.ts";
import { readBacksByHand } from "../run/unread.ts";
import { pauseTrouble } from "./open-trouble.ts";

/** Throws `run-at-work` unless the run waits for a person, and for nothing else, or is left to somebody who steps through it. */
export function refuseRunAtWork({ run, state }: { readonly run: RunId; readonly state: RunState }): void {
  const effect = decide(state);
  const unread = effect?.kind === "hold" ? readBacksByHand(state).flatMap(({ hosts }) => hosts) : [];
  if ((effect?.kind === "hold" && unread.length === 0) || isLeftToSteps(state)) return;
  const silent = effect?.kind === "wait" ? effect.hosts : unread;
  const why = effect?.kind === "wait" ? "may be on a new version" : "was worked on by hand and is read back";
  const isSilent = silent.length > 0;
  const pauses = pauseTrouble({ run, state });
  throw new CutoverError({
    code: "run-at-work",
    message: isSilent
      ? `Run ${run} waits for ${silent.join(", ")}, which ${why}`
      : pauses === undefined
        ? `Run ${run} is at work in the running cutover serve`
        : `The running cutover serve goes on with this run by itself: ${pauses.message}`,
    impact: "Nothing was changed",
    remedy: isSilent
      ? `cutover hold ${silent[0]} --reason …, if it will not come back`
      : (pauses?.next ?? `cutover task list ${run}, and the same command again once it waits for a person`),
  });
}
