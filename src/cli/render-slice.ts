// What a slice of a plan is a part of, what it brings, and what it leaves. Pure.
import type { PlanSlice, SlicedWork } from "../model/plan.ts";
import { foldHosts } from "../status/fold-hosts.ts";
import { type Line, styled } from "./text.ts";

export interface SliceView {
  readonly slice: PlanSlice | undefined;
  /** What has to come before and is no part of it. */
  readonly missing?: readonly string[];
}

export function sliceLines({ slice, missing = [] }: SliceView): Line[] {
  if (slice === undefined) return [];
  const { of, terms, brought, left } = slice;
  return [
    [
      styled("slice", "accent"),
      ` ${terms.join(" or ")}`,
      styled(` of plan ${of.slice(0, "sha256:".length + 12)}`, "faint"),
    ],
    ...workLines("brings", "what its tasks stand on", brought),
    ...workLines("leaves", "for the rest of the plan", left),
    ...missing.map((text): Line => ["  ", styled("cannot be run alone:", "bad"), ` ${text}`]),
  ];
}

/** Components with the same tasks on the same hosts are one line. */
function workLines(word: string, meaning: string, works: readonly SlicedWork[]): Line[] {
  const groups = Map.groupBy(works, ({ component, hosts }) => `${component} on ${foldHosts(hosts, { ranges: 8 })}`);
  const parts = [...groups].map(([place, group]) => `${group.map(({ task }) => task).join(", ")} of ${place}`);
  return parts.length === 0 ? [] : [[`  ${word}, ${meaning}: ${parts.join("; ")}`]];
}
