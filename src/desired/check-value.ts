// One YAML document against one schema: the typed value, or every finding with its place. Used for documents and for cutover.yaml.
import type { z } from "zod";
import { type Diagnostic, formatPath } from "../model/diagnostic.ts";
import { explainIssue } from "./explain-issue.ts";
import type { YamlValue } from "./read-yaml.ts";

export type Checked<T> =
  | { readonly kind: "valid"; readonly value: T }
  | { readonly kind: "invalid"; readonly diagnostics: Diagnostic[] };

const maxFindings = 100;

/** Never throws; at most 100 findings, in the order of the schema. */
export function checkValue<T>(input: {
  readonly schema: z.ZodType<T>;
  readonly yaml: YamlValue;
  readonly file: string;
}): Checked<T> {
  const { schema, yaml, file } = input;
  const parsed = schema.safeParse(yaml.value);
  if (parsed.success) return { kind: "valid", value: parsed.data };
  const subject = { schema, value: yaml.value, source: yaml.source };
  const explanations = parsed.error.issues.slice(0, maxFindings).flatMap((issue) => explainIssue(issue, subject));
  const diagnostics = explanations.slice(0, maxFindings).map(({ path, at, ...words }) => {
    return { severity: "error", file, ...yaml.place(path, at), path: formatPath(path), ...words } satisfies Diagnostic;
  });
  return { kind: "invalid", diagnostics };
}
