// schemas/*.json: the zod schemas as JSON Schema, for editors and for other tools. Files are generated, never edited.
import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { z } from "zod";
import { ConfigFile } from "../model/config-file.ts";
import { CutoverDocument, documentSchemas } from "../model/document.ts";

/** File name → text, the same bytes every time. `document.json` takes any kind, `cutover.json` is for cutover.yaml. */
export function generateSchemas(): Record<string, string> {
  const schemas: Record<string, z.ZodType> = { document: CutoverDocument, cutover: ConfigFile };
  for (const [kind, schema] of Object.entries(documentSchemas)) schemas[kind.toLowerCase()] = schema;
  const names = Object.keys(schemas).sort();
  return Object.fromEntries(names.map((name) => [`${name}.json`, toText(schemas[name] as z.ZodType)]));
}

/** The first line of a file in a release repository, so that editors check it while one types. */
export function modeline(input: { readonly kind: string; readonly schemas: string }): string {
  return `# yaml-language-server: $schema=${input.schemas}/${input.kind.toLowerCase()}.json`;
}

/** Names of schema files that are missing, outdated or not ours; empty when the directory is up to date. */
export async function checkSchemas(directory: string): Promise<string[]> {
  const wanted = generateSchemas();
  const present = await readdir(directory);
  const wrong = present.filter((name) => name.endsWith(".json") && !Object.hasOwn(wanted, name));
  for (const [name, text] of Object.entries(wanted)) {
    const actual = present.includes(name) ? await readFile(join(directory, name), "utf8") : undefined;
    if (actual !== text) wrong.push(name);
  }
  return wrong.sort();
}

/** `io: "input"`: what has a default may be left out. */
function toText(schema: z.ZodType): string {
  return `${JSON.stringify(z.toJSONSchema(schema, { io: "input", target: "draft-7" }), null, 2)}\n`;
}
