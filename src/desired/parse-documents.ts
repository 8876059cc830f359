// Files of a release repository → typed documents that know where they were written, or every finding at once.
import type { z } from "zod";
import { type Diagnostic, formatPath, quotable } from "../model/diagnostic.ts";
import { type CutoverDocument, documentKinds, documentSchemas, isDocumentKind } from "../model/document.ts";
import type { RepositoryFile } from "../ports.ts";
import { checkValue } from "./check-value.ts";
import { nearest } from "./nearest.ts";
import { readYaml, type YamlValue } from "./read-yaml.ts";

/** A document and its source: later checks across documents report with the same precision. */
export interface ParsedDocument {
  readonly file: string;
  readonly document: CutoverDocument;
  readonly yaml: YamlValue;
}

export interface ParsedDocuments {
  /** In order of the files, then of their place within. */
  readonly documents: ParsedDocument[];
  readonly diagnostics: Diagnostic[];
}

/** Pure; never throws for anything that a file may hold. A file with a finding yields none of its broken documents. */
export function parseDocuments(files: readonly Pick<RepositoryFile, "path" | "text">[]): ParsedDocuments {
  const documents: ParsedDocument[] = [];
  const diagnostics: Diagnostic[] = [];
  for (const { path: file, text } of files) {
    const { values, problems } = readYaml(text);
    diagnostics.push(...problems.map((problem): Diagnostic => ({ severity: "error", file, path: "", ...problem })));
    if (problems.length > 0) continue;
    for (const yaml of values) {
      const result = parseDocument(file, yaml);
      if (Array.isArray(result)) diagnostics.push(...result);
      else documents.push({ file, document: result, yaml });
    }
  }
  return { documents, diagnostics };
}

function parseDocument(file: string, yaml: YamlValue): CutoverDocument | Diagnostic[] {
  const kind = documentKind(yaml.value);
  if (!isDocumentKind(kind)) return [explainKind(file, yaml, kind)];
  const schema: z.ZodType<CutoverDocument> = documentSchemas[kind];
  const checked = checkValue({ schema, yaml, file });
  return checked.kind === "valid" ? checked.value : checked.diagnostics;
}

/** R2: a map with neither apiVersion nor kind is a Release. */
function documentKind(value: unknown): unknown {
  if (value === null || typeof value !== "object" || Array.isArray(value)) return undefined;
  if (Object.hasOwn(value, "kind")) return (value as { kind: unknown }).kind;
  return Object.hasOwn(value, "apiVersion") ? undefined : "Release";
}

function explainKind(file: string, yaml: YamlValue, kind: unknown): Diagnostic {
  const path = kind === undefined ? [] : ["kind"];
  const base = { severity: "error", file, ...yaml.place(path, "value"), path: formatPath(path) } as const;
  const expected = `one of ${documentKinds.join(", ")}`;
  if (typeof yaml.value !== "object" || Array.isArray(yaml.value))
    return { ...base, message: "this is not a document", expected: "a map" };
  if (kind === undefined) return { ...base, message: "kind is missing", expected };
  const close = typeof kind === "string" ? nearest(kind, documentKinds) : undefined;
  const message = `there is no kind ${quotable(JSON.stringify(kind) ?? "")}`;
  return { ...base, message, expected, ...(close === undefined ? {} : { nearest: close }) };
}
