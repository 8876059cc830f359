// What `cutover validate` found: one line a finding, in a form that editors jump to. Pure.
import { allDocuments, type Diagnostic, formatDiagnostic } from "../model/diagnostic.ts";
import { type Line, styled } from "./text.ts";
import { counted } from "./units.ts";

export interface ValidationView {
  readonly diagnostics: readonly Diagnostic[];
  readonly files: readonly string[];
}

/** The last line counts. Files are shown as paths from where the caller stands. */
export function renderValidation({ diagnostics, files }: ValidationView, directory: string): Line[] {
  const base = directory === "." ? "" : `${directory.replace(/\/+$/, "")}/`;
  const findings = diagnostics.map((diagnostic): Line => {
    const isFile = diagnostic.file !== allDocuments || files.includes(allDocuments);
    const text = formatDiagnostic({ ...diagnostic, file: isFile ? base + diagnostic.file : directory });
    return diagnostic.severity === "error"
      ? [styled("error", "bad"), ` ${text}`]
      : [styled("warning", "warn"), ` ${text}`];
  });
  const errors = diagnostics.filter(({ severity }) => severity === "error").length;
  const warnings = diagnostics.length - errors;
  const counts = [counted(errors, "error"), ...(warnings === 0 ? [] : [counted(warnings, "warning")])].join(", ");
  const verdict: Line =
    errors > 0
      ? [styled("not valid:", "bad"), ` ${counts} in ${counted(files.length, "file")}`]
      : [styled("valid:", "good"), ` ${counted(files.length, "file")}${warnings === 0 ? "" : `, ${counts}`}`];
  return [...findings, verdict];
}
