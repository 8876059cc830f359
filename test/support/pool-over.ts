// A run pool over hosts in memory, and runs for it that send nothing.
import type { Controller } from "../../src/app/controller.ts";
import type { PlannedRun } from "../../src/app/execute-run.ts";
import type { RunSources } from "../../src/app/make-deliveries.ts";
import { type DrivenRun, openRunPool } from "../../src/app/run-pool.ts";
import type { JournalEvent } from "../../src/model/run-event.ts";
import { makePlan } from "../../src/plan/make-plan.ts";
import type { JournalPort } from "../../src/ports.ts";
import { memoryJournal, sleptClock } from "./engine.ts";
import { type HostScript, inProcessHosts } from "./in-process-hosts.ts";
import { fleetOf, planInput, type World } from "./plan-input.ts";

export const noSources = {} as RunSources;

/** Nothing is sent: only steps that hosts do by themselves. */
export function plannedRun(release: string, world: World): PlannedRun {
  const plan = makePlan(planInput(world));
  const steps = plan.steps.filter(({ kind }) => kind !== "distribute");
  const hosts = [...new Set(plan.changes.map(({ host }) => host))];
  return { plan: { ...plan, release, steps }, commit: "c", generation: release, fleet: fleetOf(hosts) };
}
export const runOf = (component: string, hosts: readonly string[], more: Partial<World> = {}) =>
  plannedRun(component, { components: { [component]: { hosts } }, ...more });

export async function poolOver(
  script: HostScript = {},
  { concurrency = 100, journal = memoryJournal() as JournalPort, signal = new AbortController().signal } = {},
) {
  const hosts = inProcessHosts(script);
  const events: JournalEvent[] = [];
  const settings = { concurrency, patienceMs: 1_000 } as Controller["settings"];
  const controller = { journal, clock: sleptClock(), executor: hosts.executor, settings } as Controller;
  const pool = await openRunPool({
    controller,
    lease: { holder: "me", epoch: 1, ttlMs: 1, object: "o" },
    watcher: { onEvent: (event) => void events.push(event), onBytes: () => {} },
    signal,
  });
  const outcome = async ({ ended }: DrivenRun) => {
    const end = await ended;
    return end.kind === "ended" ? (end.result.state.outcome ?? "waiting") : end.kind;
  };
  return { controller, pool, hosts, journal, events, outcome };
}

/** Holds every host's story until it is told to go on. */
export function storyGate() {
  const { promise, resolve } = Promise.withResolvers<void>();
  return { gate: () => promise, open: resolve };
}
