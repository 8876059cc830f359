// A host or a component that a list of tasks was asked for, and that the run knows by another spelling. Pure.
import { didYouMean, meantName } from "../../desired/nearest.ts";
import type { TaskBook } from "./task-book.ts";

/** Undefined for a name of which the run has tasks, and for one that is like none: a run has to do with part of a fleet. */
export function misspelt(
  { run, tasks }: Pick<TaskBook, "run" | "tasks">,
  { key, typed }: { readonly key: "host" | "component"; readonly typed: string | undefined },
): { readonly message: string; readonly next: string } | undefined {
  const known = new Set(tasks.map((row) => row[key]));
  const meant = typed === undefined || known.has(typed) ? undefined : meantName(typed, known);
  if (meant === undefined) return undefined;
  return {
    message: `Run ${run} has no task of ${key} ${typed}${didYouMean(meant)}`,
    next: `cutover task list ${run} --${key} ${meant}`,
  };
}
