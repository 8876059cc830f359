// Where the time of a pass went, as tables. Pure.
import type { CallTimes, Durations, Profile, TaskTimes } from "../model/profile.ts";
import { type Cell, tableLines } from "./table.ts";
import { type Line, padStart, styled } from "./text.ts";
import { formatBytes } from "./units.ts";

const figures = ["count", "total", "p50", "p99", "max"];

export function renderProfile(
  { process, tasks, calls }: Profile,
  files: { readonly cpuProfile: string; readonly flameGraph: string },
): Line[] {
  const { eventLoop } = process;
  const { p50, p99, max } = eventLoop.delayMs;
  return [
    [],
    [styled("Profile", "strong"), `  ${ms(process.wallMs)} in all`],
    [
      `  CPU ${ms(process.cpuUserMs)} user, ${ms(process.cpuSystemMs)} system; peak memory ${formatBytes(process.peakRssBytes)}`,
    ],
    [
      `  event loop ${(100 * eventLoop.utilization).toFixed(0)} % busy; late by p50 ${ms(p50)}, p99 ${ms(p99)}, at most ${ms(max)}`,
    ],
    [],
    ...(tasks.length === 0 ? [] : [...tableLines(["task", ...right(figures), "failed"], tasks.map(taskRow)), []]),
    ...tableLines(["outside call", ...right(figures), "errors"], calls.map(callRow)),
    [],
    ["  flame graph  ", styled(files.flameGraph, "accent")],
    [
      "  CPU profile  ",
      styled(files.cpuProfile, "accent"),
      styled("  opens in Chrome's DevTools and in speedscope", "faint"),
    ],
  ];
}

const columnWidth = 9;
const right = (words: readonly string[]) => words.map((word) => padStart(word, columnWidth));

function taskRow({ kind, action, failed, ...durations }: TaskTimes): Cell[] {
  return [{ text: action === "undo" ? `${kind} undo` : kind }, ...durationCells(durations), trouble(failed)];
}

function callRow({ call, errors, ...durations }: CallTimes): Cell[] {
  return [{ text: call }, ...durationCells(durations), trouble(errors)];
}

function durationCells({ count, totalMs, p50Ms, p99Ms, maxMs }: Durations): Cell[] {
  return right([String(count), ms(totalMs), ms(p50Ms), ms(p99Ms), ms(maxMs)]).map((text) => ({ text }));
}

function trouble(count: number): Cell {
  return count === 0 ? { text: "-", style: "faint" } : { text: String(count), style: "bad" };
}

function ms(milliseconds: number): string {
  if (milliseconds >= 10_000) return `${(milliseconds / 1_000).toFixed(1)} s`;
  return `${milliseconds.toFixed(milliseconds < 100 ? 1 : 0)} ms`;
}
