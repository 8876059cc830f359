// The tests of a component's tasks: `tests/TASK/before` and `after`, or the same one directory deeper for several cases of one task.
import { readdir, readFile, stat } from "node:fs/promises";
import { join, resolve } from "node:path";
import { readComponent } from "../../app/read-component.ts";
import { UsageError } from "../../errors.ts";
import type { Component, ContractTask } from "../../model/component.ts";

export interface TaskCase {
  readonly task: ContractTask;
  /** The name of its directory; empty when the task has one case only. */
  readonly name: string;
  /** What stands on the host before; missing: nothing. */
  readonly before: string | undefined;
  /** What must stand there afterwards; missing when the task must fail. */
  readonly after: string | undefined;
  /** The task must fail and say this. */
  readonly fails: string | undefined;
  /** Of this case alone: CUTOVER_VERSION, CUTOVER_FROM, or what the contract gives. */
  readonly env: Readonly<Record<string, string>>;
}

export interface TestedComponent {
  readonly component: Component;
  readonly bundleDirectory: string;
  /** Programs that stand first on the tasks' PATH: `tests/bin`. */
  readonly programs: string | undefined;
  readonly cases: readonly TaskCase[];
  /** Tasks without any case. */
  readonly untested: readonly string[];
}

/** Throws UsageError when there is no such component, task, or half a case. */
export async function findCases(directory: string, only: readonly string[] = []): Promise<TestedComponent> {
  await refuseMissing(directory);
  const { component, bundleDirectory } = await readComponent(join(directory, "component.yaml"));
  if (bundleDirectory === undefined)
    throw new UsageError(`${directory} has no tasks: no directory tasks/, or none in its component.yaml`);
  const unknown = only.find((name) => !component.tasks.some((task) => task.name === name));
  if (unknown !== undefined)
    throw new UsageError(
      `${component.name} has no task ${unknown}; it has ${component.tasks.map(({ name }) => name).join(", ")}`,
    );
  await checkNames(join(directory, "tests"), component);
  const tasks = component.tasks.filter(({ name }) => only.length === 0 || only.includes(name));
  const cases = (await Promise.all(tasks.map((task) => casesOf(task, join(directory, "tests", task.name))))).flat();
  const programs = await existing(join(directory, "tests/bin"));
  const untested = tasks.filter((task) => !cases.some((each) => each.task === task)).map(({ name }) => name);
  return { component, bundleDirectory, programs, cases, untested };
}

/** What was typed is taken from where the reader stands, which is often not where the component is. */
async function refuseMissing(directory: string): Promise<void> {
  const place = resolve(directory);
  const next = "cutover task test DIR: the directory that holds the component's component.yaml, tasks/ and tests/";
  const entry = await stat(place).catch(() => undefined);
  if (entry === undefined) throw new UsageError(`There is no directory ${place}`, next);
  if (!entry.isDirectory()) throw new UsageError(`${place} is no directory`, next);
  const file = await stat(join(place, "component.yaml")).catch(() => undefined);
  if (file === undefined) throw new UsageError(`The directory ${place} holds no component.yaml`, next);
}

/** A directory that is named after no task is a test that nobody runs. */
async function checkNames(tests: string, component: Component): Promise<void> {
  const names = ["bin", ...component.tasks.map(({ name }) => name)];
  const stray = (await directoriesIn(tests)).find((name) => !names.includes(name));
  if (stray !== undefined) throw new UsageError(`${join(tests, stray)} is named after no task of ${component.name}`);
}

async function casesOf(task: ContractTask, directory: string): Promise<TaskCase[]> {
  const names = await directoriesIn(directory);
  if (names.length === 0) return [];
  if (names.includes("after") || names.includes("before")) return [await readCase(task, directory, "")];
  return await Promise.all(names.map((name) => readCase(task, join(directory, name), name)));
}

async function readCase(task: ContractTask, directory: string, name: string): Promise<TaskCase> {
  const after = await existing(join(directory, "after"));
  const fails = await readFile(join(directory, "fails"), "utf8").catch(() => undefined);
  if ((after === undefined) === (fails === undefined))
    throw new UsageError(
      `${directory} needs either after/, or a file fails with the words that the task must fail with`,
    );
  const env = parseEnvironment(await readFile(join(directory, "env"), "utf8").catch(() => ""), directory);
  return { task, name, before: await existing(join(directory, "before")), after, fails: fails?.trim(), env };
}

function parseEnvironment(text: string, directory: string): Record<string, string> {
  const lines = text.split("\n").filter((line) => line !== "" && !line.startsWith("#"));
  return Object.fromEntries(
    lines.map((line) => {
      const at = line.indexOf("=");
      if (at < 1) throw new UsageError(`${join(directory, "env")}: ${line} is not NAME=VALUE`);
      return [line.slice(0, at), line.slice(at + 1)];
    }),
  );
}

async function existing(directory: string): Promise<string | undefined> {
  return (await stat(directory).catch(() => undefined))?.isDirectory() ? directory : undefined;
}

async function directoriesIn(directory: string): Promise<string[]> {
  const entries = await readdir(directory, { withFileTypes: true }).catch(() => []);
  return entries.filter((entry) => entry.isDirectory()).map(({ name }) => name).sort(); // biome-ignore format: one line
}
