// Writes versions into the text of a Release, and touches nothing else: comments, quotes, order and spelling stay as they were typed. Pure.
import {
  type Document,
  isMap,
  isScalar,
  LineCounter,
  Pair,
  parse,
  parseAllDocuments,
  Scalar,
  visit,
  type YAMLMap,
} from "yaml";
import { isRange } from "../model/version-range.ts";

export interface VersionEdit {
  /** Where the version is written; both count from 1. */
  readonly line: number;
  readonly column: number;
  readonly to: string;
}

interface Splice {
  readonly from: number;
  readonly to: number;
  readonly text: string;
}

/**
 * The text with these versions in place of the old ones. Where a range stood instead of a version, it moves to `range`
 * beside it, so that the next version is proposed as well. Throws when a place holds no version, or when anything else
 * would have changed: both are mistakes of the caller.
 */
export function editRelease(text: string, edits: readonly VersionEdit[]): string {
  const lines = new LineCounter();
  const documents = parseAllDocuments(text, { lineCounter: lines, uniqueKeys: false }) as Document.Parsed[];
  const splices = edits.flatMap((edit) => {
    const found = findVersion(documents, (offset) => {
      const { line, col } = lines.linePos(offset);
      return line === edit.line && col === edit.column;
    });
    if (found === undefined) throw new Error(`no version is written at ${edit.line}:${edit.column}`);
    return splicesFor(text, lines, { ...found, to: edit.to });
  });
  const edited = splices
    .sort((a, b) => b.from - a.from)
    .reduce((rest, { from, to, text: put }) => rest.slice(0, from) + put + rest.slice(to), text);
  // The documents were changed as data beside it: the text has to say exactly that.
  if (plain(parseAllDocuments(edited, { uniqueKeys: false }) as Document.Parsed[]) !== plain(documents))
    throw new Error("the edited text says something else than was meant");
  return edited;
}

interface FoundVersion {
  readonly map: YAMLMap;
  readonly key: Scalar;
  readonly value: Scalar;
}

function findVersion(
  documents: readonly Document.Parsed[],
  isAt: (offset: number) => boolean,
): FoundVersion | undefined {
  let found: FoundVersion | undefined;
  for (const document of documents) {
    visit(document, {
      Pair(_, { key, value }, path) {
        const map = path.at(-1);
        if (!isMap(map) || !isScalar(key) || !isScalar(value) || key.value !== "version") return undefined;
        if (value.range == null || !isAt(value.range[0])) return undefined;
        found = { map, key, value };
        return visit.BREAK;
      },
    });
  }
  return found;
}

/** Also changes the document itself, to compare with. */
function splicesFor(
  text: string,
  lines: LineCounter,
  { map, key, value, to }: FoundVersion & { to: string },
): Splice[] {
  const [start, end] = value.range ?? [0, 0];
  const source = text.slice(start, end);
  const block = value.type === Scalar.BLOCK_FOLDED || value.type === Scalar.BLOCK_LITERAL;
  const newline = text.includes("\r\n") ? "\r\n" : "\n";
  const written = quoteLike(value, to) + (block && source.endsWith("\n") ? newline : "");
  const old = String(value.value).trim();
  value.value = to;
  if (!isRange(old)) return [{ from: start, to: end, text: written }];
  map.items.splice(
    map.items.findIndex((pair) => pair.key === key) + 1,
    0,
    new Pair(new Scalar("range"), new Scalar(old)),
  );
  const range = `range: ${block ? JSON.stringify(old) : source}`;
  if (map.flow === true) return [{ from: start, to: end, text: `${written}, ${range}` }];
  const indent = " ".repeat(lines.linePos(key.range?.[0] ?? 0).col - 1);
  if (block) return [{ from: start, to: end, text: `${written}${indent}${range}${newline}` }];
  // After the line's end, so that a comment stays with the version.
  const lineEnd = text.indexOf("\n", end);
  const after = lineEnd === -1 ? text.length : lineEnd + 1;
  const added = lineEnd === -1 ? `${newline}${indent}${range}` : `${indent}${range}${newline}`;
  return [
    { from: start, to: end, text: written },
    { from: after, to: after, text: added },
  ];
}

/** As the old version was quoted; plain only where YAML still reads it as this very text. */
function quoteLike(value: Scalar, version: string): string {
  if (value.type === Scalar.QUOTE_SINGLE) return `'${version}'`;
  const readsAsTyped = value.type === Scalar.PLAIN && parse(version) === version;
  return readsAsTyped ? version : `"${version}"`;
}

function plain(documents: readonly Document.Parsed[]): string {
  return JSON.stringify(documents.map((document) => document.toJS() as unknown));
}
