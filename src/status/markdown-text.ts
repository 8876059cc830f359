// Text from anywhere as Markdown that stays text: no markup, no mention, no link, no command, no row of a table it was not
// given (T26). Everything that a review shows goes through `code` or `prose`; structure is written by hand around it. Pure.
import { quotable } from "../model/diagnostic.ts";

/** Nothing here means anything to a Markdown reader inside backticks, not even to one that splits tables first. */
const plainCode = /^[A-Za-z0-9._:=+,/()→…-]([A-Za-z0-9 ._:=+,/()→…~^-]*[A-Za-z0-9._:=+,/()→…~^-])?$/;

/** Names, versions, commands and what hosts said, exactly. */
export function code(text: string, maxCharacters = 120): string {
  const shown = visible(text, maxCharacters);
  if (plainCode.test(shown)) return `\`${shown}\``;
  return shown === "" ? "`(empty)`" : `<code>${references(shown, /[^A-Za-z0-9 ]/gu)}</code>`;
}

/**
 * A sentence that may quote anything. Character references keep it from being markup; but forges look for mentions, issues,
 * emoji and addresses in the finished page, so that an invisible space goes behind what would start one.
 */
export function prose(text: string, maxCharacters = 400): string {
  const broken = visible(text, maxCharacters)
    .replace(/[@#!~$%&^:](?=\S)/g, "$&\u200b")
    .replace(/\bGH-(?=\d)/gi, "$&\u200b")
    .replace(/www\.(?=\S)/gi, "$&\u200b");
  return references(broken, /[^A-Za-z0-9 .,;:?'()→…—\u200b-]|^-|^\d+[.)]/gu);
}

export function table(head: readonly string[], rows: readonly (readonly string[])[]): string[] {
  if (rows.length === 0) return [];
  const line = (cells: readonly string[]) => `| ${cells.join(" | ")} |`;
  return [line(head), line(head.map(() => "---")), ...rows.map(line)];
}

/** Folded away; `summary` is Markdown-free or made by `code` without backticks. */
export function details(summary: string, lines: readonly string[]): string[] {
  if (lines.length === 0) return [];
  return [`<details><summary>${summary}</summary>`, "", ...lines, "", "</details>"];
}

/** One paragraph in a coloured box; a plain quotation where a forge knows no boxes. */
export function alert(kind: "CAUTION" | "WARNING" | "NOTE", lines: readonly string[]): string[] {
  return lines.length === 0 ? [] : [`> [!${kind}]`, ...lines.map((line) => `> ${line}`)];
}

/** One line, control and bidirectional characters spelled out, cut. */
function visible(text: string, maxCharacters: number): string {
  const lines = text.split(/\r?\n|\r/).map((line) => line.trim());
  return quotable(lines.filter((line) => line !== "").join(" ⏎ "), maxCharacters).trim();
}

function references(text: string, unsafe: RegExp): string {
  return text.replace(unsafe, (characters) =>
    [...characters].map((character) => `&#${character.codePointAt(0) ?? 0};`).join(""),
  );
}
