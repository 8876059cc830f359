// Guards: conditions that keep a promise, marked `// guard P9: why` on the line above. Each is found here, and turned round.
import type { SourceFile } from "../support/source-files.ts";

export interface Guard {
  /** Below src/. */
  readonly path: string;
  /** Of the condition, from 1. */
  readonly line: number;
  readonly promise: string;
  readonly why: string;
  /** The file's text with the condition negated. */
  readonly mutant: string;
}

const mark = /^\s*\/\/ guard ([PR]\d+): (\S.*)$/;

/** Throws for a mark that stands above nothing that can be negated: an `if`, a `return` or a `const` of one expression. */
export function findGuards({ path, text }: Pick<SourceFile, "path" | "text">): Guard[] {
  const lines = text.split("\n");
  let offset = 0;
  return lines.flatMap((content, index): Guard[] => {
    const at = offset;
    offset += content.length + 1;
    const found = mark.exec(content);
    if (found === null) return [];
    const [, promise = "", why = ""] = found;
    const place = conditionAt(text, at + content.length + 1);
    if (place === undefined) throw new Error(`${path}:${index + 1}: a guard stands above an if, a return or a const`);
    const { start, end } = place;
    const mutant = `${text.slice(0, start)}!(${text.slice(start, end)})${text.slice(end)}`;
    return [{ path, line: index + 2, promise, why, mutant }];
  });
}

/** Where the condition of the statement that begins at `from` stands. */
function conditionAt(text: string, from: number): { start: number; end: number } | undefined {
  const rest = text.slice(from);
  const branch = /^\s*(?:\} else )?(?:if|while) \(/.exec(rest);
  if (branch !== null) {
    const start = from + branch[0].length;
    return { start, end: closing(text, start, ")") };
  }
  const value = /^\s*(?:return|const \w+ = (?:\([^)]*\) => )?)\s*/.exec(rest);
  if (value === null) return undefined;
  const start = from + value[0].length;
  return { start, end: closing(text, start, ";") };
}

/** The first `end` outside of brackets, quotes and templates. */
function closing(text: string, from: number, end: string): number {
  let depth = 0;
  let quote = "";
  for (let index = from; index < text.length; index++) {
    const character = text[index] ?? "";
    if (quote !== "") {
      if (character === "\\") index += 1;
      else if (character === quote) quote = "";
    } else if (`"'\``.includes(character)) quote = character;
    else if (depth === 0 && character === end) return index;
    else if ("([{".includes(character)) depth += 1;
    else if (")]}".includes(character)) depth -= 1;
  }
  throw new Error("a condition has no end");
}
