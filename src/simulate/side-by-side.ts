// Several releases of one controller: their runs go on side by side where their claims do not meet, as the app's run pool and
// its passes have it.
import type { DesiredRelease } from "../model/desired.ts";
import type { Plan } from "../model/plan.ts";
import type { RunId } from "../model/run-event.ts";
import { type Claims, claimsOf, conflictsBetween } from "../plan/claims.ts";
import { noteUnwell, type Unwell, unwellKinds } from "../run/note-unwell.ts";
import { openRuns, replayRun, runStream } from "../run/replay.ts";
import type { RunState } from "../run/run-state.ts";
import { noneBeside, type OpenBeside, unwellBeside } from "../run/unwell-beside.ts";
import { keepQuarantines, type Life, planNow, resume, start } from "./life.ts";
import { isAtRest, movesOf, type PassResult, pauseMs } from "./passes.ts";

/** The runs that are open, and what each of them claims until it has ended. */
export interface Beside {
  readonly life: Life;
  readonly open: Map<RunId, OpenRun>;
  /** By what a plan moves: when it may be tried again. */
  readonly due: Map<string, number>;
  /** The lease is another's, or the engine failed. */
  broken: { readonly error: unknown } | undefined;
}

interface OpenRun {
  readonly plan: Plan;
  readonly claims: Claims;
  /** Hosts that it found not to be well. */
  readonly bad: Unwell;
  isDriven: boolean;
}

/** A controller that was killed may have left those of its last runs behind, as in the app. */
const newestRuns = 10;

export async function makeBeside(given: Life): Promise<Beside> {
  const open = new Map<RunId, OpenRun>();
  const life: Life = {
    ...given,
    others: {
      hear(run, event) {
        const entry = open.get(run);
        if (entry !== undefined) noteUnwell(entry.bad, event);
      },
      besideOf(run) {
        const entry = open.get(run);
        return entry === undefined ? noneBeside : unwellBeside({ run, plan: entry.plan }, opened(open));
      },
    },
  };
  for (const stream of (await life.journal.streams(runStream(""))).slice(-newestRuns))
    await keepQuarantines(life, stream.slice(runStream("").length));
  for (const run of await openRuns(life.journal)) {
    const { plan } = (await replayRun(life.journal, run)).state;
    if (plan === undefined) continue;
    const bad: Unwell = new Map();
    for (const event of await life.journal.read(runStream(run), unwellKinds)) noteUnwell(bad, event);
    open.set(run, { plan, claims: claimsOf(plan), bad, isDriven: false });
  }
  return { life, open, due: new Map(), broken: undefined };
}

function opened(open: Beside["open"]): OpenBeside[] {
  return [...open].map(([run, { plan, bad }]) => ({ run, plan, bad }));
}

/** Takes up what is open, and starts what may go on beside it. Does not wait for any run. */
export async function makePassBeside(beside: Beside): Promise<PassResult> {
  const { life, open } = beside;
  for (const [run, entry] of open) if (!entry.isDriven) drive(beside, run, resume(life, run));
  const results: PassResult[] = [];
  for (const release of life.releases()) {
    if (beside.broken !== undefined) throw beside.broken.error;
    results.push(await considerRelease(beside, release));
  }
  const isDriving = [...open.values()].some(({ isDriven }) => isDriven);
  if (isDriving) return "driving";
  await life.executor.close();
  if (open.size > 0) return "busy";
  const [next] = [...beside.due.values()].filter((at) => at > life.clock.now()).sort((a, b) => a - b);
  if (next !== undefined && results.includes("busy")) await life.clock.sleep(next - life.clock.now());
  return worst(results);
}

async function considerRelease(beside: Beside, release: DesiredRelease): Promise<PassResult> {
  const { life, open, due } = beside;
  for (const run of open.keys()) await keepQuarantines(life, run);
  const plan = await planNow(life, release, placesUnderWay(release, open));
  if (plan.changes.length === 0) return isAtRest(plan) ? "nothing-to-do" : "held";
  const wanted = claimsOf(plan);
  if ([...open.values()].some(({ claims }) => conflictsBetween(wanted, claims).length > 0)) return "busy";
  const moves = movesOf(plan);
  const now = life.clock.now();
  if ((due.get(moves) ?? now) > now) return "busy";
  const tried = life.tries.get(moves) ?? 0;
  life.tries.set(moves, tried + 1);
  due.set(moves, now + pauseMs(tried + 1));
  const run = life.nextRun();
  open.set(run, { plan, claims: wanted, bad: new Map(), isDriven: false });
  drive(beside, run, start(life, plan, run));
  return "busy";
}

/** Places where an open run of this release brings just what is wanted: the rest of it may go on beside that. */
function placesUnderWay(release: DesiredRelease, open: Beside["open"]): ReadonlyMap<string, string> {
  const wanted = new Map(
    release.components.flatMap(({ name, targets }) => targets.map(({ host, version }) => [`${host}/${name}`, version])),
  );
  const underWay = new Map<string, string>();
  for (const [run, { plan }] of open)
    for (const { host, component, to } of plan.changes) {
      const place = `${host}/${component}`;
      if (plan.release === release.name && wanted.get(place) === to) underWay.set(place, `run ${run} brings it`);
    }
  return underWay;
}

function drive(beside: Beside, run: RunId, ended: Promise<RunState>): void {
  const entry = beside.open.get(run);
  if (entry === undefined) throw new Error(`run ${run} claims nothing`);
  entry.isDriven = true;
  ended.then(
    ({ outcome }) => {
      entry.isDriven = false;
      if (outcome !== undefined) beside.open.delete(run);
    },
    (error: unknown) => {
      beside.broken ??= { error };
    },
  );
}

function worst(results: readonly PassResult[]): PassResult {
  return results.find((result) => result === "busy") ?? results.find((result) => result === "held") ?? "nothing-to-do";
}
