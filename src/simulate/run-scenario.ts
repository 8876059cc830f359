// One scenario from its beginning until the world rests or a promise breaks.
import { CutoverError } from "../errors.ts";
import { liveAsController } from "./controller.ts";
import { type ByHand, controllerStream } from "./life.ts";
import { type JournalDisk, makeJournalDisk, makeMemoryJournal } from "./memory-journal.ts";
import { makeProcess, type SimProcess } from "./process.ts";
import { makeRandom } from "./random.ts";
import type { Scenario } from "./scenario.ts";
import { calmAt, scheduleFaults } from "./schedule-faults.ts";
import { makeSimExecutor } from "./sim-executor.ts";
import { makeWorld, type Violation, type World } from "./world.ts";

export interface ScenarioResult {
  readonly violation: Violation | undefined;
  /** Things that happened: promises were checked at each. */
  readonly facts: number;
  readonly runs: number;
  readonly virtualMs: number;
}

/** A world that has not come to rest by then never will. */
const longestMs = 7 * 24 * 3_600_000;
const longestEvents = 50_000_000;

export async function runScenario(scenario: Scenario, onLine?: (line: string) => void): Promise<ScenarioResult> {
  // Virtual time needs none of its turns, and signals and timers of the real process do.
  await new Promise((resolve) => setImmediate(resolve));
  const world = makeWorld(scenario, onLine);
  const controllers = makeControllers(world);
  scheduleFaults(world, controllers);
  controllers.start("a");
  for (let events = 0; world.violation === undefined && !controllers.isAtRest() && events < longestEvents; events++) {
    if (world.queue.now() > longestMs || !(await world.queue.next())) {
      world.tell({ kind: "rested", why: "given-up", disk: controllers.holder() });
      break;
    }
    controllers.throwFault();
  }
  return {
    violation: world.violation,
    facts: world.facts,
    runs: world.history.plannedRuns,
    virtualMs: world.queue.now(),
  };
}

export interface Controllers {
  /** A new process on that disk; the lease is its own from then on. */
  start(disk: string): void;
  /** The one that holds the lease dies; another starts on its disk. */
  kill(): void;
  /** The one that holds the lease stands still, and another machine takes over. */
  takeOver(silentMs: number): void;
  isAtRest(): boolean;
  /** The disk of the one that holds the lease. */
  holder(): string | undefined;
  /** A fault of the simulator or of the engine that no port raised on purpose. */
  throwFault(): void;
}

