// All rows of the matrix: what the files of rows/ export.
import assert from "node:assert/strict";
import { readdir } from "node:fs/promises";
import type { Row } from "./row.ts";

/** In the order of their names, which are unique. */
export async function loadRows(): Promise<readonly Row[]> {
  const directory = new URL("./rows/", import.meta.url);
  const files = (await readdir(directory)).filter((name) => name.endsWith(".ts"));
  const found = await Promise.all(
    files.map(async (name) => {
      const { rows } = (await import(new URL(name, directory).href)) as { rows?: readonly Row[] };
      assert.ok(rows, `rows/${name} exports no rows`);
      return rows;
    }),
  );
  const rows = found.flat().sort((a, b) => (a.name < b.name ? -1 : 1));
  assert.equal(new Set(rows.map(({ name }) => name)).size, rows.length, "a row's name is its own");
  return rows;
}
