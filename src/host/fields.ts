// Fields of the host protocol: percent-encoded, tab-separated, `-` for an empty one. Pure.
import { encodeValue } from "../model/key-values.ts";
import { ProtocolError } from "./protocol-error.ts";

const fieldGrammar = /^(?:[A-Za-z0-9._~:/@+=,-]|%[0-9A-F]{2})+$/;
// Evidence is cut at a byte, not at a character, and logs may hold anything: what is not UTF-8 becomes U+FFFD.
const lenient = new TextDecoder("utf-8", { ignoreBOM: true });

/** Longest line either side sends, without its newline. */
export const maxLineBytes = 65_536;

export function encodeField(value: string): string {
  if (value === "") return "-";
  return value === "-" ? "%2D" : encodeValue(value);
}

/** The exact inverse of `encodeField` on its output; other bytes decode leniently. Throws ProtocolError when malformed. */
export function decodeField(encoded: string): string {
  if (encoded === "-") return "";
  if (!fieldGrammar.test(encoded)) throw new ProtocolError("a field is not percent-encoded", encoded);
  if (!encoded.includes("%")) return encoded;
  const bytes: number[] = [];
  for (let at = 0; at < encoded.length; at += 1) {
    if (encoded[at] === "%") {
      bytes.push(Number.parseInt(encoded.slice(at + 1, at + 3), 16));
      at += 2;
    } else bytes.push(encoded.charCodeAt(at));
  }
  return lenient.decode(Uint8Array.from(bytes));
}

/** A whole number of at most 15 digits, as both sides write them. */
export function parseNumber(text: string | undefined, what: string): number {
  if (text === undefined || !/^(?:0|[1-9][0-9]{0,14})$/.test(text))
    throw new ProtocolError(`${what} is not a number`, text);
  return Number(text);
}
