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
  readonly tree: string;
  readonly bundle: string | undefined;
  readonly files: number;
  readonly treeBytes: number;
  readonly sentBytes: number;
  readonly signatures: number;
  readonly scanMs: number;
  readonly packMs: number;
  readonly signMs: number;
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
    [`  sequence  ${view.sequence}, first use until ${formatClock(view.expires * 1_000)}`],
    [styled("next:", "accent"), ` name version "${view.version}" of ${view.component} in a Release, commit and push`],
  ];
}
