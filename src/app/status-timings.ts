// How long a run took on its hosts, component by component: what a later review's estimates are made from.
import type { JournalEvent } from "../model/run-event.ts";
import type { ComponentTiming } from "../model/status.ts";

interface HostTimes {
  readonly tasks: Map<string, number>;
  bytesPerSecond: number | undefined;
}

/** Medians over the hosts that switched. Pure; empty for a run that switched nothing. */
export function timingsOf(events: readonly JournalEvent[]): ComponentTiming[] {
  const components = new Map<string, Map<string, HostTimes>>();
  const timesOf = (host: string, component: string): HostTimes => {
    const hosts = components.get(component) ?? new Map<string, HostTimes>();
    components.set(component, hosts);
    const times = hosts.get(host) ?? { tasks: new Map<string, number>(), bytesPerSecond: undefined };
    hosts.set(host, times);
    return times;
  };
  for (const event of events) {
    if (event.kind === "delivered") {
      // Little says nothing about a link.
      if (event.bytes >= 64 * 1024 && event.ms > 0)
        timesOf(event.host, event.component).bytesPerSecond = Math.round((event.bytes / event.ms) * 1_000);
    } else if (event.kind === "task" && event.event.state === "done") {
      const [host = "", component = "", kind = ""] = event.event.task.split("/");
      const undone = event.event.action === "undo";
      if (host !== event.host || (undone && kind !== "drain")) continue;
      timesOf(host, component).tasks.set(undone ? `undo ${kind}` : kind, event.event.durationMs);
    }
  }
  const at = events.at(-1)?.at ?? 0;
  return [...components]
    .flatMap(([component, hosts]) => timingOf(component, { hosts: [...hosts.values()], at }) ?? [])
    .sort((a, b) => (a.component < b.component ? -1 : 1));
}

const switchTasks = ["drain", "backup", "switch", "health", "undo drain"];

function timingOf(
  component: string,
  { hosts, at }: { hosts: readonly HostTimes[]; at: number },
): ComponentTiming | undefined {
  const switched = hosts.filter(({ tasks }) => tasks.has("switch"));
  if (switched.length === 0) return undefined;
  const speed = median(hosts.flatMap(({ bytesPerSecond }) => bytesPerSecond ?? []));
  return {
    component,
    buildMs: median(hosts.flatMap(({ tasks }) => tasks.get("build") ?? [])) ?? 0,
    ...(speed === undefined ? {} : { bytesPerSecond: speed }),
    switchMs: median(switched.map(({ tasks }) => sum(switchTasks.map((kind) => tasks.get(kind) ?? 0)))) ?? 0,
    confirmMs: median(switched.flatMap(({ tasks }) => tasks.get("confirm") ?? [])) ?? 0,
    hosts: switched.length,
    runs: 1,
    at,
  };
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0);
}

function median(values: readonly number[]): number | undefined {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.floor((sorted.length - 1) / 2)];
}