function makeControllers(world: World): Controllers {
  const { scenario, queue, versions } = world;
  const random = makeRandom(scenario.seed, "controllers");
  const operator = makeRandom(scenario.seed, "operator");
  // Of its own: a world in which no way back is taken up is the same whatever is asked of those.
  const again = makeRandom(scenario.seed, "back-again");
  const byHand = makeByHand(scenario);
  const crashes = new Map(
    scenario.faults.flatMap((fault) => (fault.kind === "crash" ? [[fault.write, fault.moment] as const] : [])),
  );
  let writes = 0;
  let sessions = 0;
  let runs = 0;
  let born = 0;
  let holder: { readonly process: SimProcess; readonly disk: string } | undefined;
  let isAtRest = false;
  let broken: { readonly error: unknown } | undefined;

  const restart = (disk: string): void => {
    queue.after(1_000 + random.below(20_000), () => controllers.start(disk));
  };
  const die = ({ process, disk }: { process: SimProcess; disk: string }, why: string): void => {
    if (!process.isAlive()) return;
    world.tell({ kind: "happened", what: `${process.name} ${why}` });
    process.kill();
    if (holder?.process === process) restart(disk);
  };
  const controllers: Controllers = {
    start(disk) {
      if (isAtRest) return;
      const process = makeProcess({ name: `controller-${++born}`, queue, skewMs: () => world.skewMs });
      const mine = { process, disk };
      world.tell({ kind: "happened", what: `${process.name} starts on disk ${disk}` });
      const kept = world.disks.get(disk) ?? makeJournalDisk();
      world.disks.set(disk, kept);
      const journal = makeMemoryJournal({
        disk: kept,
        process,
        writeMs: () => 1 + random.below(5),
        onWrite: (_, moment) => {
          if (moment === "before") writes += 1;
          if (crashes.get(writes) === moment) die(mine, `dies ${moment} write ${writes}`);
        },
        onEvent: (event) => world.tell({ kind: "journaled", disk, event }),
      });
      const executor = makeSimExecutor({
        process,
        queue,
        network: world.network,
        hosts: world.hosts,
        nextSession: () => ++sessions,
        onSend: (host, { step, fence }) => world.tell({ kind: "sent", disk, host, step, fence }),
      });
      const renew = (): void => {
        if (holder?.process === process) process.later(60_000, renew);
        else die(mine, "finds the lease taken");
      };
      liveAsController({
        name: process.name,
        disk,
        clock: process.clock,
        turn: queue.turn,
        journal,
        executor,
        fleet: world.fleet,
        releases: world.releases,
        published: versions.published,
        acquire() {
          holder = mine;
          renew();
          return ++world.epoch;
        },
        nextRun: () => `r${++runs}`,
        concurrency: scenario.concurrency,
        patienceMs: scenario.patienceMs,
        tell: world.tell,
        isCalm: () => queue.now() >= calmAt(scenario),
        operatorChoice: () => operator.pick(["retry", "retry", "skip", "by-hand", "roll-back"]),
        backAgain: () => again.pick(["no", "no", "no", "on", "in-traffic"]),
        byHand,
        stopsWayBack: scenario.backAgain,
        usesPatch: ({ host, component }) => makeRandom(scenario.seed, "patch", host, component).chance(2),
      }).then(
        (why) => {
          if (holder?.process !== process) return;
          // Hosts have until their longest deadline to come to rest by themselves.
          const waitMs = Math.max(...scenario.components.map((one) => one.deadlineSeconds)) * 1_000 + 120_000;
          queue.after(why === "in-sync" ? waitMs : 0, () => {
            isAtRest = true;
            world.tell({ kind: "rested", why, disk });
          });
        },
        (error: unknown) => {
          if (error instanceof CutoverError && (error.code === "lease-lost" || error.code === "journal-taken"))
            die(mine, `ends: ${error.code}`);
          else broken ??= { error };
        },
      );
      queue.touch();
    },
    kill: () => holder && die(holder, "is killed"),
    takeOver(silentMs) {
      const before = holder;
      if (before === undefined) return;
      before.process.standStill(silentMs);
      world.tell({ kind: "happened", what: `${before.process.name} stands still for ${silentMs} ms` });
      const disk = String.fromCharCode("a".charCodeAt(0) + world.disks.size);
      world.disks.set(disk, carryOver(world, { from: before.disk, to: disk }));
      controllers.start(disk);
    },
    isAtRest: () => isAtRest,
    holder: () => holder?.disk,
    throwFault() {
      if (broken !== undefined) throw broken.error;
    },
  };
  return controllers;
}

/** So many steps and tasks by hand in all, of all controllers of the world. */
function makeByHand({ seed, byHand = { steps: 0, acts: 0 } }: Scenario): ByHand {
  const random = makeRandom(seed, "by-hand");
  const left = { ...byHand };
  const take = (of: keyof typeof left, isWanted: boolean): boolean => {
    if (!isWanted || left[of] === 0) return false;
    left[of] -= 1;
    return true;
  };
  return {
    isStepping: () => take("steps", true),
    isActing: () => take("acts", random.chance(3)),
    pick: random.pick,
  };
}

/** Another machine knows of quarantines and holds what the signed notes say. */
function carryOver({ disks, history }: World, { from, to }: { from: string; to: string }): JournalDisk {
  const disk = makeJournalDisk();
  const known = disks.get(from)?.streams.get(controllerStream) ?? [];
  disk.streams.set(controllerStream, [...known]);
  for (const event of known)
    if (event.kind === "quarantined") history.quarantined.add(`${to} ${event.component}@${event.tree}`);
  return disk;
}
