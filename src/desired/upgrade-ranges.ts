// What is wrong with the predecessors that a Component declares, beyond its schema: what semver says of them. Pure.
import type { Component } from "../model/component.ts";
import { isWithin, rangeProblem } from "./ranges.ts";

export interface UpgradeProblem {
  readonly path: readonly (string | number)[];
  readonly words: { readonly message: string; readonly expected?: string; readonly nearest?: string };
}

/** A range that nobody can read, and stepping stones that lie outside of it: no host could ever come from them. */
export function upgradeProblems({ upgrade }: Pick<Component, "upgrade">): UpgradeProblem[] {
  if (upgrade === undefined) return [];
  const { from, via } = upgrade;
  const problem = rangeProblem(from);
  if (problem !== undefined) return [{ path: ["upgrade", "from"], words: problem }];
  return via.flatMap((version, place) => {
    if (isWithin(version, from)) return [];
    const message = `${version} is not within \`from\` ("${from}"), so nothing could come from it`;
    return [{ path: ["upgrade", "via", place], words: { message } }];
  });
}
