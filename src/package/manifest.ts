// The manifest: the sorted list of everything in a tree. Its SHA-256 is the tree digest, the one name of an artifact. Pure.
import { CutoverError } from "../errors.ts";
import { digestOf } from "../model/digest.ts";
import { decodeValue, encodeValue, MalformedTextError, splitSortedLines } from "../model/key-values.ts";
import type { Digest } from "../model/names.ts";
import { linkProblem, pathProblem } from "./tree-path.ts";

export type ManifestEntry =
  | {
      readonly kind: "file";
      readonly path: string;
      readonly mode: number;
      readonly sizeBytes: number;
      readonly sha256: string;
    }
  | { readonly kind: "directory"; readonly path: string; readonly mode: number }
  | { readonly kind: "link"; readonly path: string; readonly target: string };

/** Largest manifest in bytes. */
export const maxManifestBytes = 64 * 1024 * 1024;
const linkMode = 0o777;
const lineGrammar = /^(\S+) ([fdl]) (0[0-7]{3}) (0|[1-9][0-9]{0,15}) (\S+)$/;

/** The canonical text of a tree, whatever the order of `entries`. Throws `unsafe-tree` when a host would refuse it. */
export function encodeManifest(entries: readonly ManifestEntry[]): string {
  refuseUnsafe(entries);
  const text = entries.map(encodeEntry).sort().join("");
  if (text.length > maxManifestBytes) throw unsafe(`The manifest is longer than ${maxManifestBytes} bytes`);
  return text;
}

/** The entries of a manifest in its own order: every directory before what it holds. Throws `malformed-manifest` or `unsafe-tree`. */
export function parseManifest(text: string): ManifestEntry[] {
  if (text.length > maxManifestBytes) throw unsafe(`The manifest is longer than ${maxManifestBytes} bytes`);
  const entries = parseLines(text);
  refuseUnsafe(entries);
  return entries;
}

export function treeDigest(manifest: string): Digest {
  return digestOf(manifest);
}

/** Number of files and the sum of their sizes, as release metadata states them. */
export function treeSize(entries: readonly ManifestEntry[]): { readonly files: number; readonly bytes: number } {
  const sizes = entries.flatMap((entry) => (entry.kind === "file" ? [entry.sizeBytes] : []));
  return { files: sizes.length, bytes: sizes.reduce((sum, size) => sum + size, 0) };
}

function encodeEntry(entry: ManifestEntry): string {
  const path = encodeValue(entry.path);
  if (entry.kind === "link") return `${path} l ${octal(linkMode)} 0 ${encodeValue(entry.target)}\n`;
  if (entry.kind === "directory") return `${path} d ${octal(entry.mode)} 0 -\n`;
  return `${path} f ${octal(entry.mode)} ${entry.sizeBytes} ${entry.sha256}\n`;
}

function octal(mode: number): string {
  return mode.toString(8).padStart(4, "0");
}

function parseLines(text: string): ManifestEntry[] {
  try {
    return splitSortedLines(text).map((line, index) => parseLine(line, index + 1));
  } catch (error) {
    if (!(error instanceof MalformedTextError)) throw error;
    throw new CutoverError({
      code: "malformed-manifest",
      message: `The manifest is malformed: ${error.message}`,
      cause: error,
    });
  }
}

function parseLine(line: string, number: number): ManifestEntry {
  const [, encodedPath = "", kind, mode = "", size = "", last = ""] = lineGrammar.exec(line) ?? [];
  if (kind === undefined) throw new MalformedTextError(number, "expected `PATH KIND MODE SIZE X`");
  const path = decodeValue(encodedPath, number);
  const permissions = Number.parseInt(mode, 8);
  if (kind === "f") {
    if (!/^[0-9a-f]{64}$/.test(last)) throw new MalformedTextError(number, "a file needs its SHA-256");
    const sizeBytes = Number(size);
    if (!Number.isSafeInteger(sizeBytes)) throw new MalformedTextError(number, "the size is out of range");
    return { kind: "file", path, mode: permissions, sizeBytes, sha256: last };
  }
  if (size !== "0") throw new MalformedTextError(number, "only files have a size");
  if (kind === "d") {
    if (last !== "-") throw new MalformedTextError(number, "a directory ends with -");
    return { kind: "directory", path, mode: permissions };
  }
  if (permissions !== linkMode) throw new MalformedTextError(number, "the mode of a link is 0777");
  return { kind: "link", path, target: decodeValue(last, number) };
}

/** The same rules on the way out and on the way in, so that nothing is signed which a host would refuse. */
function refuseUnsafe(entries: readonly ManifestEntry[]): void {
  const directories = new Set(entries.flatMap((entry) => (entry.kind === "directory" ? [entry.path] : [])));
  const seen = new Map<string, string>();
  for (const entry of entries) {
    const problem =
      pathProblem(entry.path) ??
      (entry.kind === "link" ? linkProblem(entry.path, entry.target) : modeProblem(entry.mode));
    if (problem !== undefined) throw unsafe(`${JSON.stringify(entry.path)}: ${problem}`);
    const parent = entry.path.slice(0, Math.max(entry.path.lastIndexOf("/"), 0));
    if (parent !== "" && !directories.has(parent))
      throw unsafe(`${JSON.stringify(entry.path)}: its directory is not in the tree`);
    const folded = entry.path.normalize("NFC").toLowerCase().normalize("NFC");
    const twin = seen.get(folded);
    if (twin !== undefined) {
      throw unsafe(
        `${JSON.stringify(twin)} and ${JSON.stringify(entry.path)} differ only in case or Unicode form, or not at all`,
      );
    }
    seen.set(folded, entry.path);
  }
}

function modeProblem(mode: number): string | undefined {
  return Number.isInteger(mode) && mode >= 0 && mode <= 0o777
    ? undefined
    : "setuid, setgid and sticky bits are not allowed";
}

function unsafe(message: string): CutoverError {
  return new CutoverError({
    code: "unsafe-tree",
    message,
    impact: "Nothing was published; a host would refuse this tree",
  });
}
