// `--slice 'phase=control-plane,site=a'`: from what somebody typed to the part of a plan that is meant, or why there is none.
import { nearest } from "../desired/nearest.ts";
import { RefusedError, UsageError } from "../errors.ts";
import type { Host } from "../model/fleet.ts";
import type { Plan } from "../model/plan.ts";
import { parseSlice, type SliceTerm, sliceKeys } from "../plan/parse-slice.ts";
import { type Slice, slicePlan } from "../plan/slice-plan.ts";
import { labelsOf } from "./release-context.ts";

export interface SliceRequest {
  readonly plan: Plan;
  /** Any of them. */
  readonly terms: readonly SliceTerm[];
  readonly hosts: readonly Pick<Host, "name" | "labels">[];
}

/** Throws UsageError for a text or a key that means nothing. */
export function sliceTerms(texts: readonly string[], hosts: SliceRequest["hosts"]): SliceTerm[] {
  return texts.map((text) => termOf(text, hosts));
}

/** Undefined when nothing of this plan is meant. */
export function cutSlice({ plan, terms, hosts }: SliceRequest): Slice | undefined {
  return slicePlan({ plan, terms, labelsOf: labelsOf(hosts) });
}

/** The slice as a plan to run. Throws `slice-incomplete` when something has to come before that is no part of it. */
export function sliceToRun(request: SliceRequest): Plan | undefined {
  const slice = cutSlice(request);
  if (slice === undefined || slice.missing.length === 0) return slice?.plan;
  throw new RefusedError({
    code: "slice-incomplete",
    message: `This slice of the plan of ${request.plan.release} cannot be run alone`,
    evidence: slice.missing.join("\n"),
    impact: "Nothing was changed on any host",
    remedy: "Run that first, or take it in with another --slice; cutover plan --slice … shows what a slice holds",
  });
}

function termOf(text: string, hosts: SliceRequest["hosts"]): SliceTerm {
  const term = parseSlice(text);
  const example = "cutover plan --slice 'phase=control-plane,site=a'";
  if (term === undefined) throw new UsageError(`--slice ${text} is no list of KEY=VALUE`, example);
  const keys = [...sliceKeys, ...new Set(hosts.flatMap(({ labels }) => Object.keys(labels)))];
  for (const { key } of term) {
    if (keys.includes(key)) continue;
    const close = nearest(key, keys);
    const words = `--slice knows ${sliceKeys.join(", ")} and labels of hosts; no host carries a label ${key}`;
    throw new UsageError(close === undefined ? words : `${words}, did you mean ${close}?`, example);
  }
  return term;
}
