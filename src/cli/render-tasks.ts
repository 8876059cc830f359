// Tasks of a run for people. Pure.
import type { Foresight } from "../app/tasks/foresee.ts";
import type { TaskStory } from "../app/tasks/read-task.ts";
import type { ReadTaskBook, TaskRow } from "../app/tasks/task-book.ts";
import type { EventBody } from "../model/run-event.ts";
import type { Task } from "../model/task.ts";
import { lastWord } from "./last-word.ts";
import { stateStyles } from "./render-book.ts";
import { type Cell, tableLines } from "./table.ts";
import { type Line, styled } from "./text.ts";
import { counted, formatClock, formatDuration } from "./units.ts";

/** More than these are counted by step: nobody reads ten thousand rows. */
const rowLimit = 400;

export function renderTaskBook(book: ReadTaskBook, total: number): Line[] {
  const { run, release, outcome, reason, planHash, tasks, isWayBack } = book;
  const state = outcome ?? (isWayBack ? "on its way back" : "open");
  const why = reason === "" ? "" : `: ${reason}`;
  const shown = tasks.length === total ? counted(total, "task") : `${tasks.length} of ${counted(total, "task")}`;
  return [
    [styled(`${release} ${run}`, "strong"), ` ${state}${why}`],
    ...(tasks.length <= rowLimit ? taskRows(tasks) : countedRows(tasks)),
    [styled(`${shown}, plan ${planHash}`, "faint")],
    ...nextLines(book),
  ];
}

function taskRows(tasks: readonly TaskRow[]): Line[] {
  if (tasks.length === 0) return [];
  const rows = tasks.map((row): Cell[] => [
    { text: row.step },
    { text: `${row.isDry ? "dry run of " : ""}${row.action === "undo" ? "undo " : ""}${row.id}` },
    { text: row.state, style: stateStyles[row.state] },
    { text: row.durationMs === 0 ? "" : formatDuration(row.durationMs) },
    { text: saidOf(row) },
  ]);
  return tableLines(["step", "task", "state", "took", ""], rows);
}

function saidOf({ state, reason, evidence, waitsFor }: TaskRow): string {
  if (waitsFor !== undefined) return `waits for ${waitsFor}`;
  if (state !== "failed" && state !== "unknown") return state === "skipped" ? reason : "";
  // What a task of a bundle says, and what host.sh says of an end that it did not foresee, ends with why; else it begins with it, and logs come after.
  const first = evidence.trim().split(/\r?\n/)[0] ?? "";
  const isOfTask = /^(?:task-|unexpected$)/.test(reason) || /^\S+: task-/.test(first);
  const why = isOfTask ? lastWord(evidence) : first;
  return [reason, why].filter(Boolean).join(": ");
}

function countedRows(tasks: readonly TaskRow[]): Line[] {
  const rows = [...Map.groupBy(tasks, ({ step, state }) => `${step} ${state}`).values()].map((group): Cell[] => {
    const [first] = group;
    return [
      { text: first?.step ?? "" },
      { text: first?.state ?? "", style: stateStyles[first?.state ?? "pending"] },
      { text: counted(group.length, "task") },
    ];
  });
  return [...tableLines(["step", "state", "tasks"], rows), ["  --host, --component and --open show them one by one"]];
}

function nextLines({ next, laterByHand }: ReadTaskBook): Line[] {
  const [first, ...more] = next;
  return [
    ...(laterByHand === undefined ? [] : [[styled(`by hand since: cutover task list ${laterByHand}`, "faint")]]),
    ...(first === undefined ? [] : [[styled("next:", "accent"), ` ${first}`]]),
    ...more.map((command): Line => [`      ${command}`]),
  ];
}

/** Bytes and build only bring the script that is meant. */
export function asked(tasks: readonly Task[]): readonly Task[] {
  return tasks.filter(({ kind }) => kind !== "distribute" && kind !== "build");
}

/** What an operator's word would lead to, one line for each host of a step. */
export function decisionLines(events: readonly EventBody[], foresight: Foresight): Line[] {
  const isAll = !events.some(({ kind }) => kind === "host-reopened");
  return events.flatMap((event): Line[] => {
    switch (event.kind) {
      case "step-added":
        return event.step.work.flatMap(({ groups }) =>
          asked(groups.flat()).map(
            ({ id, action }): Line => [
              `  ${action === "undo" ? "undo " : ""}${id}, ${isAll ? "nothing else" : "first"}`,
            ],
          ),
        );
      case "host-reopened":
        return [
          [`  ${event.step} on ${event.host}: ${event.tasks.join(", ") || "nothing more"}, ${whenWords(foresight)}`],
        ];
      case "task-skipped":
        return [[`  go on without ${event.task}, signed by ${event.by}`]];
      case "amended":
        return [[`  take the new task bundle of ${event.component} ${event.version}: ${event.changes.join(", ")}; plan ${event.hash}`]]; // biome-ignore format: one line
      default:
        return [];
    }
  });
}

function whenWords(foresight: Foresight): string {
  switch (foresight.kind) {
    case "goes-on":
      return "then what comes after it";
    case "one-task":
      return "and no more: cutover step goes on";
    case "next-step":
      return "with cutover step, when it comes to that; nothing now";
    case "then-waits":
      return `then ${foresight.reason}`;
    case "later":
      return `when the run comes to that; nothing now: ${foresight.reason}`;
  }
}

export function renderTask({ run, row, story, dependents, laterByHand }: TaskStory): Line[] {
  const waits = row.waitsFor === undefined ? [] : [[`  waits for ${row.waitsFor}`]];
  const others = dependents.length === 0 ? [] : [[`  ${dependents.join(", ")} ${dependents.length === 1 ? "waits" : "wait"} for it`]]; // biome-ignore format: one line
  return [
    [styled(row.id, "strong"), ` ${row.version}: `, styled(row.state, stateStyles[row.state])],
    [
      `  ${row.kind === "hook" ? "executable of the task bundle" : row.kind}, ${row.isDry ? "only run dry, " : ""}step ${row.step} of run ${run}`,
    ],
    ...waits,
    ...others,
    ...story.flatMap(({ at, text }): Line[] => {
      const [first = "", ...more] = text.split("\n");
      return [[`  ${formatClock(at)} ${first}`], ...more.map((line): Line => [`           ${line}`])];
    }),
    ...(laterByHand === undefined ? [] : [laterLine(laterByHand, row.id)]),
  ];
}

function laterLine({ run, isDry }: NonNullable<TaskStory["laterByHand"]>, id: string): Line {
  return [
    styled(`  later: run ${run} ${isDry ? "tried it dry" : "did it by hand"}: cutover task show ${run}/${id}`, "faint"),
  ];
}
