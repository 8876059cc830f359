// A zod issue in the words of the house: what is wrong, what was expected, the nearest spelling. All wording of schema errors is here.
import type { z } from "zod";
import { quotable } from "../model/diagnostic.ts";
import { nearest } from "./nearest.ts";
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
      return [explainUnion(issue, actual, subject)];
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

/** A union without a tag: says what every branch wanted. With a tag: which tags there are. */
function explainUnion(issue: z.core.$ZodIssueInvalidUnion, actual: unknown, subject: Explained): Explanation {
  const { path } = issue;
  if ("options" in issue && Array.isArray(issue.options)) {
    const options = issue.options.map(String);
    if (actual === undefined)
      return { path, at: "value", message: `${show(path.at(-1))} is missing`, expected: oneOf(options) };
    return { path, at: "value", message: found(actual), expected: oneOf(options), ...closest(String(actual), options) };
  }
  const wanted = issue.errors.flat().map((each) => explainIssue(each, subject)[0]?.expected);
  const expected = [...new Set(wanted.filter((each) => each !== undefined))].join(", or ");
  return { path, at: "value", message: found(actual), ...(expected === "" ? {} : { expected }) };
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
  const close = nearest(word, options);
  return close === undefined ? {} : { nearest: close };
}

function inner(issues: readonly z.core.$ZodIssue[]): string {
  return withoutPrefix(issues[0]?.message ?? "another spelling");
}

function withoutPrefix(message: string): string {
  return message.replace(/^Invalid (string|input): /, "");
}
