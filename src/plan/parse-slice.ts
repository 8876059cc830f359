// `phase=control-plane,site=a`: which part of a plan is meant, as people write it. Pure.

/** Within a term all conditions hold; of several terms any. Values may have `*` for any text. */
export type SliceTerm = readonly SliceCondition[];

export interface SliceCondition {
  /** `phase`, `component`, `host`, `task`, or the name of a label. */
  readonly key: string;
  readonly value: string;
}

export const sliceKeys = ["phase", "component", "host", "task"] as const;

/** Undefined for a text that is no term: `key=value`, more of them after commas. */
export function parseSlice(text: string): SliceTerm | undefined {
  const conditions = text.split(",").map((part): SliceCondition | undefined => {
    const [key = "", ...rest] = part.split("=");
    const value = rest.join("=").trim();
    return key.trim() === "" || value === "" ? undefined : { key: key.trim(), value };
  });
  return conditions.every((each) => each !== undefined) ? conditions : undefined;
}

export function sliceText(term: SliceTerm): string {
  return term.map(({ key, value }) => `${key}=${value}`).join(",");
}

/** Whether a word is what a value of a condition asks for. */
export function matchesValue(value: string, word: string): boolean {
  const pattern = value
    .split("*")
    .map((part) => part.replace(/[.+?^${}()|[\]\\]/g, "\\$&"))
    .join(".*");
  return new RegExp(`^${pattern}$`, "u").test(word);
}
