// What a run does next, from its state alone. Pure: the driver performs the effects and feeds back what happened.
import type { Step } from "../model/plan.ts";
import type { RunOutcome } from "../model/run-event.ts";
import { type BadVersion, badVersions } from "./bad-versions.ts";
import { besideUnread } from "./beside-unread.ts";
import { changedByHand, isAdded } from "./by-hand.ts";
import type { Effect } from "./effect.ts";
import { beforeWaiting, confirmOf, decideHold, isInFlight } from "./hold.ts";
import { inTraffic, pinBack } from "./in-traffic.ts";
import { leftBehind, notTakenBack } from "./not-taken-back.ts";
import { outOfTraffic } from "./out-of-traffic.ts";
import { afterOwed } from "./owed-bundles.ts";
import { isDoneOn, isMissingOn, notDoneOf, placeOf, type RunState, stepsOf } from "./run-state.ts";
import { isUnread } from "./unread.ts";
import { whySpent } from "./unwell-beside.ts";

/** Undefined when the run has ended. */
export function decide(state: RunState): Effect | undefined {
  if (state.plan === undefined || state.outcome !== undefined) return undefined;
  const added = state.added.find((step) => !state.endedSteps.has(step.id) && !isUnread(state, step));
  return added === undefined ? besideUnread(state, decidePlanned(state)) : decideAdded(state, added);
}

function decidePlanned(state: RunState): Effect {
  const step = stepsOf(state)[state.position];
  if (step !== undefined) return afterOwed(state, decideIn(state, step));
  return state.rollback ? decideBack(state, state.rollback.reason) : afterOwed(state, decideEnd(state));
}

/** An operator's own step ends however it went: who asked for it reads the result and decides. */
function decideAdded(state: RunState, step: Step): Effect {
  if (!state.startedSteps.has(step.id)) return { kind: "start-step", step };
  const open = step.work.map(({ host }) => host).filter((host) => !state.hosts.has(placeOf(step.id, host)));
  return open.length > 0 ? { kind: "run-step", step, hosts: open } : { kind: "end-step", step, soakSeconds: 0 };
}

/** Every undo went well; what has committed all the same did not go back, nor did a host that the run went on without (P10). */
function decideBack(state: RunState, reason: string): Effect {
  const [committed, behind] = [notTakenBack(state), leftBehind(state)];
  const left = [
    ...(committed.length === 0 ? [] : [`${committed.join(", ")} may have committed, which a release of the version before takes back`]), // biome-ignore format: one line
    ...(behind.length === 0 ? [] : [`left out: ${behind.join(", ")}, where what the run brought may still stand`]),
  ];
  if (left.length === 0) return end("rolled-back", `${reason}${outOfTraffic(state)}`);
  return end("stuck", `rollback: ${left.join("; ")}${outOfTraffic(state)}`);
}

/** Done means every host (P10); the others may well be done, but the run is not. */
function decideEnd(state: RunState): Effect {
  const { leftOut, plan } = state;
  // What a part of a plan leaves unfinished on its hosts, such as the commit, nobody has read back.
  const went = (plan?.slice?.left.length ?? 0) > 0 ? "went through this slice" : "read back";
  // guard P10: a run that went on without a host is not done.
  if (leftOut.size === 0) return end("done", `every host ${went}`);
  return end("stuck", `left out: ${[...leftOut].sort().join(", ")}; every other host ${went}${outOfTraffic(state)}`);
}

function end(outcome: RunOutcome, reason: string, bad: readonly BadVersion[] = []): Effect {
  return { kind: "end", outcome, reason, bad };
}

