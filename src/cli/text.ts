// What every renderer returns: lines of spans, colour by meaning. Escaping, colouring and fitting to a width happen in
// `toText` alone, so text that a host sent never reaches a terminal raw (T26). Pure.

export type Style = "strong" | "faint" | "good" | "bad" | "warn" | "accent";
export type Span = string | { readonly text: string; readonly style: Style };
export type Line = readonly Span[];

export interface TextLayout {
  readonly color: boolean;
  /** Terminal columns; undefined when piped: nothing is wrapped or cut then. */
  readonly width: number | undefined;
  /** `cut` keeps one row a line, as a live picture needs; `wrap` loses nothing. */
  readonly overflow: "wrap" | "cut";
}

const codes: Readonly<Record<Style, string>> = {
  strong: "1",
  faint: "2",
  good: "32",
  bad: "31",
  warn: "33",
  accent: "36",
};

export function styled(text: string, style: Style): Span {
  return { text, style };
}

/** One string a terminal row; a row ends without a line break. */
export function toText(lines: readonly Line[], { color, width, overflow }: TextLayout): string[] {
  return lines.flatMap((line) => {
    const safe = line.map((span) =>
      typeof span === "string" ? escapeText(span) : { ...span, text: escapeText(span.text) },
    );
    const rows = width === undefined ? [safe] : overflow === "cut" ? [cutLine(safe, width)] : wrapLine(safe, width);
    return rows.map((row) =>
      row
        .map((span) => paint(span, color))
        .join("")
        .trimEnd(),
    );
  });
}

/** Control, bidirectional, invisible and broken characters become visible; a line break inside a span as well. */
export function escapeText(text: string): string {
  return text.replaceAll("\t", "  ").replace(/[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]/gu, (character) => {
    return `\\u{${(character.codePointAt(0) ?? 0).toString(16)}}`;
  });
}

/** Columns that a terminal needs at most: guessing too high never breaks a row, guessing too low does. */
export function textWidth(text: string): number {
  let width = 0;
  for (const character of text) {
    const code = character.codePointAt(0) ?? 0;
    const wide = code >= 0x1100 && !(code >= 0x2010 && code <= 0x25ff);
    width += wide ? 2 : 1;
  }
  return width;
}

/** The text within `width` columns, ending in … when something is missing. */
export function cutText(text: string, width: number): string {
  if (textWidth(text) <= width) return text;
  let kept = "";
  let used = 1;
  for (const character of text) {
    used += textWidth(character);
    if (used > width) break;
    kept += character;
  }
  return width < 1 ? "" : `${kept}…`;
}

export function padEnd(text: string, width: number): string {
  return text + " ".repeat(Math.max(0, width - textWidth(text)));
}

export function padStart(text: string, width: number): string {
  return " ".repeat(Math.max(0, width - textWidth(text))) + text;
}

function lineText(line: Line): string {
  return line.map(spanText).join("");
}

function spanText(span: Span): string {
  return typeof span === "string" ? span : span.text;
}

function withText(span: Span, text: string): Span {
  return typeof span === "string" ? text : { ...span, text };
}

function cutLine(line: Line, width: number): Line {
  const total = line.reduce((sum, span) => sum + textWidth(spanText(span)), 0);
  if (total <= width) return line;
  const kept: Span[] = [];
  let left = width - 1;
  for (const span of line) {
    const need = textWidth(spanText(span));
    if (need > left) return [...kept, withText(span, cutText(`${spanText(span)} `, left + 1))];
    kept.push(span);
    left -= need;
  }
  return kept;
}

/** Breaks between words; continued rows stand two columns deeper. A longer word (a digest, a path) stays whole, so that it can be copied. */
function wrapLine(line: Line, width: number): Line[] {
  const indent = (/^ */.exec(lineText(line))?.[0].length ?? 0) + 2;
  const rows: Span[][] = [];
  let row: Span[] = [];
  let used = 0;
  for (const span of line) {
    let kept = "";
    for (const word of spanText(span).split(/(?<= )(?=[^ ])/)) {
      if (used > indent && used + textWidth(word.trimEnd()) > width) {
        rows.push([...row, withText(span, kept)]);
        row = [" ".repeat(indent)];
        used = indent;
        kept = "";
      }
      kept += word;
      used += textWidth(word);
    }
    row.push(withText(span, kept));
  }
  return [...rows, row];
}

function paint(span: Span, color: boolean): string {
  if (typeof span === "string") return span;
  return color && span.text !== "" ? `\u001b[${codes[span.style]}m${span.text}\u001b[0m` : span.text;
}
