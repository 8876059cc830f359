// What switches of a run cut off, by what its hosts said: work in flight when a drain was over, and old processes that were killed. Pure.
import type { JournalEvent } from "../model/run-event.ts";
import type { Cut } from "../model/status.ts";

/** Keyed by `host/component`; places where nothing was cut are left out. */
export function cutsOf(events: readonly JournalEvent[]): ReadonlyMap<string, Cut> {
  const said = new Map<string, Map<string, string>>();
  for (const event of events) {
    if (event.kind !== "task" || event.event.state !== "done" || event.event.action !== "do") continue;
    const [host = "", component = "", kind = ""] = event.event.task.split("/");
    if (host !== event.host) continue;
    const place = `${host}/${component}`;
    // Hosts tell their story again after a lost link: the last word counts, once.
    said.set(place, (said.get(place) ?? new Map<string, string>()).set(kind, event.event.evidence));
  }
  const cuts = [...said].map(([place, evidence]): [string, Cut] => {
    const of = (kind: string) => evidence.get(kind) ?? "";
    return [place, { inFlight: readCut(of("drain")), killed: readKilled(of("switch")) + readKilled(of("commit")) }];
  });
  return new Map(cuts.filter(([, { inFlight, killed }]) => inFlight !== 0 || killed > 0));
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
