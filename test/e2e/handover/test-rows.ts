// One test for each row of the matrix that a file takes: files run side by side, about the same time each. The short form: three
// switches, so every kind of turn once. At every push one row of each strategy, in the full form all.
import { test } from "node:test";
import { isFull, loadShare } from "../../support/full-form.ts";
import { debianServersSkip, loopbackSkip } from "../../support/with-lab.ts";
import { assertRow, sayRow } from "./assert-row.ts";
import { loadRows } from "./load-rows.ts";
import type { Row } from "./row.ts";
import { runRow } from "./run-row.ts";

/** Each row is of one. */
type Part = "large" | `${Row["lab"]}-${"components" | "skeletons"}`;

export const atEveryPush: readonly string[] = [
  ...["node-cluster-exec", "c-takeover", "python-worker-restart", "haproxy-balancer"],
  ...["go-reuseport", "go-socket", "nginx-signal", "haproxy-reload"],
];

export async function testRows(part: Part): Promise<void> {
  const rows = (await loadRows()).filter((row) => isFull || atEveryPush.includes(row.name));
  for (const row of rows.filter((each) => partOf(each) === part)) {
    const title = `${row.name} goes forward and back under load, and is ${row.grade} (R27)`;
    const skip = row.lab === "systemd" ? debianServersSkip : loopbackSkip;
    test(title, { skip, timeout: 1_200_000 }, async (context) => {
      const result = await runRow(row, { switches: 3, rate: loadShare });
      context.diagnostic(sayRow(result));
      assertRow(result);
    });
  }
}

function partOf({ of, lab, isLarge = false }: Row): Part {
  if (isLarge) return "large";
  return of.startsWith("skeletons/") ? `${lab}-skeletons` : `${lab}-components`;
}