/** Past the failure budget, hosts of a switch step that did not take it yet are left out, also within a batch (P9). */
function decideIn(state: RunState, planned: Step): Effect {
  const step = inTraffic(state, planned);
  if (!state.startedSteps.has(step.id)) return pauseAhead(state, step) ?? { kind: "start-step", step };
  const missing = step.work.map(({ host }) => host).filter((host) => !state.leftOut.has(host) && isMissingOn(state, step.id, host)); // biome-ignore format: one line
  const held = () => decideHold(state, step, { hosts: missing, reason: changedByHand(state, step.id, missing) });
  // Who was taken out of traffic by hand is not put back by a balancer's next turn.
  if (step.traffic !== undefined && missing.length > 0) return held();
  const again = pinBack(state, planned);
  if (again !== undefined) return again;
  if (step.kind === "gate") return { kind: "hold", step, hosts: [], reason: `gate ${step.gate?.name} is closed: ${step.gate?.reason}` }; // biome-ignore format: one line
  const outcomes = step.work
    .filter(({ host }) => !state.leftOut.has(host))
    .map(({ host }) => ({ host, outcome: isMissingOn(state, step.id, host) ? "missing" : state.hosts.get(placeOf(step.id, host)) })); // biome-ignore format: one line
  const named = (wanted: (typeof outcomes)[number]["outcome"]) =>
    outcomes.filter(({ outcome }) => outcome === wanted).map(({ host }) => host);
  const spent = isBudgetSpent(state, step);
  const open = named(undefined).filter((host) => !spent || state.submitted.has(placeOf(step.id, host)));
  if (open.length > 0) return { kind: "run-step", step, hosts: open };
  // What a person took back, or nobody knows since, is not passed over.
  if (missing.length > 0) return held();
  const [failed, unknown] = [named("failed"), named("unknown")];
  // guard P10: a host that failed is not passed over.
  if (failed.length > 0) return decideFailure(state, step, failed);
  // guard P7: an unknown host is not passed over either.
  if (unknown.length > 0) return decideSilence(state, step, { silent: unknown, all: outcomes.length });
  if (named(undefined).length > 0) return decideSpent(state, step);
  return { kind: "end-step", step, soakSeconds: step.soakSeconds };
}

/**
 * Whether `decide` would still name this host of this step in a `run-step`. Costs the same however many hosts the step has:
 * the driver asks for each of them.
 */
export function isStillToRun(state: RunState, step: Step, host: string): boolean {
  const place = placeOf(step.id, host);
  return (
    state.plan !== undefined &&
    state.outcome === undefined &&
    isInForce(state, step, host) &&
    state.startedSteps.has(step.id) &&
    // An operator may ask for a task also where the run goes on without the host.
    (!state.leftOut.has(host) || isAdded(state, step.id)) &&
    !state.hosts.has(place) &&
    !isMissingOn(state, step.id, host) &&
    (!isBudgetSpent(state, step) || state.submitted.has(place))
  );
}

function isInForce(state: RunState, step: Step, host: string): boolean {
  const { id } = step;
  if (isAdded(state, step.id)) return !state.endedSteps.has(id);
  const here = stepsOf(state)[state.position];
  if (here === undefined || here.id === id) return here !== undefined;
  if (backOf(state, here)?.id === id) return true;
  // While the run waits for a person, what was handed over is read back, what did switch is confirmed, and comes back into traffic.
  if (state.rollback === undefined && (step.traffic === "back" || isInFlight(state, step, host))) return true;
  const change = step.kind === "confirm" ? stepsOf(state).find(({ kind, batch }) => kind === "switch" && batch === step.batch) : undefined; // biome-ignore format: one line
  return change !== undefined && isDoneOn(state, change.id, host);
}

/**
 * Whether this host may be handed the step over now. It is asked again before every try: while a host could not be reached,
 * others may have spent the budget. One that is known to have it is only read back by being asked again, unless it has said
 * that it did not begin it (`isAnew`).
 */
export function mayBegin(state: RunState, step: Step, host: string, isAnew = false): boolean {
  // guard P9: nothing more switches past the failure budget, also not what was to switch before.
  return (!isAnew && state.submitted.has(placeOf(step.id, host))) || !isBudgetSpent(state, step, host);
}

