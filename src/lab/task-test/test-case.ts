// One case of one task, through everything that can happen to a task: done, done twice, undone, done again, killed at every line of do and
// of undo, asked what it would do. Each check starts from the fixture.
import type { Component } from "../../model/component.ts";
import type { TaskCase } from "./find-cases.ts";
import { runTask, type TaskEnd } from "./run-task.ts";
import { readFixture, type Scratch, withoutRoot, withScratch } from "./scratch.ts";
import { taskEnvironment } from "./task-environment.ts";
import { plainArgv, runTraced, traceable } from "./trace.ts";
import { type TreeState, treeDifferences } from "./tree-state.ts";

export const taskChecks = ["do", "twice", "undo", "again", "killed", "undo-killed", "dry-run"] as const;
export type TaskCheckName = (typeof taskChecks)[number];

export interface TaskCheck {
  readonly check: TaskCheckName;
  readonly outcome: "passed" | "failed" | "skipped";
  /** Why it was skipped, or what was seen. */
  readonly detail: readonly string[];
  /** For `killed`: lines that ran, and different states that a kill before one of them leaves. */
  readonly lines?: number;
  readonly states?: number;
}

export interface CaseResult {
  readonly task: string;
  readonly case: string;
  readonly checks: readonly TaskCheck[];
  readonly durationMs: number;
}

export interface CaseInput {
  readonly component: Component;
  readonly bundleDirectory: string;
  readonly programs: string | undefined;
  /** Instead of /bin/sh, such as `busybox ash`. */
  readonly shell: readonly string[] | undefined;
  readonly signal: AbortSignal;
}

type Action = "do" | "undo";
interface Bench {
  readonly scratch: Scratch;
  readonly each: TaskCase;
  readonly before: TreeState;
  /** It is the component's backup task: `do` leaves the host as it is, `undo` brings back from `after` what was there before. */
  readonly saves: boolean;
  run(action: Action, dryRun?: "dry-run"): Promise<TaskEnd>;
  /** Leaves in `saved` every different state that a kill before one of its lines would leave; in order. */
  interrupt(
    action: Action,
  ): Promise<{ readonly saved: readonly string[]; readonly lines: number } | { readonly why: string }>;
}

/** A check that failed; its lines say what was seen. */
class Finding extends Error {
  readonly lines: readonly string[];
  constructor(lines: readonly string[]) {
    super(lines[0]);
    this.lines = lines;
  }
}

export async function testCase(each: TaskCase, input: CaseInput): Promise<CaseResult> {
  const started = performance.now();
  const { before, task, name } = each;
  const checks = await withScratch({ before, bundleDirectory: input.bundleDirectory }, async (scratch) => {
    const bench = makeBench(each, input, scratch);
    const done: TaskCheck[] = [];
    for (const check of each.fails === undefined ? taskChecks : (["do", "undo"] as const)) {
      input.signal.throwIfAborted();
      // Nothing else means much when that fails.
      if (done[0]?.outcome === "failed") break;
      scratch.reset();
      done.push(await attempt(check, bench));
    }
    return done;
  });
  return { task: task.name, case: name, checks, durationMs: Math.round(performance.now() - started) };
}

async function attempt(check: TaskCheckName, bench: Bench): Promise<TaskCheck> {
  const { task, fails } = bench.each;
  if (["undo", "again", "undo-killed"].includes(check) && task.undo === undefined)
    return { check, outcome: "skipped", detail: ["it has no undo"] };
  if (check === "dry-run" && task.dryRun !== true)
    return { check, outcome: "skipped", detail: ["it does not say dryRun"] };
  try {
    const seen = await (fails === undefined ? checkOf[check](bench) : checkFailing(check, bench, fails));
    return { check, outcome: "passed", detail: [], ...seen };
  } catch (error) {
    if (!(error instanceof Finding)) throw error;
    return { check, outcome: "failed", detail: error.lines };
  }
}

type Seen = Partial<TaskCheck> | undefined;

const checkOf: Readonly<Record<TaskCheckName, (bench: Bench) => Promise<Seen>>> = {
  async do(bench) {
    await succeed(bench, "do");
    const { root } = bench.scratch;
    const is = withoutUnits(withoutRoot(bench.scratch.look(), root));
    const wanted = readFixture((bench.saves ? bench.each.before : bench.each.after) ?? "");
    same("after do", treeDifferences(is, { wanted, modes: "executable" }));
    return undefined;
  },
  async twice(bench) {
    const wanted = await doneState(bench);
    await succeed(bench, "do");
    sameState(bench, "after do was run again", wanted);
    return undefined;
  },
  async undo(bench) {
    await doneState(bench);
    for (const how of ["after undo", "after undo was run again"]) {
      await succeed(bench, "undo");
      sameState(bench, how, bench.before);
    }
    return undefined;
  },
  async again(bench) {
    const wanted = await doneState(bench);
    await succeed(bench, "undo");
    await succeed(bench, "do");
    sameState(bench, "after do, undo and do", wanted);
    return undefined;
  },
  async killed(bench) {
    const wanted = await doneState(bench);
    bench.scratch.reset();
    return await afterEveryKill(bench, "do", async (place) => {
      await succeed(bench, "do", place);
      sameState(bench, `${place}, and do run again`, wanted);
      // A backup that is not whole is never put back.
      if (bench.each.task.undo === undefined || bench.saves) return;
      place.putBack();
      await succeed(bench, "undo", place);
      sameState(bench, `${place}, and undone`, bench.before);
    });
  },
  async "undo-killed"(bench) {
    await doneState(bench);
    return await afterEveryKill(bench, "undo", async (place) => {
      await succeed(bench, "undo", place);
      sameState(bench, `${place}, and undo run again`, bench.before);
    });
  },
  async "dry-run"(bench) {
    await succeed(bench, "do", "", "dry-run");
    sameState(bench, "after a dry run of do", bench.before);
    const wanted = await doneState(bench);
    if (bench.each.task.undo !== undefined) await succeed(bench, "undo", "", "dry-run");
    sameState(bench, "after a dry run of undo", wanted);
    return undefined;
  },
};

