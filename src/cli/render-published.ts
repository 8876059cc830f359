// What was published: its names, its size, and how long a host may first run it. Pure.
import { type Line, styled } from "./text.ts";
import { counted, formatBytes, formatClock, formatDuration } from "./units.ts";

export interface PublishedView {
  readonly outcome: "published" | "amended" | "signed" | "unchanged";
  readonly component: string;
  readonly version: string;
  readonly sequence: number;
  /** Seconds since 1970. */
  readonly expires: number;
  /** A sequence; nothing below it runs again. */
  readonly floor: number;
  readonly tree: string;
  readonly bundle: string | undefined;
  readonly files: number;
  readonly treeBytes: number;
  readonly sentBytes: number;
  readonly signatures: number;
  readonly scanMs: number;
  readonly packMs: number;
  readonly signMs: number;
  readonly patches?: PatchesView;
}

export interface PatchesView {
  /** Compressed bytes of the full artifact. */
  readonly fullBytes: number;
  readonly patches: readonly {
    readonly fromVersion: string;
    /** Bytes by what a host decodes them with. */
    readonly bytes: { readonly zstd?: number; readonly "zstd-bsdiff"?: number };
    readonly outcome: "made" | "kept" | "same-tree" | "not-smaller" | "not-possible";
    readonly reason?: string;
  }[];
  readonly missingTools: readonly ("zstd" | "bsdiff")[];
  readonly patchMs: number;
  readonly cosigned?: { readonly problem: string | undefined };
  readonly voided?: number;
}

export function renderPublished(view: PublishedView): Line[] {
  const name = `${view.component} ${view.version}`;
  const elapsed = formatDuration(view.scanMs + view.packMs + view.signMs);
  const first: Line =
    view.outcome === "unchanged"
      ? [styled("unchanged:", "good"), ` ${name} is published already with exactly this content`]
      : [
          styled(`${view.outcome}:`, "good"),
          ` ${name} in ${elapsed}, ${counted(view.files, "file")}, ${formatBytes(view.treeBytes)}`,
          ` as ${formatBytes(view.sentBytes)}, ${counted(view.signatures, "signature")}`,
        ];
  return [
    first,
    [`  tree      ${view.tree}`],
    ...(view.bundle === undefined ? [] : [[`  tasks     ${view.bundle}`]]),
    [`  sequence  ${view.sequence}, floor ${view.floor}, first use until ${formatClock(view.expires * 1_000)}`],
    ...(view.patches === undefined ? [] : patchLines(view.patches)),
    nextLine(view),
  ];
}

function nextLine({ outcome, component, version }: PublishedView): Line {
  const release = `name version "${version}" of ${component} in a Release, commit and push`;
  if (outcome !== "amended") return [styled("next:", "accent"), ` ${release}`];
  return [styled("next:", "accent"), ` cutover task retry HOST/${component}/TASK --amend --reason …, where a run waits; else ${release}`]; // biome-ignore format: one line
}

function patchLines({ fullBytes, patches, missingTools, patchMs, cosigned, voided = 0 }: PatchesView): Line[] {
  const made = patches.some(({ outcome }) => outcome === "made");
  const lines = patches.map(
    (patch, at): Line => [
      at === 0 ? "  patches   " : "            ",
      `from ${patch.fromVersion}: `,
      ...patchText(patch, fullBytes),
      ...(made && at === patches.length - 1 ? [styled(`, in ${formatDuration(patchMs)}`, "faint")] : []),
    ],
  );
  const missing = missingTools.map(
    (tool): Line => [
      styled("  left out  ", "warn"),
      `patches with ${tool}, which is not installed here: apt-get install ${tool}`,
    ],
  );
  const problem = cosigned?.problem;
  const signed: Line[] =
    cosigned === undefined
      ? []
      : problem === undefined
        ? [["  signed    the co-signer's list of patches, as it is"]]
        : [[styled("  left out  ", "warn"), `the co-signer's list of patches: ${problem}`]];
  const again: Line[] =
    voided === 0
      ? []
      : [
          [
            styled("  again     ", "warn"),
            `the list of patches is a new one: ${counted(voided, "other key")} must sign it, with --cosigner and this key's .pub file`,
          ],
        ];
  const same = patches.filter(({ outcome }) => outcome === "same-tree").map(({ fromVersion }) => fromVersion);
  const held: Line[] =
    same.length === 0
      ? []
      : [[styled("  note      ", "warn"), `where ${same.join(" or ")} was shown to be bad, the same tree stays quarantined until cutover retry lifts that`]]; // biome-ignore format: one line
  return [...lines, ...missing, ...signed, ...again, ...held];
}

function patchText({ bytes, outcome, reason }: PatchesView["patches"][number], fullBytes: number): Line {
  if (outcome === "same-tree") return ["the same tree, nothing to send"];
  const { zstd, "zstd-bsdiff": bsdiff } = bytes;
  const sizes = [
    ...(zstd === undefined ? [] : [formatBytes(zstd)]),
    ...(bsdiff === undefined ? [] : [`${formatBytes(bsdiff)} with bsdiff`]),
  ];
  const why = reason === undefined ? [] : [` (${reason})`];
  if (sizes.length > 0) return [`${sizes.join(", ")} instead of ${formatBytes(fullBytes)}`, ...why];
  if (outcome === "not-smaller") return [`none, it would not be smaller than the full ${formatBytes(fullBytes)}`];
  return [styled("none", "warn"), ...why];
}
