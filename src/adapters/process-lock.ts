// One controller process a state directory: an SQLite file that stays exclusively locked while the process lives. The kernel
// drops the lock with the process, also after SIGKILL, so nothing is ever left to clean up.
import { mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { dirname } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { CutoverError, RefusedError } from "../errors.ts";
import type { ProcessLockPort } from "../ports.ts";

/** SQLITE_BUSY; the higher bits only say more. */
const busy = 5;
/** Two that open the file at the same moment can both see it busy: SQLite asks again for this long. */
const settleMs = 500;

export interface ProcessLockOptions {
  /** Absolute path of the lock file; `path`.holder beside it says who has it. */
  readonly path: string;
  /** What this process is, for whoever is refused. */
  readonly command: string;
}

export function processLock({ path, command }: ProcessLockOptions): ProcessLockPort {
  const note = `${path}.holder`;
  return {
    async acquire() {
      mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
      const database = lockFile(path, () => held(note));
      try {
        writeFileSync(`${note}.part`, `${process.pid} ${printable(command)}\n`, { mode: 0o600 });
        renameSync(`${note}.part`, note);
      } catch (error) {
        database.close();
        throw error;
      }
      return {
        async release() {
          if (!database.isOpen) return;
          rmSync(note, { force: true });
          database.close();
        },
      };
    },
  };
}

function lockFile(path: string, refused: () => Error): DatabaseSync {
  let database: DatabaseSync | undefined;
  try {
    database = new DatabaseSync(path, { timeout: settleMs });
    database.exec("PRAGMA locking_mode = EXCLUSIVE; BEGIN EXCLUSIVE");
    return database;
  } catch (cause) {
    database?.close();
    if (cause instanceof Error && "errcode" in cause && (Number(cause.errcode) & 0xff) === busy) throw refused();
    throw new CutoverError({
      code: "lock-failed",
      message: `Cannot lock ${path}`,
      evidence: cause instanceof Error ? cause.message : String(cause),
      impact: "Nothing was started: another controller could not be kept out",
      remedy: `ls -ld ${dirname(path)}; df -h ${dirname(path)}`,
      cause,
    });
  }
}

function held(note: string): RefusedError {
  const holder = readHolder(note);
  const who = holder ? `${holder.command} (pid ${holder.pid})` : "another process";
  return new RefusedError({
    // A process that serves takes up requests; one that does a single pass is soon over.
    code: /\bserve\b/.test(holder?.command ?? "") ? "serve-running" : "lease-held",
    message: `${who} is the controller of this state directory`,
    impact: "This one writes nothing; --take-over does not change that, since both would go by one name",
    remedy: `stop ${who}, or run this through it: it reconciles after every push, and obeys cutover hold, resume, retry and rollback`,
  });
}

/** Undefined while the holder has not written its name yet. */
function readHolder(note: string): { readonly pid: string; readonly command: string } | undefined {
  try {
    const [, pid, command] = /^([1-9][0-9]{0,9}) (.{1,200})\n$/.exec(readFileSync(note, "utf8")) ?? [];
    return pid === undefined || command === undefined || !isAlive(Number(pid)) ? undefined : { pid, command };
  } catch {
    return undefined; // no note: the lock says enough
  }
}

function isAlive(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === "EPERM";
  }
}

function printable(text: string): string {
  return text.replace(/[^\x20-\x7e]/g, "?").slice(0, 200) || "cutover";
}
