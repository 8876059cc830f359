// Which files go through one run of a decoder: big ones alone, small ones together, since what they share is then told once. Pure.
import type { ChangedFile, FileEntry } from "./find-bases.ts";

/** Files that are made together, from the bases that they name, each base once. */
export interface FileGroup {
  readonly files: readonly FileEntry[];
  readonly references: readonly FileEntry[];
  readonly fileBytes: number;
  readonly referenceBytes: number;
}

const maxGroupBytes = 64 * 1024 ** 2;

/** In the order of the paths: neighbours are alike, and a list of sorted paths packs well. */
export function groupFiles(
  changed: readonly ChangedFile[],
  { bigFileBytes }: { readonly bigFileBytes: number },
): FileGroup[] {
  const isBig = ({ file, base }: ChangedFile): boolean =>
    Math.max(file.sizeBytes, base?.sizeBytes ?? 0) >= bigFileBytes;
  const groups: ChangedFile[][] = [];
  let [open, openBytes]: [ChangedFile[], number] = [[], 0];
  for (const each of changed.filter((one) => !isBig(one)).sort((a, b) => byPath(a.file, b.file))) {
    const bytes = Math.max(each.file.sizeBytes, each.base?.sizeBytes ?? 0);
    if (open.length === 0 || openBytes + bytes > maxGroupBytes) {
      [open, openBytes] = [[], 0];
      groups.push(open);
    }
    open.push(each);
    openBytes += bytes;
  }
  return [...groups, ...changed.filter(isBig).map((one) => [one])].map(toGroup);
}

/** One group out of several, its files and its references in the order of their paths again. */
export function joinGroups(groups: readonly FileGroup[]): FileGroup {
  const files = groups.flatMap((group) => group.files).sort(byPath);
  const references = [...new Set(groups.flatMap((group) => group.references))].sort(byPath);
  return { files, references, ...sizes(files, references) };
}

function toGroup(changed: readonly ChangedFile[]): FileGroup {
  const files = changed.map(({ file }) => file);
  const references = [...new Set(changed.flatMap(({ base }) => (base === undefined ? [] : [base])))];
  return { files, references, ...sizes(files, references) };
}

function byPath(a: FileEntry, b: FileEntry): number {
  return a.path < b.path ? -1 : a.path > b.path ? 1 : 0;
}

function sizes(
  files: readonly FileEntry[],
  references: readonly FileEntry[],
): { fileBytes: number; referenceBytes: number } {
  const sum = (entries: readonly FileEntry[]): number => entries.reduce((total, { sizeBytes }) => total + sizeBytes, 0);
  return { fileBytes: sum(files), referenceBytes: sum(references) };
}
