// Where things lie in an artifact repository. The same paths in a directory and behind an http(s) URL. Pure.
import { CutoverError } from "../errors.ts";
import type { Digest } from "../model/names.ts";
import type { PatchVariant } from "../model/transfer.ts";

const versionLine = /^(0|[1-9][0-9]{0,14}) ([A-Za-z0-9][A-Za-z0-9._+-]{0,63})$/;

export function releasePath(component: string, version: string): string {
  return `components/${component}/${version}/release`;
}

export function signaturesPath(component: string, version: string): string {
  return `components/${component}/${version}/release.sig`;
}

export function versionsPath(component: string): string {
  return `components/${component}/versions`;
}

export function manifestPath(tree: Digest): string {
  return `trees/${hexOf(tree)}/manifest`;
}

export function payloadPath(tree: Digest): string {
  return `trees/${hexOf(tree)}/full.tar.zst`;
}

export function transfersPath(tree: Digest): string {
  return `trees/${hexOf(tree)}/transfers`;
}

export function transferSignaturesPath(tree: Digest): string {
  return `trees/${hexOf(tree)}/transfers.sig`;
}

export function patchPath({ from, to, variant }: { from: Digest; to: Digest; variant: PatchVariant }): string {
  return `trees/${hexOf(to)}/patches/${hexOf(from)}.${variant}`;
}

export function hexOf(digest: Digest): string {
  return digest.slice("sha256:".length);
}

export interface PublishedSequence {
  readonly sequence: number;
  readonly version: string;
}

/** `sequence version` lines, newest first; one line a version. */
export function encodeVersions(versions: readonly PublishedSequence[]): string {
  const newestFirst = [...versions].sort((a, b) => b.sequence - a.sequence);
  return newestFirst.map(({ sequence, version }) => `${sequence} ${version}\n`).join("");
}

/** Throws `malformed-versions`. The list is an index only: what is true is in the signed release metadata. */
export function parseVersions(text: string): PublishedSequence[] {
  const lines = text === "" ? [] : text.replace(/\n$/, "").split("\n");
  return lines.map((line, index) => {
    const [, sequence, version] = versionLine.exec(line) ?? [];
    if (sequence === undefined || version === undefined) {
      throw new CutoverError({
        code: "malformed-versions",
        message: `The list of versions is malformed in line ${index + 1}`,
      });
    }
    return { sequence: Number(sequence), version };
  });
}
