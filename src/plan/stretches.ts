// A way over stepping stones as the changes that it is made of. Who agrees to the way agrees to all of them. Pure.
import type { FurtherVersion } from "../model/plan.ts";

interface OnTheWay {
  readonly from: string | undefined;
  readonly fromTree: string | undefined;
  readonly to: string;
  readonly toTree: string;
  readonly further?: readonly FurtherVersion[];
}

/** The change itself first, then each one that starts where the one before leads. */
export function stretchesOf<Change extends OnTheWay>(change: Change): Change[] {
  const stretches = [change];
  let { to: from, toTree: fromTree } = change;
  for (const { version: to, tree: toTree } of change.further ?? []) {
    stretches.push({ ...change, from, fromTree, to, toTree });
    [from, fromTree] = [to, toTree];
  }
  return stretches;
}
