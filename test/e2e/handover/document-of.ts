// Component documents of deploy/ and releases/ for a row, as they are but for what depends on where the row runs.
import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { readComponent } from "../../../src/app/read-component.ts";
import type { Contract } from "../../support/with-home.ts";

/** Reads the document at `path` as `publish` does; `fields` stand in the place of its own. */
export async function documentOf(path: string, fields: Readonly<Record<string, unknown>> = {}): Promise<Contract> {
  const { component } = await readComponent(path);
  return { ...component, ...fields };
}

/** The unit files of a directory by name. */
export async function unitsIn(directory: string): Promise<Record<string, string>> {
  const names = await readdir(directory);
  const texts = names.map(async (name) => [name, await readFile(join(directory, name), "utf8")] as const);
  return Object.fromEntries(await Promise.all(texts));
}
