// One finding about a document, placed in its source. Written `file:line:col path: what is wrong, what was expected, nearest`.

export interface Diagnostic {
  /** Only errors stop a release; a warning is something that cutover waits for. */
  readonly severity: "error" | "warning";
  readonly file: string;
  /** Both count from 1. */
  readonly line: number;
  readonly column: number;
  /** `components[0].version`, empty for the document as a whole. */
  readonly path: string;
  /** All three free of control characters, source text in them quoted and capped. */
  readonly message: string;
  readonly expected?: string;
  readonly nearest?: string;
}

/** Stands for a file where it is all the documents that lack something. */
export const allDocuments = "releases";

export function formatDiagnostic(diagnostic: Diagnostic): string {
  const { file, line, column, path, message, expected, nearest } = diagnostic;
  const place = `${quotable(file)}:${line}:${column}${path === "" ? "" : ` ${path}`}`;
  const parts = [message];
  if (expected !== undefined) parts.push(`expected ${expected}`);
  if (nearest !== undefined) parts.push(`did you mean ${nearest}?`);
  return `${place}: ${parts.join(", ")}`;
}

export function formatPath(path: readonly PropertyKey[]): string {
  let text = "";
  for (const part of path) {
    if (typeof part === "number") text += `[${part}]`;
    else text += `${text === "" ? "" : "."}${quotable(String(part))}`;
  }
  return text;
}

/** Text from outside made safe to show: no control, bidirectional or invisible characters, and not endless. */
export function quotable(text: string, maxCharacters = 80): string {
  const cut = text.length > maxCharacters ? `${text.slice(0, maxCharacters - 1)}…` : text;
  return cut.replace(/[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]/gu, (character) => {
    return `\\u{${(character.codePointAt(0) ?? 0).toString(16)}}`;
  });
}
