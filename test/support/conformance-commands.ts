// Random command sequences for a host, from a seed: mostly what a controller would do next, often what it would not.
import type { TaskGroup } from "../../src/model/plan.ts";
import type { Task, TaskAction, TaskKind } from "../../src/model/task.ts";
import { makeRandom, type Random } from "../../src/simulate/random.ts";

export const versions = ["v1", "v2", "v3"] as const;
/** Executables of every version's bundle; a test can make each of them fail. */
export const executables = ["out", "in", "convert", "plain", "late", "checkit"] as const;

export type Command =
  /** Bytes and documents of a version are there, verified. */
  | { readonly kind: "deliver"; readonly version: string; readonly run: string }
  /** A new session says who writes; the newest three stay open. */
  | { readonly kind: "connect"; readonly run: string; readonly epoch: number; readonly holder: string }
  /** The n-th open session, the newest is 0, hands a step over and hears its story. */
  | { readonly kind: "submit"; readonly session: number; readonly step: string; readonly groups: readonly TaskGroup[] }
  | { readonly kind: "break"; readonly executable: string; readonly isBroken: boolean }
  | { readonly kind: "damage"; readonly version: string }
  | { readonly kind: "drift"; readonly version: string }
  /** What runs writes to its data. */
  | { readonly kind: "write"; readonly text: string }
  /** Time passes the deadline, and the guard looks. */
  | { readonly kind: "expire" }
  /** Power was lost and came back; sessions are gone. */
  | { readonly kind: "reboot"; readonly isGuarded: boolean };

export function makeCommands(seed: number, count: number): Command[] {
  const random = makeRandom(seed, "conformance");
  const commands: Command[] = [connect(random, { run: "run-1", epoch: 1 })];
  const story = { step: 0, version: 0, place: 0, run: 1, written: 0, steps: [] as Command[] };
  while (commands.length < count) commands.push(...next(random, story));
  return commands;
}

interface Story {
  step: number;
  /** Which version is on its way, and how far it got. */
  version: number;
  place: number;
  run: number;
  written: number;
  steps: Command[];
}

function next(random: Random, story: Story): Command[] {
  if (random.below(10) < 6) return onward(random, story);
  switch (random.below(13)) {
    case 0:
      return [connect(random, { run: `run-${story.run}`, epoch: random.pick([1, 1, 2, 3]) })];
    case 1:
      return [{ kind: "break", executable: random.pick(executables), isBroken: random.chance(2) }];
    case 2:
      return [{ kind: "damage", version: random.pick(versions) }];
    case 3:
      return [{ kind: "drift", version: random.pick(versions) }];
    case 4:
      return [{ kind: "expire" }];
    case 5:
      return [{ kind: "reboot", isGuarded: random.chance(2) }, connect(random, { run: `run-${story.run}`, epoch: 3 })];
    case 6: {
      const again = story.steps[random.below(Math.max(1, story.steps.length))];
      return again === undefined ? [] : [again];
    }
    case 7:
      return [write(story)];
    case 8:
      return wayBack(random, story);
    default:
      return [submit(random, story, randomGroups(random, story))];
  }
}

function write(story: Story): Command {
  story.written += 1;
  return { kind: "write", text: `written ${story.written}` };
}

/** What was saved is asked for again and again, by an undo or by the way back of a trial, and something is written in between. */
function wayBack(random: Random, story: Story): Command[] {
  const version = versions[story.version % versions.length] ?? "v1";
  // Mostly of one run and no point: otherwise hardly two of them are about the same backup.
  const one = (kind: TaskKind, action: TaskAction): Command => {
    const task = makeTask(random, { kind, action, version });
    return submit(random, story, [[kind === "hook" || random.chance(4) ? task : { ...task, options: {} }]]);
  };
  const undo = () => one(random.pick(["backup", "backup", "switch"]), "undo");
  const again = random.chance(2) ? [one("backup", "do"), write(story)] : [];
  const after = random.chance(2) ? [one("hook", "do")] : [];
  return [one("backup", "do"), write(story), ...again, undo(), write(story), undo(), ...after];
}

