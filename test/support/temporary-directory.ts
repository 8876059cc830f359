// A directory for one test, under the system's temporary directory, that must be left as quiet as it was found.
import assert from "node:assert/strict";
import { mkdtemp, realpath, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { leaksIn } from "./leak-check.ts";

/** Runs `body` with a fresh directory and removes it. Fails when a process or mount of the test is still using it. */
export async function withTemporaryDirectory<T>(body: (directory: string) => Promise<T>): Promise<T> {
  const directory = await realpath(await mkdtemp(join(tmpdir(), "cutover-test-")));
  try {
    const result = await body(directory);
    assert.deepEqual(await leaksIn(directory), [], "the test left something running or mounted");
    return result;
  } finally {
    await rm(directory, { recursive: true, force: true, maxRetries: 3 });
  }
}
