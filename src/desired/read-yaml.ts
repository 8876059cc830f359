// YAML text → plain values that know where they were written. Only the part of YAML that a reviewer reads at a glance.
import {
  type Document,
  isMap,
  isScalar,
  isSeq,
  LineCounter,
  type Node,
  type ParsedNode,
  parseAllDocuments,
} from "yaml";
import { maxYamlDepth, screenYaml, type TextProblem } from "./screen-yaml.ts";

/** One YAML document of a file. */
export interface YamlValue {
  readonly value: unknown;
  /** Where the value at `path` is written; of its key, when asked for; of the nearest parent, when it is not there. */
  place(path: readonly PropertyKey[], at: "key" | "value"): Place;
  /** A plain scalar as it was typed, such as `1.10`; undefined for anything else. */
  source(path: readonly PropertyKey[]): string | undefined;
}
export interface Place {
  readonly line: number;
  readonly column: number;
}
export interface PlacedProblem extends Place {
  readonly message: string;
  readonly expected?: string;
}

const maxProblems = 100;

/** All documents of a file, or all that is wrong with it as YAML; empty documents are left out. Never throws. */
export function readYaml(text: string): { readonly values: YamlValue[]; readonly problems: PlacedProblem[] } {
  const lines = new LineCounter();
  const placed = ({ offset, ...problem }: TextProblem): PlacedProblem => ({ ...problem, ...placeOf(lines, offset) });
  const screened = screenYaml(text);
  if (screened.length > 0) {
    countLines(lines, text);
    return { values: [], problems: screened.map(placed) };
  }
  const parsed = compose(text, lines);
  const problems: TextProblem[] = [];
  const values: YamlValue[] = [];
  for (const document of parsed.documents) {
    for (const error of [...document.errors, ...document.warnings].slice(0, maxProblems)) {
      problems.push({ offset: error.pos[0], message: wording(error) });
    }
    if (problems.length >= maxProblems) break;
    if (document.errors.length > 0 || document.contents === null) continue;
    const root = document.contents;
    if (isScalar(root) && root.value === null) continue;
    values.push(describe(toPlain(root, problems, 0), root, lines));
  }
  if (parsed.tooDeep)
    problems.push({ offset: 0, message: "too deeply nested", expected: `at most ${maxYamlDepth} levels` });
  return { values, problems: problems.slice(0, maxProblems).map(placed) };
}

function compose(text: string, lineCounter: LineCounter): { documents: Document.Parsed[]; tooDeep: boolean } {
  try {
    const options = {
      lineCounter,
      version: "1.2",
      schema: "core",
      prettyErrors: false,
      uniqueKeys: false,
      merge: false,
      logLevel: "silent",
    } as const;
    return { documents: [...parseAllDocuments(text, options)] as Document.Parsed[], tooDeep: false };
  } catch (error) {
    if (!(error instanceof RangeError)) throw error; // the stack ran out: nested past anything that a person writes
    return { documents: [], tooDeep: true };
  }
}

/** Values without prototypes to poison: `__proto__` is refused, and repeated keys are found in linear time. */
function toPlain(node: ParsedNode | Node | null, problems: TextProblem[], depth: number): unknown {
  const offset = node?.range?.[0] ?? 0;
  if (depth > maxYamlDepth) {
    problems.push({ offset, message: "too deeply nested", expected: `at most ${maxYamlDepth} levels` });
    return null;
  }
  if (isScalar(node)) return node.value;
  if (isSeq(node)) return node.items.map((item) => toPlain(item as Node, problems, depth + 1));
  if (!isMap(node)) return null;
  const members = new Map<string, unknown>();
  for (const { key, value } of node.items) {
    const at = (key as Node).range?.[0] ?? offset;
    if (!isScalar(key) || typeof key.value !== "string") {
      problems.push({ offset: at, message: "a key that is not text", expected: "quotes around it" });
    } else if (key.value === "__proto__") {
      problems.push({ offset: at, message: "the key __proto__ is not allowed" });
    } else if (members.has(key.value)) {
      problems.push({
        offset: at,
        message: `the key ${JSON.stringify(key.value.slice(0, 60))} is there twice`,
        expected: "each key once",
      });
    } else {
      members.set(key.value, toPlain(value as Node | null, problems, depth + 1));
    }
  }
  return Object.fromEntries(members);
}

function describe(value: unknown, root: Node, lines: LineCounter): YamlValue {
  return {
    value,
    place: (path, at) => {
      const { node, key } = find(root, path);
      const shown = at === "key" ? (key ?? node) : node;
      return placeOf(lines, shown.range?.[0] ?? 0);
    },
    source: (path) => {
      const { node, complete } = find(root, path);
      return complete && isScalar(node) && node.type === "PLAIN" ? node.source : undefined;
    },
  };
}

/** Walks as far as the path leads. */
function find(root: Node, path: readonly PropertyKey[]): { node: Node; key: Node | undefined; complete: boolean } {
  let [node, key] = [root, undefined as Node | undefined];
  for (const part of path) {
    let next: Node | null | undefined;
    if (isMap(node)) {
      const pair = node.items.find((item) => isScalar(item.key) && item.key.value === part);
      if (pair === undefined) return { node, key, complete: false };
      key = pair.key as Node;
      next = (pair.value as Node | null) ?? key;
    } else if (isSeq(node) && typeof part === "number") {
      next = node.items[part] as Node | undefined;
      key = next ?? key;
    }
    if (next === undefined || next === null) return { node, key, complete: false };
    node = next;
  }
  return { node, key, complete: true };
}

function placeOf(lines: LineCounter, offset: number): Place {
  const { line, col } = lines.linePos(offset);
  return { line: Math.max(line, 1), column: Math.max(col, 1) };
}

function countLines(lines: LineCounter, text: string): void {
  lines.addNewLine(0);
  for (let at = text.indexOf("\n"); at !== -1; at = text.indexOf("\n", at + 1)) lines.addNewLine(at + 1);
}

/** The composer reports a stack that ran out like a mistake in the text; which it is. */
function wording({ code, message }: { readonly code: string; readonly message: string }): string {
  return code === "RESOURCE_EXHAUSTION" ? "too deeply nested" : (message.split("\n", 1)[0] ?? message);
}
