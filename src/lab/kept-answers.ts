// What apt answered, kept while its lists and sources are the same, for a day: each question makes apt read all its lists anew, which
// takes a second, and every test file with servers of Debian asks.
import { createHash, randomUUID } from "node:crypto";
import { mkdir, readdir, readFile, rename, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";

const KEPT_FOR_MS = 86_400_000;

export interface Question {
  /** Whose entries tell, by name, size and time, whether an answer is still right; a path that is missing counts as empty. */
  readonly about: readonly string[];
  readonly words: readonly string[];
  /** Where answers are kept. */
  readonly directory: string;
}

/** The kept answer, or what `ask` says, which is kept for the next who asks. What cannot be kept is answered all the same. */
export async function keptAnswer(question: Question, ask: () => Promise<string>): Promise<string> {
  const before = await placeOf(question);
  const kept = await readKept(before);
  if (kept !== undefined) return kept;
  const answer = await ask();
  // To ask may have brought newer lists: the answer is about those.
  await keep(await placeOf(question), answer).catch(() => undefined);
  return answer;
}

async function placeOf({ about, words, directory }: Question): Promise<string> {
  const state = await Promise.all(about.map(stateOf));
  return join(
    directory,
    createHash("sha256")
      .update(JSON.stringify([state, words]))
      .digest("hex"),
  );
}

async function stateOf(path: string): Promise<readonly string[]> {
  const entries: readonly string[] = await readdir(path).catch(() => [""]); // of a file, itself
  const seen = entries.toSorted().map(async (entry) => {
    const found = await stat(join(path, entry)).catch(() => undefined);
    return found?.isFile() === true ? `${path}/${entry} ${found.size} ${found.mtimeMs}` : "";
  });
  return (await Promise.all(seen)).filter((line) => line !== "");
}

async function readKept(place: string): Promise<string | undefined> {
  try {
    if (Date.now() - (await stat(place)).mtimeMs > KEPT_FOR_MS) return undefined;
    return await readFile(place, "utf8");
  } catch {
    return undefined; // nobody asked yet
  }
}

async function keep(place: string, answer: string): Promise<void> {
  await mkdir(join(place, ".."), { recursive: true });
  const own = `${place}.${randomUUID()}`;
  await writeFile(own, answer);
  await rename(own, place);
}
