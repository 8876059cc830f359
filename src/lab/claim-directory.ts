// A lab removes its directory when it ends, so it only ever takes one that holds nothing of anybody's.
import { mkdir, readdir, realpath } from "node:fs/promises";
import { UsageError } from "../errors.ts";

/** Makes `directory`, or takes it when it is empty; returns its real path. Throws UsageError when something is in it. */
export async function claimDirectory(directory: string): Promise<string> {
  await mkdir(directory, { recursive: true, mode: 0o755 });
  if ((await readdir(directory)).length > 0) {
    throw new UsageError(`${directory} is not empty, and a lab removes its directory when it ends`, "cutover lab down");
  }
  return realpath(directory);
}
