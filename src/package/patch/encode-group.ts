// One group through one codec: the blob, and what a host needs to decode it.
import { stat } from "node:fs/promises";
import { join } from "node:path";
import type { PatchTool, PatchToolPort } from "../../ports.ts";
import { zstdWindowBytes } from "../zstd-frame.ts";
import type { EffortSettings } from "./effort.ts";
import type { FileEntry } from "./find-bases.ts";
import type { FileGroup } from "./group-files.ts";
import type { GroupCodec } from "./patch-index.ts";
import { concatenateFiles, type TreeSource } from "./tree-source.ts";

export interface EncodedGroup {
  readonly group: FileGroup;
  readonly codec: GroupCodec;
  readonly blob: string;
  readonly blobBytes: number;
  readonly memoryMib: number;
}

/** Most that any decoder may take on a host. */
export const maxDecoderMib = 1024;
/** For what decoders hold beside reference, window and output. */
const ownMib = 16;
const mib = 1024 ** 2;

export interface EncodeInput {
  readonly from: TreeSource;
  readonly to: TreeSource;
  readonly tools: PatchToolPort;
  readonly settings: EffortSettings;
  readonly workDirectory: string;
  readonly onWork: (bytes: number) => void;
  readonly signal?: AbortSignal;
}

/** The codecs worth trying on a group, given what is installed here and what a host may use. */
export function codecsFor(
  group: FileGroup,
  { installed, settings }: { readonly installed: readonly PatchTool[]; readonly settings: EffortSettings },
): GroupCodec[] {
  if (group.fileBytes === 0) return ["none"];
  const bytes = group.referenceBytes + group.fileBytes;
  const hasReference = group.referenceBytes > 0 && decoderMib(bytes) <= maxDecoderMib;
  const canBsdiff = hasReference && bytes <= settings.maxBsdiffBytes;
  return [
    ...(installed.includes("bsdiff") && canBsdiff ? (["bsdiff"] as const) : []),
    ...(installed.includes("zstd") ? [hasReference ? ("zstd-patch" as const) : ("zstd" as const)] : []),
    "none",
  ];
}

/** Encodes groups; the files that encoders read are written once a group and stay until the work directory goes. */
export function groupEncoder(input: EncodeInput): {
  encode(group: FileGroup, codec: GroupCodec): Promise<EncodedGroup>;
} {
  const { from, to, workDirectory } = input;
  const written = new Map<string, Promise<string>>();
  let names = 0;

  /** `files` one after the other, in a file of their own. */
  function concatenated(source: TreeSource, files: readonly FileEntry[]): Promise<string> {
    const key = `${source.digest} ${files.map(({ path }) => path).join("\n")}`;
    const known = written.get(key);
    if (known !== undefined) return known;
    names += 1;
    const target = join(workDirectory, `${names}.bytes`);
    const made = concatenateFiles(source, { files, target }).then(() => target);
    written.set(key, made);
    return made;
  }

  return {
    async encode(group, codec) {
      const plain = await concatenated(to, group.files);
      const { fileBytes, referenceBytes } = group;
      if (codec === "none") return { group, codec, blob: plain, blobBytes: fileBytes, memoryMib: ownMib };
      const against = codec === "zstd" ? undefined : await concatenated(from, group.references);
      names += 1;
      const blob = join(workDirectory, `${names}.${codec}`);
      await runCodec(input, { codec, input: plain, output: blob, bytes: fileBytes, reference: against });
      const decoded = codec === "bsdiff" ? fileBytes : await zstdWindowBytes(blob);
      const memoryMib = decoderMib(decoded + (against === undefined ? 0 : referenceBytes));
      return { group, codec, blob, blobBytes: (await stat(blob)).size, memoryMib };
    },
  };
}

async function runCodec(
  { tools, settings, onWork, signal }: EncodeInput,
  job: { codec: GroupCodec; input: string; output: string; bytes: number; reference: string | undefined },
): Promise<void> {
  const { codec, input, output, bytes, reference } = job;
  const watched = signal === undefined ? {} : { signal };
  if (codec === "bsdiff" && reference !== undefined) {
    await tools.bsdiff({ reference, input, output, ...watched });
    onWork(bytes);
    return;
  }
  let before = 0;
  const onRead = (read: number): void => {
    onWork(read - before);
    before = read;
  };
  const level = settings.zstdLevel(bytes);
  const against = reference === undefined ? {} : { reference };
  await tools.zstd({ input, output, ...against, level, windowLog: windowLogOf(bytes), onRead, ...watched });
}

function decoderMib(bytes: number): number {
  return Math.ceil(bytes / mib) + ownMib;
}

/** Wide enough to see the whole group, within what a stock decoder takes for a plain frame. */
function windowLogOf(bytes: number): number {
  return Math.min(27, Math.max(10, Math.ceil(Math.log2(bytes))));
}
