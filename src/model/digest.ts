// SHA-256 over text. The one place where a pure folder touches Node: hashing has no clock, no randomness and no I/O.
import { createHash } from "node:crypto";
import type { Digest } from "./names.ts";

/** `sha256:` and 64 lower-case hex digits over the UTF-8 bytes of `text`. */
export function digestOf(text: string): Digest {
  return `sha256:${createHash("sha256").update(text, "utf8").digest("hex")}`;
}

/** JSON with keys sorted at every level and no white space, so that equal values have equal bytes. Undefined members are left out. */
export function canonicalJson(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map((item) => canonicalJson(item ?? null)).join(",")}]`;
  if (value !== null && typeof value === "object") {
    const members = Object.entries(value)
      .filter(([, member]) => member !== undefined)
      .sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0))
      .map(([key, member]) => `${JSON.stringify(key)}:${canonicalJson(member)}`);
    return `{${members.join(",")}}`;
  }
  return JSON.stringify(value);
}
