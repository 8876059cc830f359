// Patch payloads put together by the written format, line by line, so that tests can also make those that no honest publisher would.
import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { encodeValue } from "../../src/model/key-values.ts";
import { digest, manifestOf, type TreeEntry } from "./host-session.ts";

export type GroupCodec = "zstd-patch" | "bsdiff" | "zstd" | "xz" | "gzip" | "none";

export interface HandMadeGroup {
  readonly codec: GroupCodec;
  /** The old files of the same paths, or these, or none. */
  readonly reference?: "same" | readonly string[];
  readonly files: readonly TreeEntry[];
  /** Instead of the honest blob. */
  readonly blob?: Buffer;
  /** Instead of the honest lines of the group. */
  readonly lines?: readonly string[];
}

export interface HandMadeStage {
  /** Digest of the tree that it leads to; left out in the last stage. */
  readonly to?: string;
  /** gone, dir, link and copy lines. */
  readonly lines?: readonly string[];
  readonly groups?: readonly HandMadeGroup[];
  readonly from?: readonly TreeEntry[];
  readonly codec?: GroupCodec;
  /** Instead of the honest header line. */
  readonly header?: (index: Buffer, packed: Buffer) => string;
}

export interface HandMadePatch {
  readonly payload: Buffer;
  /** Largest stage: index and groups together. */
  readonly outputBytes: number;
}

const contentOf = ({ content = "" }: TreeEntry): Buffer => Buffer.from(content);
const octal = (mode: number): string => mode.toString(8).padStart(4, "0");
const modeOf = ({ mode, directory }: TreeEntry): number => mode ?? (directory ? 0o755 : 0o644);

export function encodePatch(stages: readonly HandMadeStage[]): HandMadePatch {
  const made = stages.map(encodeStage);
  return {
    payload: Buffer.concat(made.map(({ bytes }) => bytes)),
    outputBytes: Math.max(...made.map(({ output }) => output)),
  };
}

function encodeStage({ to = "-", lines = [], groups = [], from = [], codec = "zstd", header }: HandMadeStage): {
  readonly bytes: Buffer;
  readonly output: number;
} {
  const old = new Map(from.map((entry) => [entry.path, entry]));
  const made = groups.map((group) => {
    const { reference, files } = group;
    const paths = reference === "same" ? files.map(({ path }) => path) : (reference ?? []);
    const base = Buffer.concat(paths.map((path) => contentOf(old.get(path) ?? { path })));
    const output = Buffer.concat(files.map(contentOf));
    const blob = group.blob ?? pack(group.codec, output, base);
    const honest = [
      `group ${group.codec} ${blob.length} ${output.length}`,
      ...(reference === "same" ? ["same"] : (reference ?? []).map((path) => `ref ${encodeValue(path)}`)),
      ...files.map((file) => `file ${encodeValue(file.path)} ${octal(modeOf(file))} ${contentOf(file).length}`),
    ];
    return { blob, output: output.length, lines: group.lines ?? honest };
  });
  const index = Buffer.from([...lines, ...made.flatMap((group) => group.lines)].map((line) => `${line}\n`).join(""));
  const packed = pack(codec, index, Buffer.alloc(0));
  const head = header?.(index, packed) ?? `cutover-patch/1 ${to} ${codec} ${packed.length} ${index.length}\n`;
  return {
    bytes: Buffer.concat([Buffer.from(head), packed, ...made.map(({ blob }) => blob)]),
    output: index.length + made.reduce((sum, { output }) => sum + output, 0),
  };
}

/** What leads from one tree to the other: moved and re-moded files copied, changed ones in a group `codec` against themselves, new ones packed. */
export function stageBetween(
  from: readonly TreeEntry[],
  to: readonly TreeEntry[],
  { codec = "zstd-patch", last = true }: { readonly codec?: GroupCodec; readonly last?: boolean } = {},
): HandMadeStage {
  const line = (entry: TreeEntry): string => manifestOf([entry]);
  const old = new Map(from.map((entry) => [entry.path, entry]));
  const now = new Set(to.map(({ path }) => path));
  const isFile = (entry: TreeEntry | undefined): entry is TreeEntry =>
    entry !== undefined && entry.link === undefined && !entry.directory;
  const known = new Map(from.filter(isFile).map((entry) => [digest(contentOf(entry)), entry.path]));
  const changed = to.filter((entry) => line(entry) !== (old.has(entry.path) ? line(old.get(entry.path) ?? entry) : ""));
  const fresh = changed.filter((entry) => isFile(entry) && !known.has(digest(contentOf(entry))));
  const edited = fresh.filter((entry) => isFile(old.get(entry.path)));
  const added = fresh.filter((entry) => !edited.includes(entry));
  return {
    ...(last ? {} : { to: digest(manifestOf(to)) }),
    from,
    lines: [
      ...from.filter(({ path }) => !now.has(path)).map(({ path }) => `gone ${encodeValue(path)}`),
      ...changed.flatMap((entry) => {
        const path = encodeValue(entry.path);
        if (entry.directory) return [`dir ${path} ${octal(modeOf(entry))}`];
        if (entry.link !== undefined) return [`link ${path} ${encodeValue(entry.link)}`];
        const source = known.get(digest(contentOf(entry)));
        return source === undefined ? [] : [`copy ${encodeValue(source)} ${path} ${octal(modeOf(entry))}`];
      }),
    ],
    groups: [
      ...(edited.length === 0
        ? []
        : [
            {
              codec,
              ...(codec === "zstd-patch" || codec === "bsdiff" ? { reference: "same" as const } : {}),
              files: edited,
            },
          ]),
      ...(added.length === 0 ? [] : [{ codec: "zstd", files: added } as const]),
    ],
  };
}

/** One blob by the real tool. */
export function pack(codec: GroupCodec, output: Buffer, reference: Buffer): Buffer {
  if (codec === "none") return output;
  if (codec === "gzip") return gzipSync(output);
  const maxBuffer = 1 << 30;
  if (codec === "zstd" || codec === "xz") return execFileSync(codec, ["-qc"], { input: output, maxBuffer });
  const folder = mkdtempSync(join(tmpdir(), "cutover-patch-"));
  try {
    const [base, file, blob] = ["base", "file", "blob"].map((name) => join(folder, name)) as [string, string, string];
    writeFileSync(base, reference);
    writeFileSync(file, output);
    if (codec === "bsdiff") execFileSync("bsdiff", [base, file, blob]);
    else execFileSync("zstd", ["-qf", `--patch-from=${base}`, file, "-o", blob]);
    return readFileSync(blob);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
