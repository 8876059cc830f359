// What a slice of a plan is a part of, what it brings, and what it leaves. Pure.
import type { PlanSlice, SlicedWork } from "../model/plan.ts";
import { foldHosts } from "../status/fold-hosts.ts";
import { type Line, styled } from "./text.ts";
import { counted } from "./units.ts";

export interface SliceView {
  readonly slice: PlanSlice | undefined;
  /** What has to come before and is no part of it. */
  readonly missing?: readonly string[];
}

export function sliceLines({ slice, missing = [] }: SliceView): Line[] {
  if (slice === undefined) return [];
  const { of, terms, brought, left, untouched = [] } = slice;
  return [
    [
      styled("slice", "accent"),
      ` ${terms.join(" or ")}`,
      styled(` of plan ${of.slice(0, "sha256:".length + 12)}`, "faint"),
    ],
    ...partLines("brings, what its tasks stand on", workParts(brought)),
    ...partLines("leaves, for the rest of the plan", [...workParts(left), ...untouchedParts(untouched)]),
    ...missing.map((text): Line => ["  ", styled("cannot be run alone:", "bad"), ` ${text}`]),
  ];
}

/** Components with the same tasks on the same hosts are one line. */
function workParts(works: readonly SlicedWork[]): string[] {
  const groups = Map.groupBy(works, ({ component, hosts }) => `${component} on ${foldHosts(hosts, { ranges: 8 })}`);
  return [...groups].map(([place, group]) => `${group.map(({ task }) => task).join(", ")} of ${place}`);
}

/** Components that a line has room for. */
const shownComponents = 8;

function untouchedParts(untouched: NonNullable<PlanSlice["untouched"]>): string[] {
  const parts = untouched.map(({ component, hosts }) => `all of ${component} on ${counted(hosts, "host")}`);
  const left = parts.length - shownComponents;
  return left > 0 ? [...parts.slice(0, shownComponents), `all of ${counted(left, "more component")}`] : parts;
}

function partLines(head: string, parts: readonly string[]): Line[] {
  return parts.length === 0 ? [] : [[`  ${head}: ${parts.join("; ")}`]];
}
