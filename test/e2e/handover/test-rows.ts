// One test for each row of the matrix. The short form: three switches, so every kind of turn once.
import { test } from "node:test";
import type { Lab } from "../../../src/lab/lab.ts";
import { assertRow, sayRow } from "./assert-row.ts";
import { loadRows } from "./load-rows.ts";
import { runRow } from "./run-row.ts";

export async function testRows(lab: Lab["kind"], skip: string | false): Promise<void> {
  for (const row of (await loadRows()).filter((each) => each.lab === lab)) {
    const title = `${row.name} goes forward and back under load, and is ${row.grade} (R27)`;
    test(title, { skip, timeout: 240_000 }, async (context) => {
      const result = await runRow(row, { switches: 3 });
      context.diagnostic(sayRow(result));
      assertRow(result);
    });
  }
}