/** None of those that did not begin may: hosts that were confirmed early, and were not, have used the budget, or other runs of the release. */
function decideSpent(state: RunState, step: Step): Effect {
  // guard P9: those that did not begin wait for what is not well of their own batch.
  if (earlyBad(state, step).some((host) => !state.leftOut.has(host))) return decideConfirmed(state, step);
  return beforeWaiting(state, step) ?? { kind: "pause", step, reason: `${whySpent(state)}${outOfTraffic(state)}`, runs: state.beside.runs }; // biome-ignore format: one line
}

/** Nobody leaves traffic for a switch that would only wait, and nothing is saved that would be old by the time of it. */
function pauseAhead(state: RunState, step: Step): Effect | undefined {
  if (step.traffic !== "away" && step.kind !== "restore-point") return undefined;
  const change = stepsOf(state).find(({ kind, id }, at) => at > state.position && kind === "switch" && !state.endedSteps.has(id)); // biome-ignore format: one line
  const isSpent = change !== undefined && state.beside.hosts.length > 0 && isBudgetSpent(state, change);
  return isSpent ? decideSpent(state, step) : undefined;
}

/** The confirmation of those of a batch that did switch, as far as it goes, and what then follows from it. */
function decideConfirmed(state: RunState, step: Step): Effect {
  const confirm = confirmOf(state, step);
  if (confirm === undefined) throw new Error(`${step.id} waits for a confirmation that its plan does not have`);
  const work = confirm.work.filter(({ host }) => isDoneOn(state, step.id, host));
  return decideIn(state, { ...confirm, work });
}

/** So many hosts of this switch, or of its confirmation, failed or fell silent, `but` this one, that no further one may begin. */
function isBudgetSpent(state: RunState, step: Step, but?: string): boolean {
  // guard P9: the budget counts while the plan moves hosts onward; the way back has none to wait for.
  if (step.kind !== "switch" || state.rollback !== undefined) return false;
  const switched = notDoneOf(state, step.id);
  const isBad = (host: string) => host !== but && !state.leftOut.has(host);
  const early = earlyBad(state, step);
  // Whom it let go already has its place in it; whom a person holds has not, or a machine that burnt down would stop the run.
  const own = state.leftInBudget.size + switched.count(isBad) + early.count((host) => isBad(host) && !switched.has(host)); // biome-ignore format: one line
  const isCounted = (host: string) => state.leftInBudget.has(host) || (isBad(host) && (switched.has(host) || early.has(host))); // biome-ignore format: one line
  // One budget for all open runs of the release.
  const bad = own + state.beside.hosts.filter((host) => !isCounted(host)).length;
  // guard P9: as many as the budget has may be bad, and not one more.
  return bad > (state.plan?.failureBudget ?? 0);
}

/** Hosts of the batch that were confirmed early, and were not. */
function earlyBad(state: RunState, step: Step): RunState["leftOut"] {
  return notDoneOf(state, confirmOf(state, step)?.id ?? "");
}

/** When nobody answers, the trouble is likely on our side of the wire: then the run waits, whatever the budget says. */
function decideSilence(
  state: RunState,
  step: Step,
  { silent: hosts, all }: { silent: readonly string[]; all: number },
): Effect {
  const unmoved = isAhead(state, step);
  const out = new Set([...state.leftOut, ...hosts, ...state.beside.hosts]).size;
  const tolerated = out <= (state.plan?.failureBudget ?? 0);
  // guard P7: a host that may be on the new version is waited for, past the budget; so is a balancer, which may have all the traffic.
  if (state.rollback || step.traffic || hosts.length === all || !(unmoved || tolerated))
    return { kind: "wait", step, hosts };
  const tied = tiedOn(state, hosts);
  if (tied.length > 0)
    return unmoved && !undoesSomething(state)
      ? end(
          "stuck",
          `${hosts.join(", ")} silent, and no host may stay behind with ${tied.join(", ")}: nothing has switched`,
        )
      : { kind: "wait", step, hosts };
  return {
    kind: "leave-out",
    step,
    hosts,
    reason: unmoved ? "silent before it switched" : "within the failure budget",
    inBudget: !unmoved,
  };
}

