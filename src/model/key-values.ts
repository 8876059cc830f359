// The text form of everything that host.sh reads: sorted ASCII `key value` lines, values percent-encoded. Pure, both ways.
// There is exactly one text for a set of entries, so that a signature over the text is a signature over the meaning.

export type KeyValue = readonly [key: string, value: string];

/** A text that breaks the grammar. Lines count from 1; 0 means the text as a whole. */
export class MalformedTextError extends Error {
  readonly code = "malformed-text";
  readonly line: number;
  constructor(line: number, problem: string) {
    super(line === 0 ? problem : `line ${line}: ${problem}`);
    this.name = "MalformedTextError";
    this.line = line;
  }
}

/** Largest text in bytes; manifests have a limit of their own. */
export const maxKeyValueBytes = 256 * 1024;

const plainByte = /[A-Za-z0-9._~:/@+=,-]/;
const plainValue = /^[A-Za-z0-9._~:/@+=,-]*$/;
const keyGrammar = /^[a-z0-9][a-z0-9._-]*$/;
const encodedValueGrammar = /^(?:[A-Za-z0-9._~:/@+=,-]|%[0-9A-F]{2})+$/;
const utf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/** Percent-encodes the UTF-8 bytes of a value. Total: any string gives printable ASCII without spaces. */
export function encodeValue(value: string): string {
  if (plainValue.test(value)) return value;
  let text = "";
  for (const byte of new TextEncoder().encode(value)) {
    const character = String.fromCharCode(byte);
    text += plainByte.test(character) ? character : `%${byte.toString(16).toUpperCase().padStart(2, "0")}`;
  }
  return text;
}

/** The exact inverse of `encodeValue`. Throws on anything that `encodeValue` would not have written, on NUL and on bytes that are not UTF-8. */
export function decodeValue(encoded: string, line = 0): string {
  if (!encodedValueGrammar.test(encoded)) throw new MalformedTextError(line, "not a percent-encoded value");
  if (!encoded.includes("%")) return encoded;
  const bytes: number[] = [];
  for (let at = 0; at < encoded.length; at += 1) {
    if (encoded[at] === "%") {
      bytes.push(Number.parseInt(encoded.slice(at + 1, at + 3), 16));
      at += 2;
    } else bytes.push(encoded.charCodeAt(at));
  }
  const value = decodeUtf8(Uint8Array.from(bytes), line);
  if (value.includes("\0")) throw new MalformedTextError(line, "a value holds a NUL byte");
  if (encodeValue(value) !== encoded)
    throw new MalformedTextError(line, "a value encodes a byte that needs no encoding");
  return value;
}

/** Sorts and encodes. Empty values, bad keys and duplicate lines throw: they are mistakes of the caller. */
export function encodeKeyValues(entries: readonly KeyValue[]): string {
  const lines = entries.map(([key, value]) => {
    if (!keyGrammar.test(key)) throw new MalformedTextError(0, `not a key: ${JSON.stringify(key)}`);
    if (value === "") throw new MalformedTextError(0, `${key} has no value; leave the key out`);
    if (value.includes("\0")) throw new MalformedTextError(0, `${key} holds a NUL byte`);
    return `${key} ${encodeValue(value)}\n`;
  });
  lines.sort();
  const repeated = lines.find((line, index) => line === lines[index - 1]);
  if (repeated !== undefined) throw new MalformedTextError(0, `twice the same line: ${repeated.trimEnd()}`);
  const text = lines.join("");
  if (text.length > maxKeyValueBytes) throw new MalformedTextError(0, `longer than ${maxKeyValueBytes} bytes`);
  return text;
}

/** The entries in the order of the text. Only keys in `repeats` may occur more than once. */
export function parseKeyValues(
  text: string,
  { repeats = [] }: { readonly repeats?: readonly string[] } = {},
): KeyValue[] {
  if (text.length > maxKeyValueBytes) throw new MalformedTextError(0, `longer than ${maxKeyValueBytes} bytes`);
  const seen = new Set<string>();
  return splitSortedLines(text).map((line, index) => {
    const space = line.indexOf(" ");
    if (space < 1) throw new MalformedTextError(index + 1, "expected `key value`");
    const key = line.slice(0, space);
    if (!keyGrammar.test(key)) throw new MalformedTextError(index + 1, "not a key");
    if (seen.has(key) && !repeats.includes(key)) throw new MalformedTextError(index + 1, `${key} occurs twice`);
    seen.add(key);
    return [key, decodeValue(line.slice(space + 1), index + 1)];
  });
}

/** Splits a text into its lines; each ends with LF, is not empty, and sorts bytewise after the one before. */
export function splitSortedLines(text: string): string[] {
  if (text === "") return [];
  if (!text.endsWith("\n"))
    throw new MalformedTextError(text.split("\n").length, "the last line does not end with a newline");
  const lines = text.slice(0, -1).split("\n");
  lines.forEach((line, index) => {
    const previous = lines[index - 1];
    if (!/^[\x20-\x7e]+$/.test(line)) throw new MalformedTextError(index + 1, "empty, or not printable ASCII");
    if (previous !== undefined && previous >= line) {
      throw new MalformedTextError(index + 1, previous === line ? "the same line twice" : "lines are not sorted");
    }
  });
  return lines;
}

function decodeUtf8(bytes: Uint8Array, line: number): string {
  try {
    return utf8.decode(bytes);
  } catch {
    throw new MalformedTextError(line, "a value is not UTF-8");
  }
}
