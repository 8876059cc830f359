// One test for each row of the matrix that a file takes. The short form: three switches, so every kind of turn once.
import { test } from "node:test";
import { assertRow, sayRow } from "./assert-row.ts";
import { loadRows } from "./load-rows.ts";
import type { Row } from "./row.ts";
import { runRow } from "./run-row.ts";

export async function testRows(takes: (row: Row) => boolean, skip: string | false): Promise<void> {
  for (const row of (await loadRows()).filter(takes)) {
    const title = `${row.name} goes forward and back under load, and is ${row.grade} (R27)`;
    test(title, { skip, timeout: 240_000 }, async (context) => {
      const result = await runRow(row, { switches: 3 });
      context.diagnostic(sayRow(result));
      assertRow(result);
    });
  }
}
