// Measures a queue's worker as the meter measures a server: jobs come whatever the worker does, each must have its effect, and
// once. What a job waited is read from its effect, which keeps when it was published.

import { existsSync } from "node:fs";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { setTimeout as delay } from "node:timers/promises";
import type { KindReport } from "../../../src/lab/meter/meter-report.ts";
import { publishJobs } from "../../support/python-worker.ts";
import { until } from "../../support/until.ts";
import type { RabbitMq } from "../../support/with-rabbitmq.ts";
import type { RowMeter } from "./row.ts";

export interface JobsAsked {
  readonly broker: RabbitMq;
  /** The worker's directory, with its database. */
  readonly state: string;
  readonly perSecond: number;
  /** What each one is worked on. */
  readonly workMs: number;
}

const lookMs = 50;
const allDoneWithinMs = 120_000;

interface Effect {
  readonly job: string;
  /** Milliseconds since the epoch. */
  readonly published: number;
  readonly version: string;
}

export function spawnJobsMeter({ broker, state, perSecond, workMs }: JobsAsked): RowMeter {
  const began = performance.now();
  const effects = readEffects(join(state, "jobs.sqlite"));
  const publisher = publishJobs(broker, { prefix: "row", burst: 1, perSecond, ms: workMs });
  publisher.burst.catch(() => {}); // asked for by `answered`
  const seen = new Map<string, number>();
  const versions: Record<string, number> = {};
  let longestPauseMs = 0;
  let latenessMaxMs = 0;
  const look = (): void => {
    for (const { job, published, version } of effects.next()) {
      seen.set(job, (seen.get(job) ?? 0) + 1);
      versions[version] = (versions[version] ?? 0) + 1;
      longestPauseMs = Math.max(longestPauseMs, Date.now() - published - workMs);
    }
  };
  const stopping = new AbortController();
  const looking = (async () => {
    for (let due = performance.now(); !stopping.signal.aborted; due += lookMs) {
      latenessMaxMs = Math.max(latenessMaxMs, performance.now() - due);
      look();
      await delay(Math.max(0, due + lookMs - performance.now()), undefined, { signal: stopping.signal }).catch(
        () => {},
      );
    }
  })();
  let stopped: ReturnType<RowMeter["stop"]> | undefined;
  const stop = async (): ReturnType<RowMeter["stop"]> => {
    const sent = await publisher.stop();
    // Those that are missing then are lost.
    await until("the last jobs", allDoneWithinMs, async () => seen.size >= sent).catch(() => {});
    stopping.abort();
    await looking;
    look();
    effects.close();
    const repeated = [...seen].filter(([, times]) => times > 1);
    const lost = Math.max(0, sent - seen.size);
    const report: KindReport<string> = {
      ...{ kind: "jobs", port: 0, path: "", sent, ok: sent - lost - repeated.length, failed: lost + repeated.length },
      failedBy: {
        ...(lost === 0 ? {} : { timeout: lost }),
        ...(repeated.length === 0 ? {} : { "wrong-body": repeated.length }),
      },
      ...{ unaccepted: 0, versions, longestPauseMs: Math.round(longestPauseMs), streams: 0, cut: 0, ended: 0 },
      failures: repeated.slice(0, 20).map(([job, times]) => ({
        at: Date.now(),
        reason: "wrong-body",
        detail: `${job} had its effect ${times} times`,
      })),
    };
    const seconds = (performance.now() - began) / 1000;
    return {
      ...{ kind: "summary", endedBy: "stop", seconds, latenessMaxMs: Math.round(latenessMaxMs) },
      ...{ kinds: [report], notSpoken: [] },
    };
  };
  return {
    hasEnded: () => false, // jobs come until it is stopped
    answered: (withinMs) => until("a job that is done", withinMs, async () => seen.size > 0),
    stop: () => (stopped ??= stop()),
  };
}

/** What was booked since it was asked last; the database is made by the worker's first job. */
function readEffects(path: string): { next(): readonly Effect[]; close(): void } {
  let database: DatabaseSync | undefined;
  let last = 0;
  return {
    next() {
      if (database === undefined && !existsSync(path)) return [];
      database ??= new DatabaseSync(path, { readOnly: true, timeout: 5_000 });
      const isThere = database.prepare("SELECT 1 FROM sqlite_master WHERE name = 'booked'").get() !== undefined;
      if (!isThere) return [];
      const rows = database
        .prepare("SELECT rowid, job, amount, version FROM booked WHERE rowid > ? ORDER BY rowid")
        .all(last);
      return rows.map(({ rowid, job, amount, version }) => {
        last = Number(rowid);
        return { job: String(job), published: Number(amount), version: String(version) };
      });
    },
    close: () => database?.close(),
  };
}