/** It fails with its words, and its undo puts back what it had begun. */
async function checkFailing(check: TaskCheckName, bench: Bench, words: string): Promise<Seen> {
  const { exitCode, said } = await bench.run("do");
  if (exitCode === 0) throw new Finding([`do ended well, but should fail: ${words}`]);
  if (!said.includes(words)) throw new Finding([`do failed without the words: ${words}`, ...lastLines(said)]);
  if (check !== "undo") return undefined;
  await succeed(bench, "undo");
  sameState(bench, "after a failed do and its undo", bench.before);
  return undefined;
}

interface Place {
  putBack(): void;
  toString(): string;
}

async function afterEveryKill(bench: Bench, action: Action, look: (place: Place) => Promise<void>): Promise<Seen> {
  const traced = await bench.interrupt(action);
  if ("why" in traced) return { outcome: "skipped", detail: [traced.why] };
  const { saved, lines } = traced;
  for (const name of saved) {
    const place: Place = {
      putBack: () => bench.scratch.putBack(name),
      toString: () => `after ${action} was killed before line ${Number(name) + 1} of the ${lines} that it ran`,
    };
    place.putBack();
    await look(place);
    bench.scratch.forget(name);
  }
  return { lines, states: saved.length };
}

async function doneState(bench: Bench): Promise<TreeState> {
  await succeed(bench, "do");
  return bench.scratch.look();
}

async function succeed(bench: Bench, action: Action, place: Place | "" = "", dryRun?: "dry-run"): Promise<void> {
  const { exitCode, said } = await bench.run(action, dryRun);
  if (exitCode === 0) return;
  const how = exitCode === 124 ? "took too long" : `ended with ${exitCode}`;
  throw new Finding([
    `${dryRun === undefined ? "" : "a dry run of "}${action} ${how}${place === "" ? "" : ` ${place}`}`,
    ...lastLines(said),
  ]);
}

function sameState({ scratch }: Bench, when: string, wanted: TreeState): void {
  same(when, treeDifferences(scratch.look(), { wanted, modes: "exact" }));
}

function same(when: string, differences: readonly string[]): void {
  if (differences.length > 0) throw new Finding([`${when}:`, ...differences]);
}

function lastLines(said: string): string[] {
  return said.trimEnd().split("\n").slice(-6).map((line) => `| ${line}`); // biome-ignore format: one line
}

function withoutUnits(tree: TreeState): TreeState {
  return new Map([...tree].filter(([path]) => !path.startsWith("unit ")));
}

function makeBench(each: TaskCase, input: CaseInput, scratch: Scratch): Bench {
  const before = scratch.look();
  const timeoutMs = Math.min(each.task.timeoutSeconds, 60) * 1_000;
  const processOf = (action: Action, argv: readonly string[], more: Record<string, string> = {}) => ({
    argv,
    env: { ...taskEnvironment({ ...input, task: each.task.name, action, facts: each.env }, scratch), ...more },
    timeoutMs,
    own: scratch.own,
    signal: input.signal,
  });
  const saves = input.component.backupTask === each.task.name;
  let isSpoilt = false;
  /** What hosts do around a backup: it is taken into an empty directory, and put back over what a version made of the data. */
  const around = (action: Action): void => {
    if (!saves || (action === "undo" && isSpoilt)) return;
    isSpoilt = action === "undo";
    if (action === "do") scratch.clearBackup();
    else if (each.after !== undefined) scratch.become(each.after);
  };
  const script = (action: Action): string =>
    `${scratch.bundle}/${action === "do" ? each.task.do : (each.task.undo ?? "")}`;
  return {
    ...{ scratch, each, before, saves },
    run: (action, dryRun) => {
      if (dryRun === undefined) around(action);
      return runTask(
        processOf(action, plainArgv(script(action), input.shell), dryRun === undefined ? {} : { CUTOVER_DRY_RUN: "1" }),
      );
    },
    async interrupt(action) {
      const traced = traceable(script(action), input.shell);
      if (traced.kind === "none") return { why: traced.why };
      around(action);
      const saved: string[] = [];
      let last = "";
      const { exitCode, lines, said } = await runTraced(processOf(action, traced.argv), (line) => {
        const now = scratch.fingerprint();
        // A kill before a line that changed nothing leaves what the kill before it left.
        if (now !== last) {
          scratch.save(`${line}`);
          saved.push(`${line}`);
          last = now;
        }
        return "go-on";
      });
      if (exitCode !== 0)
        throw new Finding([`${action} ended with ${exitCode} when it was stopped at its lines`, ...lastLines(said)]);
      return { saved, lines };
    },
  };
}
