// Where a command's words go: text for people, one JSON document (or JSON lines) for programs, never both.
import { type Line, toText } from "./text.ts";

/** The part of a process stream that we use. */
export interface Sink {
  readonly isTTY: boolean;
  readonly columns: number | undefined;
  readonly rows: number | undefined;
  write(text: string): void;
}

export interface Output {
  readonly json: boolean;
  readonly color: boolean;
  readonly out: Sink;
  readonly err: Sink;
  /** Nothing in JSON mode. */
  print(lines: readonly Line[]): void;
  /** Nothing in text mode. One call a document. */
  document(value: unknown): void;
  /** One JSON line of a stream. */
  jsonLine(value: unknown): void;
}

export interface OutputOptions {
  readonly out: Sink;
  readonly err: Sink;
  readonly json: boolean;
  readonly color: boolean;
}

export function makeOutput({ out, err, json, color }: OutputOptions): Output {
  return {
    json,
    color,
    out,
    err,
    print: (lines) => {
      if (!json) writeLines(out, lines, color);
    },
    document: (value) => {
      if (json) out.write(`${safeJson(value, 2)}\n`);
    },
    jsonLine: (value) => {
      if (json) out.write(`${safeJson(value)}\n`);
    },
  };
}

export function writeLines(sink: Sink, lines: readonly Line[], color: boolean): void {
  const width = sink.isTTY ? sink.columns : undefined;
  const rows = toText(lines, { color, width, overflow: "wrap" });
  if (rows.length > 0) sink.write(`${rows.join("\n")}\n`);
}

/** Colour only where somebody looks, and only if they did not say no (no-color.org). */
export function wantsColor(
  sink: Sink,
  env: { readonly [name: string]: string | undefined },
  allowed: boolean,
): boolean {
  return allowed && sink.isTTY && !env.NO_COLOR && env.TERM !== "dumb";
}

/** JSON that is also harmless on a terminal: what JSON leaves unescaped and a terminal may obey is escaped too (T26). */
export function safeJson(value: unknown, indent?: number): string {
  const text = JSON.stringify(value, undefined, indent) ?? "null";
  return text.replace(/[\u007f-\u009f\u2028\u2029]|\p{Cf}/gu, (character) =>
    [...Array(character.length).keys()]
      .map((index) => `\\u${character.charCodeAt(index).toString(16).padStart(4, "0")}`)
      .join(""),
  );
}
