// Version skew limits that the documents break by themselves: what they ask for is too far apart, whatever way leads there. Pure.
import type { DesiredComponent } from "../model/desired.ts";
import { isRange } from "../model/version-range.ts";
import { skewProblem } from "../plan/version-distance.ts";
import type { Report } from "./report.ts";

/** One finding a limit, at the limit. Names that are missing and ranges that nobody pinned are reported elsewhere. */
export function reportSkew(components: readonly DesiredComponent[], report: Report): void {
  for (const [index, { name, targets, skew = [] }] of components.entries()) {
    for (const [place, limit] of skew.entries()) {
      const path = ["components", index, "skew", place] as const;
      if (limit.of === name)
        report([...path, "of"], { message: `${name} cannot be limited by itself`, expected: "another component" });
      const other = components.find((each) => each.name === limit.of);
      if (other === undefined || other.name === name) continue;
      const found = pairs(targets, { others: other.targets, scope: limit.scope }).flatMap(([version, otherVersion]) => {
        const problem = skewProblem(limit, { version, other: otherVersion });
        return problem === undefined ? [] : [`${name} ${version} beside ${other.name} ${otherVersion}: ${problem}`];
      });
      if (found[0] !== undefined) report(path, { message: found[0] });
    }
  }
}

type Targets = DesiredComponent["targets"];

/** Each pair of versions once that would run at the same time. */
function pairs(
  targets: Targets,
  { others, scope }: { readonly others: Targets; readonly scope: "fleet" | "host" },
): (readonly [string, string])[] {
  const pinned = (each: Targets) => each.filter(({ version }) => !isRange(version));
  const onHost = new Map(pinned(others).map(({ host, version }) => [host, version]));
  const versions = new Set(onHost.values());
  const found = new Map<string, readonly [string, string]>();
  for (const { host, version } of pinned(targets)) {
    const beside = scope === "fleet" ? versions : [onHost.get(host)].flatMap((each) => each ?? []);
    for (const other of beside) found.set(`${version} ${other}`, [version, other]);
  }
  return [...found.values()];
}
