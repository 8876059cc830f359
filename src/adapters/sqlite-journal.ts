// The journal on SQLite (node:sqlite through Kysely): WAL, and synchronous=FULL so that an acknowledged event survives
// a power cut (F2).
import { mkdirSync } from "node:fs";
import { dirname } from "node:path";
import { DatabaseSync, type SQLInputValue } from "node:sqlite";
import { type Generated, Kysely, SqliteDialect, sql } from "kysely";
import { CutoverError, ExitCode, LackingError } from "../errors.ts";
import { packPlan, unpackPlan } from "../model/packed-plan.ts";
import type { JournalEvent } from "../model/run-event.ts";
import type { JournalPort } from "../ports.ts";

interface Tables {
  event: { id: Generated<number>; stream: string; sequence: number; at: number; body: string };
}

/** Opens the journal at `path`, and makes it when it is not there. A sequence that is not the next one of its stream is refused (`journal-taken`): a second writer fails. */
export function openSqliteJournal(path: string): JournalPort {
  const database = openDatabase(path);
  database.exec("PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;");
  database.exec(
    "CREATE TABLE IF NOT EXISTS event (id INTEGER PRIMARY KEY, stream TEXT NOT NULL, sequence INTEGER NOT NULL, at INTEGER NOT NULL, body TEXT NOT NULL, UNIQUE (stream, sequence)) STRICT",
  );
  // Few events of a long run are asked for by kind at every pass; the words are those of `kindOf`, else SQLite does not use it.
  database.exec("CREATE INDEX IF NOT EXISTS event_kind ON event (stream, json_extract(body, '$.kind'), sequence)");
  database.exec(
    "CREATE TRIGGER IF NOT EXISTS event_without_gap BEFORE INSERT ON event WHEN NEW.sequence <> (SELECT coalesce(max(sequence), 0) + 1 FROM event WHERE stream = NEW.stream) BEGIN SELECT RAISE(ABORT, 'out of sequence'); END",
  );
  const db = new Kysely<Tables>({ dialect: new SqliteDialect({ database: asKyselyDatabase(database) }) });
  const tail = async (stream: string, count: number): Promise<JournalEvent[]> => {
    const rows = await db
      .selectFrom("event")
      .select(["sequence", "at", "body"])
      .where("stream", "=", stream)
      .orderBy("sequence", "desc")
      .limit(count)
      .execute();
    return rows.reverse().map((row) => eventOf(stream, row));
  };
  return {
    tail,
    async append(events) {
      if (events.length === 0) return;
      const rows = events.map(({ stream, sequence, at, ...body }) => ({
        stream,
        sequence,
        at,
        body: JSON.stringify(body.kind === "run-planned" ? { ...body, plan: packPlan(body.plan) } : body),
      }));
      try {
        if (rows.length <= rowsAStatement) await db.insertInto("event").values(rows).execute();
        else await db.transaction().execute((all) => insertInParts(all, rows));
      } catch (cause) {
        throw journalError(path, cause);
      }
    },
    async read(stream, kinds) {
      const all = db.selectFrom("event").select(["sequence", "at", "body"]).where("stream", "=", stream);
      if (kinds === undefined) return (await all.orderBy("sequence").execute()).map((row) => eventOf(stream, row));
      // One question a kind: asked for several at once, SQLite reads the whole stream.
      const rows = await Promise.all(kinds.map((kind) => all.where(kindOf, "=", kind).orderBy("sequence").execute()));
      return rows
        .flat()
        .sort((a, b) => a.sequence - b.sequence)
        .map((row) => eventOf(stream, row));
    },
    newest: async (stream) => (await tail(stream, 1))[0],
    async streams(prefix) {
      const rows = await db
        .selectFrom("event")
        .select(["stream", db.fn.min("id").as("first")])
        .where("stream", ">=", prefix)
        .where("stream", "<", `${prefix}\u{10ffff}`)
        .groupBy("stream")
        .orderBy("first")
        .execute();
      return rows.map((row) => row.stream);
    },
    async close() {
      await db.destroy();
      closeOnce(database); // Kysely leaves alone what it never used
    },
  };
}

type Row = Omit<Tables["event"], "id">;

/** SQLite takes 32,766 parameters a statement, four a row. */
const rowsAStatement = 8_000;

async function insertInParts(db: Kysely<Tables>, rows: readonly Row[]): Promise<void> {
  for (let at = 0; at < rows.length; at += rowsAStatement)
    await db
      .insertInto("event")
      .values(rows.slice(at, at + rowsAStatement))
      .execute();
}

const kindOf = sql<string>`json_extract(body, '$.kind')`;

function eventOf(stream: string, { sequence, at, body }: Omit<Row, "stream">): JournalEvent {
  const event = { ...JSON.parse(body), stream, sequence, at } as JournalEvent;
  return event.kind === "run-planned" ? { ...event, plan: unpackPlan(event.plan) } : event;
}

function closeOnce(database: DatabaseSync): void {
  if (database.isOpen) database.close();
}

function openDatabase(path: string): DatabaseSync {
  try {
    mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
    const database = new DatabaseSync(path, { timeout: 5_000 });
    // Opening a file that cannot be written succeeds; the first write would not.
    database.exec("BEGIN IMMEDIATE; ROLLBACK");
    return database;
  } catch (cause) {
    throw new LackingError(
      `Cannot open the journal ${path}`,
      `ls -ld ${dirname(path)} ${path}; df -h ${dirname(path)}`,
      cause,
    );
  }
}

/** Kysely speaks better-sqlite3's dialect of JavaScript; node:sqlite differs in two places. */
function asKyselyDatabase(database: DatabaseSync) {
  return {
    close: () => closeOnce(database),
    prepare(sql: string) {
      const statement = database.prepare(sql);
      const bind = (parameters: readonly unknown[]) => parameters as SQLInputValue[];
      return {
        reader: statement.columns().length > 0,
        all: (parameters: readonly unknown[]) => statement.all(...bind(parameters)),
        run: (parameters: readonly unknown[]) => statement.run(...bind(parameters)),
        iterate: (parameters: readonly unknown[]) => statement.iterate(...bind(parameters)),
      };
    },
  };
}

/** SQLITE_CONSTRAINT_TRIGGER and SQLITE_CONSTRAINT_UNIQUE. */
const outOfSequence: ReadonlySet<unknown> = new Set([1811, 2067]);

function journalError(path: string, cause: unknown): CutoverError {
  const taken = cause instanceof Error && "errcode" in cause && outOfSequence.has(cause.errcode);
  return new CutoverError({
    code: taken ? "journal-taken" : "journal-failed",
    message: taken ? `Another process writes to the journal ${path}` : `Cannot write to the journal ${path}`,
    disposition: "retry",
    exitCode: ExitCode.stuck,
    evidence: cause instanceof Error ? cause.message : String(cause),
    impact: "No work is taken on until events can be kept",
    remedy: taken ? "cutover status" : "df -h; then cutover status",
    cause,
  });
}
