// The rows of the matrix that need no root. One alone: --test-name-pattern=shop-exec
import { test } from "node:test";
import { loopbackSkip } from "../../support/with-lab.ts";
import { loadRows } from "./load-rows.ts";
import { runRow } from "./run-row.ts";

for (const row of (await loadRows()).filter(({ lab }) => lab === "loopback"))
  test(`${row.name} goes forward and back under load, and is ${row.grade} (R27)`, {
    skip: loopbackSkip,
    timeout: 240_000,
  }, async (context) => {
    context.diagnostic(JSON.stringify(await runRow(row, { switches: 3 })));
  });
