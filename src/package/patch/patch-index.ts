// The index of a patch: what of the base goes, and where everything new comes from. One text a value, as hosts read it. Pure.
import { CutoverError } from "../../errors.ts";
import { decodeValue, encodeValue, MalformedTextError } from "../../model/key-values.ts";

const groupCodecs = ["zstd-patch", "bsdiff", "zstd", "xz", "gzip", "none"] as const;
export type GroupCodec = (typeof groupCodecs)[number];

/** Largest index in bytes, unpacked. */
export const maxIndexBytes = 64 * 1024 * 1024;

export interface PatchedFile {
  readonly path: string;
  readonly mode: number;
  readonly sizeBytes: number;
}

/** Files that one run of a decoder makes: its output is cut in their order. */
export interface PatchGroup {
  readonly codec: GroupCodec;
  readonly blobBytes: number;
  /** Files of the base whose bytes, one after the other, are the reference; empty when there is none. */
  readonly reference: readonly string[];
  readonly files: readonly PatchedFile[];
}

export interface PatchIndex {
  /** Entries of the base that the result has not; what lies in a directory is listed too. */
  readonly gone: readonly string[];
  /** New directories, and those with another mode. */
  readonly directories: readonly { readonly path: string; readonly mode: number }[];
  readonly links: readonly { readonly path: string; readonly target: string }[];
  /** Files with the bytes of a file of the base. */
  readonly copies: readonly { readonly from: string; readonly path: string; readonly mode: number }[];
  readonly groups: readonly PatchGroup[];
}

export function outputBytesOf({ files }: Pick<PatchGroup, "files">): number {
  return files.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0);
}

export function encodePatchIndex(index: PatchIndex): string {
  return [
    ...index.gone.map((path) => `gone ${encodeValue(path)}\n`),
    ...index.directories.map(({ path, mode }) => `dir ${encodeValue(path)} ${octal(mode)}\n`),
    ...index.links.map(({ path, target }) => `link ${encodeValue(path)} ${encodeValue(target)}\n`),
    ...index.copies.map(({ from, path, mode }) => `copy ${encodeValue(from)} ${encodeValue(path)} ${octal(mode)}\n`),
    ...index.groups.map(encodeGroup),
  ].join("");
}

/** The exact inverse of `encodePatchIndex`. Throws `malformed-patch`. */
export function parsePatchIndex(text: string): PatchIndex {
  if (text !== "" && !text.endsWith("\n")) throw malformedPatch("the index does not end with a newline");
  const lines = text === "" ? [] : text.slice(0, -1).split("\n");
  const reading: Reading = { gone: [], directories: [], links: [], copies: [], groups: [] };
  try {
    for (const [at, line] of lines.entries()) readLine(reading, line, at + 1);
    const groups = reading.groups.map(({ isSame, ...group }) => ({
      ...group,
      reference: isSame ? group.files.map(({ path }) => path) : group.reference,
    }));
    const index: PatchIndex = { ...reading, groups };
    if (encodePatchIndex(index) === text) return index;
  } catch (error) {
    if (error instanceof MalformedTextError) throw malformedPatch(error.message, error);
    throw error;
  }
  throw malformedPatch("an order or a number that the publisher does not write");
}

export function malformedPatch(evidence: string, cause?: unknown): CutoverError {
  return new CutoverError({
    code: "malformed-patch",
    message: "The patch is malformed",
    evidence,
    impact: "It is not used; the full artifact is",
    cause,
  });
}

function encodeGroup(group: PatchGroup): string {
  const { codec, blobBytes, reference, files } = group;
  const isSame = reference.length > 0 && reference.join("\n") === files.map(({ path }) => path).join("\n");
  return [
    `group ${codec} ${blobBytes} ${outputBytesOf(group)}\n`,
    ...(isSame ? ["same\n"] : reference.map((path) => `ref ${encodeValue(path)}\n`)),
    ...files.map(({ path, mode, sizeBytes }) => `file ${encodeValue(path)} ${octal(mode)} ${sizeBytes}\n`),
  ].join("");
}

function octal(mode: number): string {
  return mode.toString(8).padStart(4, "0");
}

interface Reading {
  readonly gone: string[];
  readonly directories: PatchIndex["directories"][number][];
  readonly links: PatchIndex["links"][number][];
  readonly copies: PatchIndex["copies"][number][];
  readonly groups: ReadingGroup[];
}

interface ReadingGroup {
  readonly codec: GroupCodec;
  readonly blobBytes: number;
  isSame: boolean;
  readonly reference: string[];
  readonly files: PatchedFile[];
}

function readLine(index: Reading, line: string, at: number): void {
  const [word = "", ...fields] = line.split(" ");
  const text = (place: number): string => decodeValue(fields[place] ?? "", at);
  const number = (place: number, grammar: RegExp, radix: number): number => {
    if (!grammar.test(fields[place] ?? "")) throw new MalformedTextError(at, `field ${place + 1} is not a number`);
    return Number.parseInt(fields[place] ?? "", radix);
  };
  const mode = (place: number): number => number(place, /^0[0-7]{3}$/, 8);
  const count = (place: number): number => number(place, /^(0|[1-9][0-9]{0,14})$/, 10);
  const group = (): ReadingGroup => {
    const last = index.groups.at(-1);
    if (last === undefined) throw new MalformedTextError(at, "no group before it");
    return last;
  };
  switch (word) {
    case "gone":
      return void index.gone.push(text(0));
    case "dir":
      return void index.directories.push({ path: text(0), mode: mode(1) });
    case "link":
      return void index.links.push({ path: text(0), target: text(1) });
    case "copy":
      return void index.copies.push({ from: text(0), path: text(1), mode: mode(2) });
    case "group": {
      const codec = groupCodecs.find((each) => each === fields[0]);
      if (codec === undefined) throw new MalformedTextError(at, "a codec that nobody knows");
      return void index.groups.push({ codec, blobBytes: count(1), isSame: false, reference: [], files: [] });
    }
    case "same":
      group().isSame = true;
      return;
    case "ref":
      return void group().reference.push(text(0));
    case "file":
      return void group().files.push({ path: text(0), mode: mode(1), sizeBytes: count(2) });
    default:
      throw new MalformedTextError(at, "not a line of an index");
  }
}