/** The next thing that a release does, in its order. */
function onward(random: Random, story: Story): Command[] {
  const version = versions[story.version % versions.length] ?? "v1";
  const run = `run-${story.run}`;
  const step = (...kinds: (readonly [TaskKind, TaskAction])[]) =>
    submit(
      random,
      story,
      kinds.map(([kind, action]) => [makeTask(random, { kind, action, version })]),
    );
  story.place += 1;
  switch (story.place) {
    case 1:
      return [{ kind: "deliver", version, run }];
    case 2:
      return [step(["build", "do"], ["check", "do"])];
    case 3:
      return [step(["backup", "do"], ["drain", "do"], ["switch", "do"], ["health", "do"], ["drain", "undo"])];
    case 4:
      return [connect(random, { run, epoch: 1 }), connect(random, { run, epoch: 3 })];
    case 5:
      return [step(random.chance(4) ? ["switch", "undo"] : ["confirm", "do"])];
    case 6:
      return [step(["commit", "do"]), step(["switch", "undo"])];
    default:
      story.place = 0;
      story.version += 1;
      story.run += 1;
      return [connect(random, { run: `run-${story.run}`, epoch: 3 })];
  }
}

function connect(random: Random, { run, epoch }: { run: string; epoch: number }): Command {
  return { kind: "connect", run, epoch, holder: random.chance(8) ? "you" : "me" };
}

function submit(random: Random, story: Story, groups: readonly TaskGroup[]): Command {
  story.step += 1;
  const command = { kind: "submit", session: random.pick([0, 0, 0, 1, 2]), step: `s${story.step}`, groups } as const;
  story.steps.push(command);
  return command;
}

const kinds = ["build", "check", "backup", "drain", "switch", "health", "hook", "confirm", "commit"] as const;

/** A series of single tasks: what runs side by side on one component would not end in one order. */
function randomGroups(random: Random, story: Story): TaskGroup[] {
  const tasks = new Map<string, Task>();
  for (let left = 1 + random.below(3); left > 0; left--) {
    const near = versions[(story.version + random.pick([0, 0, 0, 2])) % versions.length] ?? "v1";
    const task = makeTask(random, {
      kind: random.pick(kinds),
      action: random.chance(3) ? "undo" : "do",
      version: near,
    });
    tasks.set(`${task.id} ${task.action}`, task);
  }
  return [...tasks.values()].map((task) => [task]);
}

function makeTask(
  random: Random,
  { kind, action, version }: { kind: TaskKind; action: TaskAction; version: string },
): Task {
  const name = kind === "hook" ? random.pick(["convert", "convert", "plain", "late", "nowhere"]) : kind;
  const options = optionsOf(random, { kind, action, name });
  return { id: `h1/web/${name}`, host: "h1", component: "web", version, kind, action, options };
}

function optionsOf(
  random: Random,
  { kind, action, name }: { kind: TaskKind; action: TaskAction; name: string },
): Record<string, string> {
  const trialRun: Record<string, string> = random.chance(4) ? { "trial-run": `run-${1 + random.below(2)}` } : {};
  if (kind === "hook") return { name };
  if (kind === "backup") return { ...(random.chance(2) ? { point: random.pick(["p1", "p2"]) } : {}), ...trialRun };
  if (kind === "switch" && action === "do")
    return random.chance(8) ? { deadline: "9000" } : random.chance(2) ? { deadline: "1000" } : {};
  if (kind === "switch") return { reason: random.pick(["failed", "operator"]), ...trialRun, ...(random.chance(3) ? { point: random.pick(["p1", "p2"]) } : {}) }; // biome-ignore format: one line
  if (kind === "commit" && action === "do") return random.chance(3) ? { floor: "raise" } : {};
  return kind === "confirm" ? trialRun : {};
}
