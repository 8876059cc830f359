// `--slice 'phase=control-plane,site=a'`: from what somebody typed to the part of a plan that is meant, or why there is none.
import { nearest } from "../desired/nearest.ts";
import { RefusedError, UsageError } from "../errors.ts";
import type { Desired, DesiredRelease } from "../model/desired.ts";
import type { Host } from "../model/fleet.ts";
import type { Plan } from "../model/plan.ts";
import { taskKinds } from "../model/task.ts";
import {
  matchesValue,
  parseSlice,
  type SliceCondition,
  type SliceTerm,
  sliceKeys,
  sliceText,
} from "../plan/parse-slice.ts";
import { type Slice, slicePlan } from "../plan/slice-plan.ts";
import { labelsOf } from "./release-context.ts";

export interface SliceRequest {
  readonly plan: Plan;
  /** Any of them. */
  readonly terms: readonly SliceTerm[];
  readonly hosts: readonly Pick<Host, "name" | "labels">[];
}

/** Where the words of a slice come from. */
export type SliceWords = Pick<Desired, "hosts" | "procedure"> & {
  readonly releases: readonly Pick<DesiredRelease, "components">[];
};

/** Throws UsageError for a text, a key or a value that means nothing. Tasks are known only by their plan. */
export function sliceTerms(texts: readonly string[], words: SliceWords): SliceTerm[] {
  return texts.map((text) => {
    const term = termOf(text, words.hosts);
    for (const condition of term)
      if (condition.key !== "task") refuseUnknown({ term, condition }, valuesOf(condition.key, words));
    return term;
  });
}

/** Undefined when nothing of this plan is meant. Throws UsageError for a task that is misspelt. */
export function cutSlice({ plan, terms, hosts }: SliceRequest): Slice | undefined {
  const slice = slicePlan({ plan, terms, labelsOf: labelsOf(hosts) });
  if (slice === undefined)
    for (const term of terms) for (const condition of term) refuseMisspeltTask({ term, condition }, plan);
  return slice;
}

function valuesOf(key: string, { hosts, releases, procedure }: SliceWords): string[] {
  if (key === "phase") return procedure.phases.map(({ name }) => name);
  if (key === "host") return hosts.map(({ name }) => name);
  if (key === "component")
    return [...new Set(releases.flatMap(({ components }) => components.map(({ name }) => name)))];
  return [...new Set(hosts.flatMap(({ labels }) => labels[key] ?? []))];
}

const shownValues = 12;

interface Typed {
  readonly term: SliceTerm;
  /** The one of it that is in question. */
  readonly condition: SliceCondition;
}

function refuseUnknown({ term, condition }: Typed, known: readonly string[]): void {
  const { key, value } = condition;
  if (known.some((word) => matchesValue(value, word))) return;
  const close = nearest(value, known);
  const others = known.length > shownValues ? ` and ${known.length - shownValues} more` : "";
  const hint =
    close === undefined ? `known: ${known.slice(0, shownValues).join(", ")}${others}` : `did you mean ${close}?`;
  const next = close === undefined ? shownBy(key) : withMeant({ term, condition }, { key, value: close });
  throw new UsageError(`--slice ${key}=${value}: there is no such ${key}; ${hint}`, next);
}

/** The same with what was probably meant. */
function withMeant({ term, condition }: Typed, meant: SliceCondition): string {
  return `cutover plan --slice '${sliceText(term.map((each) => (each === condition ? meant : each)))}'`;
}

/** What shows all that may stand behind a key. */
function shownBy(key: string): string {
  return ["phase", "component", "task"].includes(key) ? "cutover plan --book" : "cutover host list";
}

/** One that is right may have nothing to do just now, so only a slip is told. */
function refuseMisspeltTask(typed: Typed, { steps }: Plan): void {
  const { key, value } = typed.condition;
  if (key !== "task") return;
  const tasks = steps.flatMap(({ work }) => work.flatMap(({ groups }) => groups.flat()));
  const known = [...new Set([...taskKinds, ...tasks.map(({ id }) => id.split("/")[2] ?? "")])];
  if (known.every((word) => !matchesValue(value, word)) && nearest(value, known) !== undefined)
    refuseUnknown(typed, known);
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
  if (term === undefined)
    throw new UsageError(`--slice ${text} is no list of KEY=VALUE`, "cutover plan --slice component=NAME,host=NAME");
  const labels = [...new Set(hosts.flatMap((host) => Object.keys(host.labels)))].sort();
  const keys = [...sliceKeys, ...labels];
  for (const condition of term) {
    const { key, value } = condition;
    if (keys.includes(key)) continue;
    const close = nearest(key, keys);
    const carried = labels.length === 0 ? "none carries any" : `they carry ${labels.join(", ")}`;
    const words = `--slice knows ${sliceKeys.join(", ")} and labels of hosts; no host carries a label ${key}`;
    if (close === undefined) throw new UsageError(`${words}, ${carried}`, "cutover host list");
    throw new UsageError(`${words}, did you mean ${close}?`, withMeant({ term, condition }, { key: close, value }));
  }
  return term;
}
