// validate: the documents of a directory, without git and without any host. For editors, hooks and CI.
import { createHash } from "node:crypto";
import { readdir, readFile, stat } from "node:fs/promises";
import { join, relative } from "node:path";
import { parseDocuments } from "../desired/parse-documents.ts";
import { resolveDesired } from "../desired/resolve-desired.ts";
import { maxYamlBytes } from "../desired/screen-yaml.ts";
import { UsageError } from "../errors.ts";
import type { Component } from "../model/component.ts";
import type { Desired } from "../model/desired.ts";
import type { Diagnostic } from "../model/diagnostic.ts";

export interface Validation {
  /** Errors and warnings, in order of the files. */
  readonly diagnostics: readonly Diagnostic[];
  /** What a commit of exactly these files would ask for; undefined when there is an error. Its `commit` is empty. */
  readonly desired: Desired | undefined;
  /** Contracts among the documents. */
  readonly components: readonly Component[];
  /** Paths of the files that were read, relative to the directory. */
  readonly files: readonly string[];
}

/** Reads regular .yaml and .yml files only; links are reported, not followed. Throws UsageError when there is no such directory. */
export async function validateDirectory(directory: string): Promise<Validation> {
  const entry = await stat(directory).catch(() => undefined);
  if (entry === undefined || !entry.isDirectory())
    throw new UsageError(`${directory} is not a directory`, "cutover validate releases");
  const found = await readdir(directory, { withFileTypes: true, recursive: true });
  const files: { path: string; text: string; blob: string }[] = [];
  const diagnostics: Diagnostic[] = [];
  const complain = (file: string, message: string) =>
    diagnostics.push({ severity: "error", file, line: 1, column: 1, path: "", message });
  for (const each of found) {
    const full = join(each.parentPath, each.name);
    const path = relative(directory, full);
    if (each.isSymbolicLink()) complain(path, "a symbolic link; only regular files are read");
    if (!each.isFile() || !/\.ya?ml$/.test(each.name)) continue;
    const { size } = await stat(full);
    if (size > maxYamlBytes) {
      complain(path, `the file is too large, expected at most ${maxYamlBytes / 1024} KiB`);
      continue;
    }
    const bytes = await readFile(full);
    files.push({ path, text: bytes.toString("utf8"), blob: gitBlobId(bytes) });
  }
  files.sort((a, b) => (a.path < b.path ? -1 : 1));
  const parsed = parseDocuments(files);
  diagnostics.push(...parsed.diagnostics);
  const paths = files.map(({ path }) => path);
  // Checks across documents would blame the wrong ones while some are unread.
  if (diagnostics.length > 0) return { diagnostics, desired: undefined, components: [], files: paths };
  const resolution = resolveDesired({ commit: "", documents: parsed.documents, blobs: files.map(({ blob }) => blob) });
  const components = parsed.documents.flatMap(({ document }) => (document.kind === "Component" ? document : []));
  return { diagnostics: resolution.diagnostics, desired: resolution.desired, components, files: paths };
}

function gitBlobId(bytes: Buffer): string {
  return createHash("sha1").update(`blob ${bytes.length}\0`).update(bytes).digest("hex");
}
