// The journal on a real file: what it acknowledged it keeps, in order, from one writer.
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { text } from "node:stream/consumers";
import test from "node:test";
import { openSqliteJournal } from "../../src/adapters/sqlite-journal.ts";
import type { JournalEvent } from "../../src/model/run-event.ts";
import { makePlan } from "../../src/plan/make-plan.ts";
import type { JournalPort } from "../../src/ports.ts";
import { planInput } from "../support/plan-input.ts";

async function withJournalFile(use: (path: string, open: () => JournalPort) => Promise<void>): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), "cutover-journal-"));
  const path = join(folder, "state", "journal.db");
  const opened: JournalPort[] = [];
  try {
    await use(path, () => {
      const journal = openSqliteJournal(path);
      opened.push(journal);
      return journal;
    });
  } finally {
    for (const journal of opened) await journal.close();
    rmSync(folder, { recursive: true });
  }
}

const event = (stream: string, sequence: number, step = `step.${sequence}`): JournalEvent => ({
  kind: "step-started",
  step,
  stream,
  sequence,
  at: 1_000 + sequence,
});
const taken = { code: "journal-taken", disposition: "retry" };

test("the plan of a large fleet comes back whole, from a row that is small (R38)", () =>
  withJournalFile(async (path, open) => {
    const plan = makePlan(
      planInput({ components: { app: { hosts: Array.from({ length: 2_000 }, (_, at) => `h${at}`) } } }),
    );
    const planned: JournalEvent = { kind: "run-planned", commit: "c", generation: "g", plan, epoch: 1, fleet: [], stream: "run/r1", sequence: 1, at: 1 }; // biome-ignore format: one line
    await open().append([planned]);
    assert.deepEqual(await open().read("run/r1"), [JSON.parse(JSON.stringify(planned))]);
    const database = new DatabaseSync(path, { readOnly: true });
    const bytes = Number(database.prepare("SELECT length(body) AS bytes FROM event").get()?.bytes);
    database.close();
    assert.ok(bytes * 10 < JSON.stringify(planned).length, `${bytes} bytes`);
  }));

test("what was acknowledged is there after reopening, exactly (F2)", () =>
  withJournalFile(async (_path, open) => {
    const events = [event("run/a", 1, "Straße → ✓ \n 'quoted'"), event("run/a", 2), event("run/a", 3)];
    const first = open();
    await first.append(events.slice(0, 2));
    await first.append(events.slice(2));
    await first.close();
    assert.deepEqual(await open().read("run/a"), events);
  }));

test("the newest event, and those of some kinds, are read without the others", () =>
  withJournalFile(async (_path, open) => {
    const end = { kind: "run-ended", outcome: "done", reason: "", stream: "run/a", sequence: 3, at: 1_003 } as const;
    const journal = open();
    await journal.append([event("run/a", 1), event("run/a", 2), end, event("run/b", 1)]);
    assert.deepEqual(await journal.newest("run/a"), end);
    assert.equal(await journal.newest("run/c"), undefined);
    assert.deepEqual(await journal.tail("run/a", 2), [event("run/a", 2), end]);
    assert.deepEqual(await journal.tail("run/b", 9), [event("run/b", 1)]);
    assert.deepEqual(await journal.read("run/a", ["run-ended", "quarantined"]), [end]);
  }));

test("an append of more events than one statement takes is kept whole or not at all", () =>
  withJournalFile(async (_path, open) => {
    const events = Array.from({ length: 9_000 }, (_, index) => event("run/a", index + 1));
    const journal = open();
    await assert.rejects(journal.append([...events.slice(0, -1), event("run/a", 9_500)]), taken);
    assert.equal((await journal.read("run/a")).length, 0);
    await journal.append(events);
    assert.equal((await journal.read("run/a")).length, 9_000);
  }));

test("what was acknowledged survives a kill of the process (F2)", () =>
  withJournalFile(async (path, open) => {
    const child = writer(path, { holds: true });
    const [first] = await once(child.stdout, "data");
    assert.match(String(first), /written/);
    child.kill("SIGKILL");
    await once(child, "exit");
    assert.equal((await open().read("run/shared")).length, 20);
  }));

