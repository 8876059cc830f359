// Who keeps traffic away from hosts while they switch: the same words in every form of the plan. Pure.
import type { Step } from "../model/plan.ts";

/** `web is taken out at lb1, lb2 (pool/out) …`; undefined where no balancer has a part in the plan. */
export function trafficWords(
  steps: readonly Step[],
  name: (text: string) => string = (text) => text,
): string | undefined {
  const away = steps.filter(({ traffic }) => traffic === "away");
  const tasks = away.flatMap(({ work }) => work.flatMap(({ groups }) => groups.flat()));
  const byTask = Map.groupBy(tasks, ({ component, options }) => `${component}/${options.name}`);
  const places = [...byTask].map(([task, mine]) => {
    const hosts = [...new Set(mine.map(({ host }) => host))].sort();
    const shown = hosts.length > 3 ? [...hosts.slice(0, 3), `${hosts.length - 3} more`] : hosts;
    return `${name(task)} on ${shown.join(", ")}`;
  });
  if (places.length === 0) return undefined;
  return `taken away by ${places.join("; ")} before hosts switch, and brought back when they are confirmed`;
}
