// The component file that `publish` is given: one Component document, checked like any document of a release repository.
import { readFile, stat } from "node:fs/promises";
import { dirname, join, resolve } from "node:path";
import { type ParsedDocument, parseDocuments } from "../desired/parse-documents.ts";
import { rangeProblem } from "../desired/ranges.ts";
import { maxYamlBytes } from "../desired/screen-yaml.ts";
import { upgradeProblems } from "../desired/upgrade-ranges.ts";
import { CutoverError, ExitCode, UsageError } from "../errors.ts";
import type { Component } from "../model/component.ts";
import { type Diagnostic, formatDiagnostic, formatPath } from "../model/diagnostic.ts";

export interface ComponentFile {
  readonly component: Component;
  /** `tasks/` beside the file, when there is one and the component names tasks. */
  readonly bundleDirectory: string | undefined;
}

/** Throws UsageError when there is no such file, `document-invalid` with every finding when it is not exactly one sound Component. */
export async function readComponent(path: string): Promise<ComponentFile> {
  const entry = await stat(path).catch(() => undefined);
  if (entry === undefined) throw new UsageError(`There is no file ${resolve(path)}`, "cutover help publish");
  if (!entry.isFile()) throw new UsageError(`${path} is no file, so no component file`, "cutover help publish");
  if (entry.size > maxYamlBytes)
    throw new UsageError(`${path} has ${entry.size} bytes; a component file has ${maxYamlBytes} at most`, "cutover help publish"); // biome-ignore format: one line
  const { documents, diagnostics } = parseDocuments([{ path, text: await readFile(path, "utf8") }]);
  const components = documents.flatMap(({ document }) => (document.kind === "Component" ? [document] : []));
  const [component] = components;
  const errors = [...diagnostics, ...documents.flatMap(needProblems)].filter(({ severity }) => severity === "error");
  if (errors.length > 0 || components.length !== 1 || component === undefined) {
    throw new CutoverError({
      code: "document-invalid",
      message: errors.length > 0 ? `${path} is not valid` : `${path} holds ${components.length} components, not one`,
      exitCode: ExitCode.usage,
      ...(errors.length > 0 ? { evidence: errors.map(formatDiagnostic).join("\n") } : {}),
      impact: "Nothing was published",
      remedy: "mend it and publish again; cutover schemas writes what each field may be",
    });
  }
  const tasks = join(dirname(path), "tasks");
  const hasTasks = (await stat(tasks).catch(() => undefined))?.isDirectory() === true;
  return { component, bundleDirectory: hasTasks && component.tasks.length > 0 ? tasks : undefined };
}

/** Ranges that semver cannot read, or that contradict what stands beside them: signed, they would refuse every host. */
function needProblems({ file, document, yaml }: ParsedDocument): Diagnostic[] {
  if (document.kind !== "Component") return [];
  const needed = Object.entries(document.needs.components).flatMap(([name, range]) => {
    const words = rangeProblem(range);
    return words === undefined ? [] : [{ path: ["needs", "components", name], words }];
  });
  return [...needed, ...upgradeProblems(document)].map(({ path, words }): Diagnostic => {
    return { severity: "error", file, ...yaml.place(path, "value"), path: formatPath(path), ...words };
  });
}
