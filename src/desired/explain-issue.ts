// A zod issue in the words of the house: what is wrong, what was expected, the nearest spelling. All wording of schema errors is here.
import type { z } from "zod";
import { quotable } from "../model/diagnostic.ts";
import { nearest, onlyWithBeginning } from "./nearest.ts";
import { schemaKeysAt } from "./schema-keys.ts";

export interface Explanation {
  readonly path: readonly PropertyKey[];
  /** Point at the key or at the value. */
  readonly at: "key" | "value";
  readonly message: string;
  readonly expected?: string;
  readonly nearest?: string;
}

export interface Explained {
  readonly schema: z.core.$ZodType;
  readonly value: unknown;
  /** A plain scalar as it was typed. */
  source(path: readonly PropertyKey[]): string | undefined;
}

export function explainIssue(issue: z.core.$ZodIssue, subject: Explained): Explanation[] {
  const { path } = issue;
  const actual = valueAt(subject.value, path);
  switch (issue.code) {
    case "unrecognized_keys": {
      const known = schemaKeysAt(subject.schema, path);
      return issue.keys.slice(0, 100).map((key) => explainUnknownKey([...path, key], key, known));
    }
    case "invalid_type":
      return [explainType(issue, actual, subject.source(path))];
    case "invalid_value": {
      const options = issue.values.map(String);
      return [
        { path, at: "value", message: found(actual), expected: oneOf(options), ...closest(String(actual), options) },
      ];
    }
    case "invalid_union":
      return explainUnion(issue, actual, subject);
    case "too_small":
    case "too_big": {
      const edge = issue.code === "too_small" ? `at least ${issue.minimum}` : `at most ${issue.maximum}`;
      const unit = issue.origin === "string" ? " characters" : issue.origin === "array" ? " entries" : "";
      return [{ path, at: "value", message: found(actual), expected: `${edge}${unit}` }];
    }
    case "invalid_format":
      return [{ path, at: "value", message: found(actual), expected: withoutPrefix(issue.message) }];
    case "invalid_key":
      return [
        { path, at: "key", message: `the key ${show(path.at(-1))} cannot be used`, expected: inner(issue.issues) },
      ];
    default:
      return [{ path, at: "value", message: quotable(withoutPrefix(issue.message), 400) }];
  }
}

function explainUnknownKey(path: readonly PropertyKey[], key: string, known: readonly string[]): Explanation {
  const close = closest(key, known);
  const expected = close.nearest === undefined && known.length > 0 ? { expected: oneOf(known) } : {};
  return { path, at: "key", message: `unknown key ${show(key)}`, ...expected, ...close };
}

function explainType(issue: z.core.$ZodIssueInvalidType, actual: unknown, source: string | undefined): Explanation {
  const { path } = issue;
  if (actual === undefined)
    return { path, at: "value", message: `${show(path.at(-1))} is missing`, expected: kindOf(issue.expected) };
  if (issue.expected === "string" && source !== undefined && typeof actual !== "object") {
    const message = `${quotable(source)} without quotes is ${describeScalar(actual)}`;
    return { path, at: "value", message, expected: `text; quote it: ${JSON.stringify(quotable(source))}` };
  }
  return { path, at: "value", message: found(actual), expected: kindOf(issue.expected) };
}

/** A union with a tag: which tags there are. Without one: what is wrong by the branch that was meant, else what every branch wanted. */
function explainUnion(issue: z.core.$ZodIssueInvalidUnion, actual: unknown, subject: Explained): Explanation[] {
  const { path } = issue;
  if ("options" in issue && Array.isArray(issue.options)) {
    const options = issue.options.map(String);
    if (actual === undefined)
      return [{ path, at: "value", message: `${show(path.at(-1))} is missing`, expected: oneOf(options) }];
    return [
      { path, at: "value", message: found(actual), expected: oneOf(options), ...closest(String(actual), options) },
    ];
  }
  // What a branch says of itself begins at the union.
  const branches = issue.errors.map((branch) => branch.map((each) => ({ ...each, path: [...path, ...each.path] })));
  const meant = isMap(actual) ? explainMap(branches, { path, actual, subject }) : undefined;
  if (meant !== undefined) return meant;
  const wanted = branches.flat().map((each) => explainIssue(each, subject)[0]?.expected);
  const expected = [...new Set(wanted.filter((each) => each !== undefined))].join(", or ");
  return [{ path, at: "value", message: found(actual), ...(expected === "" ? {} : { expected }) }];
}

