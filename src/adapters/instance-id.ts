// Tells controllers apart that go by one name: a random id, made once and kept in the state directory, so that a controller
// that starts again is still itself, and a second one with another state directory is not.
import { existsSync } from "node:fs";
import { link, mkdir, readFile, rm, writeFile } from "node:fs/promises";
import { dirname } from "node:path";
import { LackingError } from "../errors.ts";

/** Safe to call at the same time from several processes: the first one's id counts. */
export async function instanceId(path: string): Promise<string> {
  if (!existsSync(path)) await makeId(path);
  const id = (await readFile(path, "utf8")).trim();
  if (/^[0-9a-f-]{36}$/.test(id)) return id;
  throw new LackingError(`${path}, which tells this controller from others of its name, is damaged`, `rm ${path}`);
}

/** Linked when it is whole, so that nobody ever reads half of it. */
async function makeId(path: string): Promise<void> {
  await mkdir(dirname(path), { recursive: true });
  const fresh = `${path}.${crypto.randomUUID()}`;
  try {
    await writeFile(fresh, `${crypto.randomUUID()}\n`, { mode: 0o600 });
    await link(fresh, path);
  } catch (error) {
    if (!(error instanceof Error && "code" in error && error.code === "EEXIST")) throw error;
  } finally {
    await rm(fresh, { force: true });
  }
}
