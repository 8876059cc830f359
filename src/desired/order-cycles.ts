// Names that no component of the release has, and circles in the order, over both kinds of edges together. Pure.
import type { ReleaseComponent } from "../model/release.ts";
import { nearest } from "./nearest.ts";
import type { Report } from "./report.ts";

/** `component` waits for `before`, and where in the document that is written. */
interface Wait {
  readonly before: string;
  readonly words: "requires" | "is consumed by";
  readonly path: readonly (string | number)[];
}

/** Every name below `depends_on`, `consumes` and `skew` that this release does not have, where it is written. */
export function reportMissingNames(components: readonly ReleaseComponent[], report: Report): void {
  const names = components.map(({ name }) => name);
  for (const [index, { depends_on, consumes, skew }] of components.entries()) {
    const written: (readonly [name: string, ...path: (string | number)[]])[] = [
      ...depends_on.map((name, place) => [name, "depends_on", place] as const),
      ...consumes.map((name, place) => [name, "consumes", place] as const),
      ...skew.map(({ of }, place) => [of, "skew", place, "of"] as const),
    ];
    for (const [name, ...path] of written) {
      if (names.includes(name)) continue;
      const close = nearest(name, names);
      report(["components", index, ...path], {
        message: `this release has no component ${name}`,
        ...(close === undefined ? {} : { nearest: close }),
      });
    }
  }
}

/** Each cycle once, at the edge that closes it. Iterative: a chain may be as long as the release. */
export function reportCycles(components: readonly ReleaseComponent[], report: Report): void {
  const waits = waitsOf(components);
  const state = new Map<string, "open" | "closed">();
  for (const { name: start } of components) {
    const trail: { name: string; next: number }[] = state.has(start) ? [] : [{ name: start, next: 0 }];
    while (trail.length > 0) {
      const top = trail[trail.length - 1];
      if (top === undefined) break;
      state.set(top.name, "open");
      const wait = waits.get(top.name)?.[top.next++];
      if (wait === undefined) {
        state.set(top.name, "closed");
        trail.pop();
      } else if (state.get(wait.before) === "open") {
        const circle = trail.slice(trail.findIndex(({ name }) => name === wait.before));
        // Each one on the trail has taken the wait before its `next`.
        const said = circle.flatMap(({ name, next }) => {
          const { words = "", before = "" } = waits.get(name)?.[next - 1] ?? {};
          return `${name} ${words} ${before}`;
        });
        report(wait.path, {
          message: `a cycle: ${said.join(", ")}`,
          expected: "an order in which each can be reached (what is required goes first, and so does who consumes)",
        });
      } else if (!state.has(wait.before)) trail.push({ name: wait.before, next: 0 });
    }
  }
}

/** By component, what it waits for. Names that are not there were reported already. */
function waitsOf(components: readonly ReleaseComponent[]): Map<string, Wait[]> {
  const waits = new Map(components.map(({ name }): [string, Wait[]] => [name, []]));
  for (const [index, { name, depends_on, consumes }] of components.entries()) {
    for (const [place, before] of depends_on.entries())
      if (waits.has(before))
        waits.get(name)?.push({ before, words: "requires", path: ["components", index, "depends_on", place] });
    for (const [place, producer] of consumes.entries())
      waits
        .get(producer)
        ?.push({ before: name, words: "is consumed by", path: ["components", index, "consumes", place] });
  }
  return waits;
}