/** A map where branches of a union are maps, too: its keys tell which one was meant. Undefined when they do not. */
function explainMap(
  branches: readonly (readonly z.core.$ZodIssue[])[],
  { path, actual, subject }: { path: readonly PropertyKey[]; actual: object; subject: Explained },
): Explanation[] | undefined {
  const own = (each: z.core.$ZodIssue): boolean => each.path.length === path.length;
  const maps = branches.filter((branch) => !branch.some((each) => each.code === "invalid_type" && own(each)));
  if (maps.length === 0) return undefined;
  const strangeIn = (branch: readonly z.core.$ZodIssue[]): readonly string[] =>
    branch.flatMap((each) => (each.code === "unrecognized_keys" && own(each) ? each.keys : []));
  const fitting = maps.filter((branch) => strangeIn(branch).length === 0);
  const [meant, ...others] = fitting;
  if (meant !== undefined && others.length === 0) return meant.flatMap((each) => explainIssue(each, subject));
  const known = schemaKeysAt(subject.schema, path);
  const keys = Object.keys(actual).slice(0, 100);
  if (meant !== undefined) {
    const message = keys.length === 0 ? "an empty map" : found(actual);
    return [{ path, at: "value", message, expected: `a map with ${oneOf(known)}` }];
  }
  const unknown = keys.filter((key) => !known.includes(key));
  if (unknown.length > 0) return unknown.map((key) => explainUnknownKey([...path, key], key, known));
  const apart = keys.filter((key) => maps.some((branch) => strangeIn(branch).includes(key)));
  return [{ path, at: "value", message: `${apart.join(" and ")} do not go together`, expected: "only one of them" }];
}

function isMap(value: unknown): value is object {
  return value !== null && typeof value === "object" && !Array.isArray(value);
}

function valueAt(value: unknown, path: readonly PropertyKey[]): unknown {
  let current = value;
  for (const part of path) {
    if (current === null || typeof current !== "object" || !Object.hasOwn(current, part)) return undefined;
    current = (current as Record<PropertyKey, unknown>)[part];
  }
  return current;
}

function found(actual: unknown): string {
  if (actual === undefined) return "nothing there";
  if (Array.isArray(actual)) return actual.length === 0 ? "an empty list" : "found a list";
  if (actual !== null && typeof actual === "object") return "found a map";
  return `found ${show(actual)}`;
}

function show(value: unknown): string {
  if (value === null) return "nothing";
  if (typeof value !== "string") return quotable(String(value));
  return `"${quotable(value)}"`;
}

function describeScalar(actual: unknown): string {
  if (actual === null) return "no value at all";
  return `the ${typeof actual} ${String(actual)}`;
}

function kindOf(expected: string): string {
  const words: Readonly<Record<string, string>> = {
    string: "text",
    int: "a whole number",
    number: "a number",
    array: "a list",
    object: "a map",
    record: "a map",
    boolean: "true or false",
  };
  return words[expected] ?? expected;
}

function oneOf(options: readonly string[]): string {
  return options.length === 1 ? `${options[0]}` : `one of ${options.join(", ")}`;
}

function closest(word: string, options: readonly string[]): { nearest?: string } {
  const close = nearest(word, options) ?? onlyWithBeginning(word, options);
  return close === undefined ? {} : { nearest: close };
}

function inner(issues: readonly z.core.$ZodIssue[]): string {
  return withoutPrefix(issues[0]?.message ?? "another spelling");
}

function withoutPrefix(message: string): string {
  return message.replace(/^Invalid (string|input): /, "");
}
