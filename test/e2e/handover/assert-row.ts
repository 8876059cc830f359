// What a row must show, and one line that says what it showed.
import assert from "node:assert/strict";
import { isAtLeast } from "../../../src/lab/meter/grade-of.ts";
import type { RowResult } from "./run-row.ts";

export interface Cell {
  /** Of kinds that ask; where a row has none, the messages on its streams. */
  readonly requests: number;
  readonly failed: number;
  readonly longestPauseMs: number;
  readonly streams: number;
  /** Broken and ended ones together. */
  readonly lost: number;
}

export function cellOf({ measured: { kinds } }: RowResult): Cell {
  const stays = kinds.filter(({ kind }) => ["websocket", "sse", "tcp"].includes(kind));
  const asks = stays.length === kinds.length ? kinds : kinds.filter((kind) => !stays.includes(kind));
  const sum = (of: (kind: (typeof kinds)[number]) => number): number => asks.reduce((all, kind) => all + of(kind), 0);
  return {
    requests: sum(({ sent }) => sent),
    failed: sum(({ failed }) => failed),
    longestPauseMs: Math.max(...kinds.map(({ longestPauseMs }) => longestPauseMs)),
    streams: stays.reduce((all, { streams }) => all + streams, 0),
    lost: stays.reduce((all, { cut, ended }) => all + cut + ended, 0),
  };
}

/** Fails when the grade is below what the row promises, with the evidence. */
export function assertRow(result: RowResult): void {
  const { row, grade, because, measured } = result;
  if (isAtLeast(grade, row.grade)) return;
  const failures = measured.kinds.flatMap(({ kind, failures }) =>
    failures
      .filter(({ reason }) => reason !== "ended")
      .map(({ at, reason, detail }) => `  ${new Date(at).toISOString()} ${kind} ${reason}: ${detail}`),
  );
  assert.fail(
    `${row.name} promises ${row.grade} and is ${grade}; the meter itself was late by ${measured.latenessMaxMs} ms\n${because.join("\n")}\n${failures.join("\n")}`,
  );
}

export function sayRow(result: RowResult): string {
  const { requests, failed, longestPauseMs, lost } = cellOf(result);
  return `${result.switches.length} hand-overs, ${requests} requests, ${failed} failed, longest pause ${longestPauseMs} ms (meter late by ${result.measured.latenessMaxMs} ms), ${lost} streams lost: ${result.grade}`;
}
