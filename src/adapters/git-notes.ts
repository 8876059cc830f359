// NotesPort over `refs/notes/cutover`. Every attempt works on a local ref of its own, so that writers on one machine never meet;
// the remote decides with compare-and-swap, and a lost race starts again from what is there now (F22).
import { setTimeout as delay } from "node:timers/promises";
import { CutoverError } from "../errors.ts";
import type { NotesPort } from "../ports.ts";
import {
  dropRef,
  fetchRef,
  type GitRemote,
  isObjectId,
  localRef,
  openMirror,
  pushRef,
  writeObject,
} from "./git-mirror.ts";
import { expectGit, runGit } from "./run-git.ts";

const notesRef = "refs/notes/cutover";
const maxNoteBytes = 64 * 1024 * 1024;

export interface GitNotesOptions extends GitRemote {
  /** Lost races until `notes-contended` is thrown; 24 unless said otherwise. */
  readonly attempts?: number;
  /** A note that grows past this loses its oldest records; the history of the notes ref keeps them. 32 MiB unless said otherwise. */
  readonly keptBytes?: number;
  /** `mirror` is somebody's own repository: its notes are read as they were fetched last. */
  readonly readOnly?: boolean;
}

export function gitNotes(options: GitNotesOptions): NotesPort {
  return {
    async publish(commit, note) {
      await openMirror(options);
      const { attempts = 24, signal } = options;
      for (let attempt = 1; attempt <= attempts; attempt++) {
        if (await tryPublish(options, { commit: checked(commit), note })) return;
        // Full jitter: the more often a race was lost, the wider the writers are spread.
        await delay(
          Math.random() * Math.min(2000, 50 * 2 ** Math.min(attempt, 6)),
          undefined,
          signal === undefined ? {} : { signal },
        );
      }
      throw contended(attempts);
    },
    async read(commit) {
      await openMirror(options);
      return withNotes(options, (local) => readNote(options.mirror, { local, commit: checked(commit) }));
    },
    async find(commits, visit) {
      await openMirror(options);
      await withNotes(options, async (local) => {
        const listed = await expectGit({ repository: options.mirror, args: ["notes", `--ref=${local}`, "list"] });
        const blobs = new Map(listed.split("\n").map((line) => [line.slice(41), line.slice(0, 40)]));
        for (const commit of commits) {
          const blob = blobs.get(commit);
          if (blob !== undefined && (await visit(commit, await readBlob(options.mirror, blob)))) return;
        }
      });
    },
  };
}

/** Undefined when there are no notes at all. */
async function withNotes<T>(options: GitNotesOptions, work: (local: string) => Promise<T>): Promise<T | undefined> {
  if (options.readOnly) return (await localRef(options.mirror, notesRef)) === undefined ? undefined : work(notesRef);
  return withLocalRef(options.mirror, async (local) => {
    const tip = await fetchRef(options, { from: notesRef, to: local });
    return tip === undefined ? undefined : work(local);
  });
}

/** One round: take what the remote has, append, push. False when somebody else was first. */
function tryPublish(remote: GitNotesOptions, { commit, note }: { commit: string; note: string }): Promise<boolean> {
  const { mirror } = remote;
  return withLocalRef(mirror, async (local) => {
    const tip = await fetchRef(remote, { from: notesRef, to: local });
    const before = tip === undefined ? undefined : await readNote(mirror, { local, commit });
    const record = `${note.trimEnd()}\n`;
    // A push whose reply was lost has landed: publishing the same record again must not double it.
    if (before !== undefined && `\n${before}\n`.includes(`\n${record}\n`)) return true;
    const { keptBytes = 32 * 1024 * 1024 } = remote;
    const kept = before === undefined ? "" : newestRecords(before, keptBytes - Buffer.byteLength(record));
    const blob = await writeObject(mirror, { type: "blob", content: `${kept}${record}` });
    // -C takes the bytes as they are; git itself keeps the fan-out of the notes tree.
    await expectGit({ repository: mirror, args: ["notes", `--ref=${local}`, "add", "--force", "-C", blob, commit] });
    const object = await localRef(mirror, local);
    if (object === undefined)
      throw new CutoverError({ code: "git-failed", message: "git notes wrote nothing", disposition: "retry" });
    return (await pushRef(remote, { ref: notesRef, object, expected: tip })) === "pushed";
  });
}

/** Whole records, each with the empty line that follows it. */
function newestRecords(text: string, maxBytes: number): string {
  const whole = `${text.trimEnd()}\n\n`;
  if (Buffer.byteLength(whole) <= maxBytes) return whole;
  const kept: string[] = [];
  let left = maxBytes;
  for (const record of whole.split(/(?<=\n\n)/).reverse()) {
    left -= Buffer.byteLength(record);
    if (left < 0) break;
    kept.push(record);
  }
  return kept.reverse().join("");
}

async function readNote(
  mirror: string,
  { local, commit }: { local: string; commit: string },
): Promise<string | undefined> {
  const listed = await runGit({ repository: mirror, args: ["notes", `--ref=${local}`, "list", commit] });
  const blob = listed.stdout.toString("latin1").trim();
  if (listed.exitCode !== 0 || !isObjectId(blob)) return undefined;
  return readBlob(mirror, blob);
}

function readBlob(mirror: string, blob: string): Promise<string> {
  return expectGit({ repository: mirror, args: ["cat-file", "blob", blob], maxOutputBytes: maxNoteBytes });
}

/** git insists on a place below refs/notes/; the name is unique, and gone afterwards. */
async function withLocalRef<T>(mirror: string, work: (local: string) => Promise<T>): Promise<T> {
  const local = `refs/notes/cutover-work-${crypto.randomUUID()}`;
  try {
    return await work(local);
  } finally {
    await dropRef(mirror, local);
  }
}

function checked(commit: string): string {
  if (isObjectId(commit)) return commit;
  throw new CutoverError({ code: "no-such-ref", message: "A note belongs to a commit id of 40 hex digits" });
}

function contended(attempts: number): CutoverError {
  return new CutoverError({
    code: "notes-contended",
    message: `The status note could not be pushed: ${attempts} other pushes were first`,
    disposition: "retry",
    impact: "Nothing is lost; the next pass publishes it",
    remedy: "cutover status",
  });
}
