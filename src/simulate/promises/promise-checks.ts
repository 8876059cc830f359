// Every promise that the simulator holds the engine to, one row each.
import { atRest } from "./at-rest.ts";
import { closedGate } from "./closed-gate.ts";
import { completeVersion, previousVersion, savedAnew } from "./complete-version.ts";
import { deadline } from "./deadline.ts";
import { failureBudget, leftOutWithinBudget } from "./failure-budget.ts";
import { onceOnly, replayed } from "./harmless-replay.ts";
import { oneClaim } from "./one-claim.ts";
import { oneWriter } from "./one-writer.ts";
import type { PromiseCheck } from "./promise-check.ts";
import { putBack } from "./put-back.ts";
import { heldForAReason, quarantine } from "./quarantine.ts";
import { asBefore, asPlanned, everyHost, hostReadBack, nothingLeftOn } from "./read-back.ts";
import { neverMore, samePlan } from "./same-plan.ts";
import { neverOnward, neverSuccess, silenceIsNoFailure } from "./unknown-is-unknown.ts";

export const promiseChecks: readonly PromiseCheck[] = [
  completeVersion,
  previousVersion,
  savedAnew,
  putBack,
  oneWriter,
  oneClaim,
  onceOnly,
  replayed,
  neverSuccess,
  neverOnward,
  silenceIsNoFailure,
  deadline,
  failureBudget,
  leftOutWithinBudget,
  hostReadBack,
  everyHost,
  asPlanned,
  asBefore,
  nothingLeftOn,
  samePlan,
  neverMore,
  atRest,
  quarantine,
  closedGate,
  heldForAReason,
];
