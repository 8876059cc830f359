// The rows of the matrix on whole Debian hosts. One alone: --test-name-pattern=nginx-signal
import { test } from "node:test";
import { debianServersSkip } from "../../support/with-lab.ts";
import { loadRows } from "./load-rows.ts";
import { runRow } from "./run-row.ts";

for (const row of (await loadRows()).filter(({ lab }) => lab === "systemd"))
  test(`${row.name} goes forward and back under load, and is ${row.grade} (R27)`, {
    skip: debianServersSkip,
    timeout: 240_000,
  }, async (context) => {
    context.diagnostic(JSON.stringify(await runRow(row, { switches: 3 })));
  });