test("an unknown stream is empty, and appending nothing is nothing", () =>
  withJournalFile(async (_path, open) => {
    const journal = open();
    await journal.append([]);
    assert.deepEqual(await journal.read("run/none"), []);
    assert.deepEqual(await journal.streams("run/"), []);
  }));

test("a repeated sequence and a gap are refused as journal-taken, and leave nothing of their batch behind", () =>
  withJournalFile(async (_path, open) => {
    const journal = open();
    await journal.append([event("run/a", 1), event("run/a", 2)]);
    await assert.rejects(journal.append([event("run/a", 2, "other")]), taken);
    await assert.rejects(journal.append([event("run/a", 4)]), taken);
    await assert.rejects(journal.append([event("run/a", 3), event("run/a", 5)]), taken);
    await assert.rejects(journal.append([event("run/b", 2)]), taken);
    assert.deepEqual(await journal.read("run/a"), [event("run/a", 1), event("run/a", 2)]);
    await journal.append([event("run/a", 3)]);
  }));

test("streams keep their own sequences, and are listed in the order in which they began", () =>
  withJournalFile(async (_path, open) => {
    const journal = open();
    await journal.append([event("run/z", 1)]);
    await journal.append([event("controller", 1)]);
    await journal.append([event("run/a", 1), event("run/z", 2)]);
    assert.deepEqual(await journal.streams("run/"), ["run/z", "run/a"]);
    assert.deepEqual(await journal.streams(""), ["run/z", "controller", "run/a"]);
    assert.deepEqual(
      (await journal.read("run/z")).map(({ sequence }) => sequence),
      [1, 2],
    );
  }));

test("two processes on one stream: every sequence has one writer, and the other one is told (P5)", () =>
  withJournalFile(async (path, open) => {
    open();
    const outputs = await Promise.all(
      [writer(path), writer(path)].map(async (child) => {
        const [output, [code]] = await Promise.all([text(child.stdout), once(child, "exit")]);
        assert.equal(code, 0);
        return output.trim();
      }),
    );
    const counts = outputs.map(
      (line) => /^written (\d+) refused (\d+) other$/.exec(line)?.slice(1).map(Number) ?? line,
    );
    const [[a = 0, refusedA = 0], [b = 0, refusedB = 0]] = counts as [number[], number[]];
    const kept = await open().read("run/shared");
    assert.deepEqual(
      kept.map(({ sequence }) => sequence),
      kept.map((_, index) => index + 1),
    );
    assert.equal(kept.length, a + b, JSON.stringify(outputs));
    assert.deepEqual([a + refusedA, b + refusedB], [20, 20]);
  }));

test("a journal that cannot be written says so with another word than a second writer", () =>
  withJournalFile(async (_path, open) => {
    const journal = open();
    await journal.close();
    await assert.rejects(journal.append([event("run/a", 1)]), { code: "journal-failed" });
  }));

/** A process that appends sequences 1 to 20 one by one and counts what happened; `holds` keeps it from ending by itself. */
function writer(path: string, { holds = false } = {}) {
  const source = `
    import { openSqliteJournal } from ${JSON.stringify(new URL("../../src/adapters/sqlite-journal.ts", import.meta.url).href)};
    const journal = openSqliteJournal(${JSON.stringify(path)});
    let written = 0, refused = 0, other = "";
    for (let sequence = 1; sequence <= 20; sequence++)
      await journal.append([{ kind: "step-started", step: String(process.pid), stream: "run/shared", sequence, at: 1 }]).then(
        () => written++,
        (error) => error.code === "journal-taken" ? refused++ : (other = error.code + ": " + error.message));
    console.log("written", written, "refused", refused, "other", other);
    ${holds ? "setInterval(() => {}, 1_000);" : "await journal.close();"}
  `;
  return spawn(process.execPath, ["--input-type=module", "--eval", source], { stdio: ["ignore", "pipe", "inherit"] });
}
