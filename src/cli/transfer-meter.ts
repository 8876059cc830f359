// Bytes of a run on their way: how many of how many are there, how fast, and how long it will take. Grows with every report,
// and costs the same for ten hosts and ten thousand.
import type { Plan } from "../model/plan.ts";
import { formatBytes, formatDuration } from "./units.ts";

interface Entry {
  /** By the attempt that is under way. */
  sent: number;
  there: number;
  /** Undefined while nobody knows: nothing of that version is made yet. */
  total: number | undefined;
}

export interface TransferMeter {
  /** Keyed by `host/component`. */
  readonly entries: Map<string, Entry>;
  /** Over the wire, with what was sent twice. */
  sent: number;
  there: number;
  total: number;
  /** Entries without a total. */
  unknown: number;
  /** What was sent when, for the rate: oldest first. */
  readonly samples: { readonly at: number; readonly sent: number }[];
}

export interface TransferReading {
  readonly done: number;
  /** Undefined while some of it is not made yet. */
  readonly total: number | undefined;
  readonly bytesPerSecond: number | undefined;
  readonly msLeft: number | undefined;
}

/** The rate is that of the last seconds: what was an hour ago says little. */
const windowMs = 10_000;
const sampleMs = 250;
const leastMs = 500;

export function startMeter(): TransferMeter {
  return { entries: new Map(), sent: 0, there: 0, total: 0, unknown: 0, samples: [] };
}

/** What the plan says about every host that gets something. */
export function expectTransfers(meter: TransferMeter, plan: Plan): void {
  for (const { component, hosts, path, bytesPerHost } of plan.transfers ?? [])
    for (const host of hosts)
      replace(meter, `${host}/${component}`, { sent: 0, there: 0, total: path === "present" ? 0 : bytesPerHost });
}

export interface BytesReport {
  readonly host: string;
  readonly component: string;
  readonly sent: number;
  /** On the host by now, from earlier attempts too; like `sent` where nobody says. */
  readonly there?: number;
  readonly total: number;
}

export function noteBytes(
  meter: TransferMeter,
  { host, component, sent, there = sent, total }: BytesReport,
  at: number,
): void {
  const key = `${host}/${component}`;
  const before = meter.entries.get(key)?.sent ?? 0;
  meter.sent += sent >= before ? sent - before : sent;
  replace(meter, key, { sent, there, total });
  const newest = meter.samples.at(-1);
  if (newest !== undefined && at - newest.at < sampleMs) return;
  meter.samples.push({ at, sent: meter.sent });
  while ((meter.samples[0]?.at ?? at) < at - windowMs) meter.samples.shift();
}

/** All of it is on the host. */
export function noteDelivered(meter: TransferMeter, report: Omit<BytesReport, "there" | "total">): void {
  const { host, component, sent } = report;
  const key = `${host}/${component}`;
  const known = meter.entries.get(key);
  meter.sent += Math.max(0, sent - (known?.sent ?? 0));
  // A host that had it already was sent less than was expected.
  const total = known !== undefined && known.sent > 0 ? (known.total ?? sent) : sent;
  replace(meter, key, { sent, there: total, total });
}

/** Its patch came to nothing; what follows is counted beside it. */
export function noteRefused(meter: TransferMeter, { host, component }: { host: string; component: string }): void {
  const key = `${host}/${component}`;
  const known = meter.entries.get(key);
  if (known === undefined) return;
  meter.entries.delete(key);
  meter.entries.set(`${key}/refused`, known);
  replace(meter, key, { sent: 0, there: 0, total: undefined });
}

export function readMeter({ there: done, total, unknown, samples, sent }: TransferMeter, now: number): TransferReading {
  const [oldest] = samples;
  const elapsedMs = oldest === undefined ? 0 : now - oldest.at;
  const bytesPerSecond =
    oldest === undefined || elapsedMs < leastMs ? undefined : ((sent - oldest.sent) * 1_000) / elapsedMs;
  const whole = unknown > 0 ? undefined : total;
  return { done, total: whole, bytesPerSecond, msLeft: timeLeft({ done, total: whole, bytesPerSecond }) };
}

/** `12 MB of 31 MB, 3.1 MB/s, 6.1 s left`; what nobody knows is left out. */
export function transferText({ done, total, bytesPerSecond, msLeft }: TransferReading): string {
  const of = total === undefined ? "" : ` of ${formatBytes(total)}`;
  const rate = bytesPerSecond === undefined || msLeft === 0 ? "" : `, ${formatBytes(Math.round(bytesPerSecond))}/s`;
  const left = msLeft === undefined || msLeft === 0 ? "" : `, ${formatDuration(msLeft)} left`;
  return `${formatBytes(done)}${of}${rate}${left}`;
}

export function timeLeft({ done, total, bytesPerSecond }: Omit<TransferReading, "msLeft">): number | undefined {
  if (total === undefined) return undefined;
  if (done >= total) return 0;
  return bytesPerSecond === undefined || bytesPerSecond <= 0 ? undefined : ((total - done) * 1_000) / bytesPerSecond;
}

function replace(meter: TransferMeter, key: string, entry: Entry): void {
  const known = meter.entries.get(key);
  meter.there += entry.there - (known?.there ?? 0);
  meter.total += (entry.total ?? 0) - (known?.total ?? 0);
  meter.unknown += Number(entry.total === undefined) - Number(known !== undefined && known.total === undefined);
  meter.entries.set(key, entry);
}
