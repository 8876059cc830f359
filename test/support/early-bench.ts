// Early confirmations over hosts in memory, by themselves: a test says what the batch does, and turns the clock.
import assert from "node:assert/strict";
import type { EventBody } from "../../src/model/run-event.ts";
import { makePlan } from "../../src/plan/make-plan.ts";
import { earlyConfirms } from "../../src/run/confirm-early.ts";
import { reduce } from "../../src/run/machine.ts";
import { initialRunState, placeOf, type RunState } from "../../src/run/run-state.ts";
import { handClock } from "./hand-clock.ts";
import { type HostScript, inProcessHosts } from "./in-process-hosts.ts";
import { fleetOf, planInput } from "./plan-input.ts";

/** What the contract of these tests gives a trial. */
export const trialMs = 120_000;

interface Bench {
  readonly hosts?: readonly string[];
  readonly lanes?: number;
  readonly script?: HostScript;
  /** What the journal has of the step before this controller. */
  readonly before?: readonly EventBody[];
  readonly failsToRecord?: (event: EventBody) => boolean;
}

/** The step `switch.1` of one batch, begun; nothing of it is done but what a test says. */
export function earlyBench({
  hosts: names = ["h1", "h2", "h3"],
  lanes = 8,
  script = {},
  before = [],
  failsToRecord,
}: Bench = {}) {
  const plan = makePlan(
    planInput({ components: { app: { hosts: names } }, policy: { canaries: 0, batchSize: names.length } }),
  );
  const step = plan.steps.find(({ kind }) => kind === "switch");
  assert.ok(step);
  assert.equal(plan.changes[0]?.deadlineSeconds, trialMs / 1_000);
  const clock = handClock();
  const abort = new AbortController();
  const submitted: string[] = [];
  const hosts = inProcessHosts({
    ...script,
    onEffect(effect) {
      submitted.push(`${clock.now() / 1_000} s: ${effect}`);
      script.onEffect?.(effect);
    },
  });
  const fleet = new Map(fleetOf(names).map((host) => [host.name, host]));
  let state: RunState = initialRunState;
  const recorded: EventBody[] = [];
  const tell = (...events: readonly EventBody[]) => {
    for (const event of events) state = reduce(state, event, "r1");
  };
  const started = [...plan.steps.slice(0, plan.steps.indexOf(step) + 1)].map(
    ({ id }) => ({ kind: "step-started", step: id }) as const,
  );
  tell({ kind: "run-planned", commit: "c", generation: "g", plan, epoch: 1, fleet: [...fleet.values()] }, ...started);
  tell(...before);
  const silent = new Set<string>();
  const early = earlyConfirms({
    step,
    lanes,
    stateNow: () => state,
    hostOf(name) {
      const host = fleet.get(name);
      assert.ok(host);
      return host;
    },
    context: {
      ...{ executor: hosts.executor, clock, silent, patienceMs: 3_600_000, signal: abort.signal },
      fence: { run: "r1", epoch: 1, holder: "c" },
      deliveryFor: () => Promise.reject(new Error("a confirmation moves no data")),
      patchOf: () => undefined,
      turnOf: () => undefined,
      mayBegin: () => true,
      onBytes: () => undefined,
      async record(...events) {
        if (events.some((event) => failsToRecord?.(event))) throw new Error("disk full");
        // As with a journal, what is recorded is known a moment later.
        await new Promise<void>((resolve) => setImmediate(resolve));
        recorded.push(...events);
        tell(...events);
      },
    },
  });
  const endedIn = (id: string, outcome: "done" | "failed" | "unknown") => (host: string) =>
    ({ kind: "host-ended", step: id, host, outcome, evidence: "" }) as const;
  const switched = (...ready: readonly string[]) => {
    for (const host of ready) {
      tell(endedIn(step.id, "done")(host));
      early.switched(host);
    }
  };
  return {
    ...{ early, clock, hosts, silent, abort, tell, switched, recorded },
    failed: endedIn(step.id, "failed"),
    unknown: endedIn(step.id, "unknown"),
    /** `SECONDS s: submit HOST confirm.1` and what else hosts were asked for. */
    asked: () => submitted,
    confirmed: () => names.filter((host) => state.hosts.get(placeOf("confirm.1", host)) === "done"),
    outcomeOf: (host: string) => state.hosts.get(placeOf("confirm.1", host)),
    /** The host begins its trial; heard of at once. */
    trialBegins(host: string, event: { readonly state?: "running" | "done"; readonly durationMs?: number } = {}) {
      const said = { state: "running", reason: "started", evidence: "", exitCode: 0, durationMs: 0, ...event } as const;
      early.hears({ kind: "task", step: step.id, host, event: { ...said, task: `${host}/app/switch`, action: "do" } });
    },
  };
}
