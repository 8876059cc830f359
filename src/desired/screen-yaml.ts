// A look at the tokens of hostile YAML before anything composes them: depth, size, and the features that are never allowed (T21).
import { CST, Lexer } from "yaml";

export const maxYamlBytes = 256 * 1024;
export const maxYamlDepth = 32;
const maxScalars = 10_000;
const maxLines = 5_000;
const maxDocuments = 200;

export interface TextProblem {
  readonly offset: number;
  readonly message: string;
  readonly expected?: string;
}

const refused: Readonly<Record<string, string>> = {
  alias: "aliases are not allowed",
  anchor: "anchors are not allowed",
  tag: "tags are not allowed",
  "directive-line": "directives are not allowed",
  "explicit-key-ind": "complex keys are not allowed",
};

/** Control characters, lone surrogates, and the marks that make text read otherwise than it is. */
const forbidden =
  /[^\t\n\r\x20-\x7e\x85\u{a0}-\u{d7ff}\u{e000}-\u{fffd}\u{10000}-\u{10ffff}]|[\u{202a}-\u{202e}\u{2066}-\u{2069}]/u;

/** What forbids parsing at all; empty when the text may be composed. Linear in the text. */
export function screenYaml(text: string): TextProblem[] {
  if (Buffer.byteLength(text, "utf8") > maxYamlBytes) {
    return [{ offset: 0, message: "the file is too large", expected: `at most ${maxYamlBytes / 1024} KiB` }];
  }
  if (countLineEnds(text) > maxLines) {
    return [{ offset: 0, message: "too many lines in one file", expected: `at most ${maxLines}; split the file` }];
  }
  const control = forbidden.exec(text);
  if (control !== null) return [{ offset: control.index, message: "a control character is not allowed" }];
  return screenTokens(text);
}

function screenTokens(text: string): TextProblem[] {
  const problems: TextProblem[] = [];
  const open: string[] = [];
  let [offset, scalars, commas, markers, documents] = [0, 0, 0, 0, 0];
  let scalarNext = false;
  const stop = (message: string, expected: string) => [...problems, { offset, message, expected }];
  for (const token of new Lexer().lex(text)) {
    const type = scalarNext ? "scalar" : CST.tokenType(token);
    scalarNext = !scalarNext && token === CST.SCALAR;
    if (token === CST.SCALAR || token === CST.DOCUMENT || token === CST.FLOW_END) continue;
    const message = type === null ? undefined : refused[type];
    if (message !== undefined) problems.push({ offset, message: `${message} here`, expected: "plain values" });
    if (problems.length === 20) return problems;
    if (type === "scalar" || type?.endsWith("quoted-scalar")) scalars++;
    if (type === "comma") commas++;
    if (type === "doc-start") documents++;
    if (type === "flow-seq-start") open.push("flow-seq-end");
    if (type === "flow-map-start") open.push("flow-map-end");
    if ((type === "flow-seq-end" || type === "flow-map-end") && open.pop() !== type)
      return stop("a bracket that closes nothing", "matching brackets");
    if (type === "seq-item-ind" || type === "map-value-ind") markers++;
    else if (type !== "space") markers = 0;
    if (open.length > maxYamlDepth || markers > maxYamlDepth)
      return stop("too deeply nested", `at most ${maxYamlDepth} levels`);
    if (scalars > maxScalars || commas > maxScalars)
      return stop("too many values in one file", `at most ${maxScalars}; split the file`);
    if (documents > maxDocuments)
      return stop("too many documents in one file", `at most ${maxDocuments}; split the file`);
    offset += token.length;
  }
  return problems;
}

function countLineEnds(text: string): number {
  let count = 0;
  for (let at = text.indexOf("\n"); at !== -1; at = text.indexOf("\n", at + 1)) count++;
  return count;
}
