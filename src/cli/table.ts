// Columns of text, as wide as their widest cell. Pure.
import { cutText, escapeText, type Line, padEnd, type Span, type Style, styled, textWidth } from "./text.ts";

export interface Cell {
  readonly text: string;
  readonly style?: Style;
}

/** Two spaces before and between columns; the last column is free to be longer. Header cells are faint. */
export function tableLines(header: readonly string[], rows: readonly (readonly Cell[])[], maxCell = 40): Line[] {
  const head = header.map((text): Cell => ({ text, style: "faint" }));
  const all = [head, ...rows].map((row) => row.map((cell) => ({ ...cell, text: escapeText(cell.text) })));
  const widths = header.map((_, column) =>
    Math.min(maxCell, Math.max(...all.map((row) => textWidth(row[column]?.text ?? "")))),
  );
  return all.map((row) =>
    row.flatMap(({ text, style }, column): Span[] => {
      const last = column === row.length - 1;
      const width = widths[column] ?? 0;
      const shown = last ? text : padEnd(cutText(text, width), width);
      return ["  ", style === undefined ? shown : styled(shown, style)];
    }),
  );
}
