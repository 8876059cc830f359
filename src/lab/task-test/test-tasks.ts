// cutover task test: every case of a component's tasks, alone, on this machine.
import { availableParallelism } from "node:os";
import pMap from "p-map";
import { copyTaskSdk, type SdkCopy } from "../../app/copy-task-sdk.ts";
import { findCases } from "./find-cases.ts";
import { type CaseResult, testCase } from "./test-case.ts";

export interface TestTasksInput {
  /** Holds component.yaml, tasks/ and tests/. */
  readonly directory: string;
  /** Names of tasks; empty for all. */
  readonly tasks: readonly string[];
  /** Instead of /bin/sh. */
  readonly shell: readonly string[] | undefined;
  readonly signal: AbortSignal;
}

export interface TestTasksResult {
  readonly component: string;
  readonly passed: boolean;
  readonly cases: readonly CaseResult[];
  /** Tasks without a test. */
  readonly untested: readonly string[];
  readonly sdk: readonly SdkCopy[];
  readonly durationMs: number;
}

/** Every case in a root of its own, as many at once as there are processors. Throws UsageError for what is no component with tasks. */
export async function testTasks(input: TestTasksInput): Promise<TestTasksResult> {
  const started = performance.now();
  const { component, bundleDirectory, programs, cases, untested } = await findCases(input.directory, input.tasks);
  const { shell, signal } = input;
  const results = await pMap(cases, (each) => testCase(each, { component, bundleDirectory, programs, shell, signal }), {
    concurrency: availableParallelism(),
  });
  return {
    component: component.name,
    passed: results.every(({ checks }) => checks.every(({ outcome }) => outcome !== "failed")),
    cases: results,
    untested,
    sdk: await copyTaskSdk({ directory: input.directory, wanted: [], mode: "check" }),
    durationMs: Math.round(performance.now() - started),
  };
}