/** Of the components of which no host may stay behind (R39), those that one of these hosts would. */
export function tiedOn({ plan }: RunState, hosts: readonly string[]): string[] {
  const tied = plan?.tied ?? [];
  if (tied.length === 0) return [];
  const left = new Set(hosts);
  const changing = new Set(plan?.changes.flatMap(({ host, component }) => (left.has(host) ? component : [])));
  return tied.filter((component) => changing.has(component));
}

/** Nothing has switched when this step runs: it comes before all switches, and is not one that a mended bundle opened again. */
function isAhead({ plan, startedSteps }: RunState, { id, kind }: Step): boolean {
  if (kind === "switch" || kind === "confirm" || kind === "commit") return false;
  const steps = plan?.steps ?? [];
  const first = steps.findIndex((step) => step.kind === "switch");
  const place = steps.findIndex((step) => step.id === id);
  return (first === -1 || place < first) && !steps.some((step) => step.kind === "switch" && startedSteps.has(step.id));
}

function decideFailure(state: RunState, step: Step, failed: readonly string[]): Effect {
  const policy = state.plan?.rollbackPolicy ?? "auto";
  const why =
    step.kind === "restore-point" ? (state.restorePoint?.problems ?? []).map(({ text }) => `: ${text}`)[0] : "";
  const reason = `${step.id} failed on ${failed.join(", ")}${why ?? ""}`;
  // guard P7: a way back that failed is not called one that went well.
  if (state.rollback) return decideStuck(state, step, `rollback: ${reason}`);
  // A task that was run by itself moved nothing: there is no way back but its own undo, and that is not asked for.
  if (state.plan?.changes.length === 0) return end("stuck", reason);
  if (policy === "manual") return decideHold(state, step, { hosts: failed, reason: `${reason}; rollback_policy is manual` }); // biome-ignore format: one line
  const nothingMoved = isAhead(state, step) && !undoesSomething(state);
  if (nothingMoved || step.kind === "commit") return end("stuck", reason);
  const scope = policy === "release" || !isBatch(state, step) ? "release" : "batch";
  return { kind: "roll-back", scope, step: step.id, reason, bad: badVersions(state, step) };
}

/** Tasks that ran ahead have to be taken back even when nothing has switched. */
function undoesSomething({ plan, startedSteps }: RunState): boolean {
  return plan?.steps.some(({ id, kind }) => kind === "task" && startedSteps.has(id)) ?? false;
}

/** Its own undo leads back to where the run stood before: a batch, or what runs before the first one of its components. */
function isBatch(state: RunState, { id, kind, work, traffic }: Step): boolean {
  if (kind === "switch" || kind === "confirm" || traffic !== undefined) return true;
  if (kind !== "task") return false;
  const steps = state.plan?.steps ?? [];
  const mine = new Set(componentsOf(work));
  const later = steps.slice(steps.findIndex((step) => step.id === id) + 1);
  return later.some((step) => step.kind === "switch" && componentsOf(step.work).some((name) => mine.has(name)));
}

function componentsOf(work: Step["work"]): string[] {
  return work.flatMap(({ groups }) => groups.flat().map(({ component }) => component));
}

/** The end of a way back that failed on some hosts: the others of the batch are put back into traffic first. */
function decideStuck(state: RunState, step: Step, reason: string): Effect {
  const back = backOf(state, step);
  if (back === undefined) return end("stuck", reason);
  if (!state.startedSteps.has(back.id)) return { kind: "start-step", step: back };
  const open = back.work
    .map(({ host }) => host)
    .filter((host) => !state.leftOut.has(host) && !state.hosts.has(placeOf(back.id, host)));
  if (open.length > 0) return { kind: "run-step", step: inTraffic(state, back), hosts: open };
  return end("stuck", `${reason}; kept out of traffic`);
}

/** On the way back, the step that puts the hosts of a batch back into traffic. */
function backOf(state: RunState, step: Step): Step | undefined {
  if (step.kind !== "switch" || state.rollback === undefined) return undefined;
  return stepsOf(state).find(({ traffic, batch }) => traffic === "back" && batch === step.batch);
}
