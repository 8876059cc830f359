// What switches of a run cut off, by what its hosts said: work in flight when a drain was over, sessions that a balancer ended, and old
// processes that were killed. Pure.
import type { JournalEvent } from "../model/run-event.ts";
import type { Cut } from "../model/status.ts";

/** Keyed by `host/component`; places where nothing was cut are left out. */
export function cutsOf(events: readonly JournalEvent[]): ReadonlyMap<string, Cut> {
  const said = new Map<string, Map<string, string>>();
  const atBalancers = new Map<string, Map<string, number>>();
  for (const event of events) {
    if (event.kind !== "task" || event.event.state !== "done" || event.event.action !== "do") continue;
    const [host = "", component = "", kind = ""] = event.event.task.split("/");
    if (host !== event.host) continue;
    const target = kind.includes(".") ? kind.slice(kind.indexOf(".") + 1) : undefined;
    if (target !== undefined) {
      const mine = atBalancers.get(target) ?? new Map<string, number>();
      atBalancers.set(target, mine.set(event.event.task, readAtBalancer(event.event.evidence)));
      continue;
    }
    const place = `${host}/${component}`;
    // Hosts tell their story again after a lost link: the last word counts, once.
    said.set(place, (said.get(place) ?? new Map<string, string>()).set(kind, event.event.evidence));
  }
  const balanced = balancedPlaces(events);
  const cuts = [...said].map(([place, evidence]): [string, Cut] => {
    const of = (kind: string) => evidence.get(kind) ?? "";
    const drained = readCut(of("drain"));
    const ended = balanced.has(place) ? [...(atBalancers.get(place.split("/")[0] ?? "")?.values() ?? [])] : [];
    const inFlight = drained === null ? null : ended.reduce((sum, count) => sum + count, drained);
    return [place, { inFlight, killed: readKilled(of("switch")) + readKilled(of("commit")) }];
  });
  return new Map(cuts.filter(([, { inFlight, killed }]) => inFlight !== 0 || killed > 0));
}

/** Places that leave traffic at a balancer before they switch. */
function balancedPlaces(events: readonly JournalEvent[]): Set<string> {
  const changes = events.flatMap((event) => (event.kind === "run-planned" ? event.plan.changes : []));
  return new Set(
    changes.flatMap(({ host, component, strategy }) => (strategy === "balancer" ? [`${host}/${component}`] : [])),
  );
}

/** What a balancer's task says at the end of its last line: `… after 60 s, cut=2`. */
function readAtBalancer(evidence: string): number {
  return Number(/(?:^|[ ,])cut=(\d{1,9})$/.exec(evidence.trimEnd())?.[1] ?? 0);
}

/** Null where the host could not read how many; 0 also where its contract does not count. The drain's own line is the last one. */
function readCut(evidence: string): number | null {
  const said = [...evidence.matchAll(/^in-flight=\S+ cut=(unknown|not-counted|\d{1,15}) /gm)].at(-1)?.[1];
  if (said === "unknown") return null;
  return said === undefined || said === "not-counted" ? 0 : Number(said);
}

function readKilled(evidence: string): number {
  const line = evidence.split("\n").findLast((each) => /^(?:old-pid|committed)=/.test(each)) ?? "";
  return [...line.matchAll(/ killed=\S+ after /g)].length;
}
