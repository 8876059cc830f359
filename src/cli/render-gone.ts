// A release that git does not ask for any more, in one quiet line: nothing of it is wrong, and nothing of it is done. Pure.
import { foldHosts } from "../status/fold-hosts.ts";
import { groupBy } from "./render-plan.ts";
import { type Line, styled } from "./text.ts";
import { formatClock } from "./units.ts";

export interface GoneView {
  readonly release: string;
  readonly at: number;
  readonly left: readonly { readonly host: string; readonly component: string; readonly version: string }[];
}

const shownVersions = 6;

export function goneLine({ release, at, left }: GoneView): Line {
  const groups = groupBy(left, ({ component, version }) => `${component} ${version}`);
  const words = groups.slice(0, shownVersions).map((group) => {
    const hosts = group.map(({ host }) => host);
    return `${group[0].component} ${group[0].version} on ${foldHosts(hosts, { ranges: 8 })}`;
  });
  const more = groups.length > shownVersions ? `; and ${groups.length - shownVersions} more` : "";
  const text = `${release} is gone from git; nothing was removed, and as of ${formatClock(at)} hosts ran of it: ${words.join("; ")}${more}`;
  return [styled(text, "faint")];
}
