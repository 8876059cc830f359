// An answer is asked for once, and again when what it is about has changed.
import assert from "node:assert/strict";
import { readdirSync } from "node:fs";
import { mkdir, rm, utimes, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { keptAnswer } from "../../../src/lab/kept-answers.ts";
import { withTemporaryDirectory } from "../../support/temporary-directory.ts";

test("what was answered stands until lists, sources or the question are others, for a day, as long as it is there", () =>
  withTemporaryDirectory(async (home) => {
    const [lists, source, directory] = ["lists", "sources.list", "answers"].map((name) => join(home, name)) as [
      string,
      string,
      string,
    ];
    await mkdir(lists);
    await writeFile(join(lists, "Packages"), "one");
    let asked = 0;
    const ask = (...words: readonly string[]) =>
      keptAnswer({ about: [lists, source, join(home, "none")], words, directory }, async () => `answer ${++asked}\n`);
    assert.equal(await ask("nginx"), "answer 1\n");
    assert.equal(await ask("nginx"), "answer 1\n");
    assert.equal(await ask("redis"), "answer 2\n");
    await writeFile(join(lists, "Packages"), "one and two");
    assert.equal(await ask("nginx"), "answer 3\n");
    await writeFile(source, "deb");
    assert.equal(await ask("nginx"), "answer 4\n");
    assert.equal(await ask("nginx"), "answer 4\n");
    const longAgo = new Date(Date.now() - 2 * 86_400_000);
    for (const name of readdirSync(directory)) await utimes(join(directory, name), longAgo, longAgo);
    assert.equal(await ask("nginx"), "answer 5\n");
    await rm(directory, { recursive: true });
    assert.equal(await ask("nginx"), "answer 6\n");
  }));

test("an answer that brought newer lists is kept for those, and one that cannot be kept is given all the same", () =>
  withTemporaryDirectory(async (home) => {
    const lists = join(home, "lists");
    await mkdir(lists);
    let asked = 0;
    const ask = (directory: string) =>
      keptAnswer({ about: [lists], words: [], directory }, async () => {
        asked += 1;
        if (asked === 1) await writeFile(join(lists, "Packages"), "new");
        return String(asked);
      });
    assert.equal(await ask(join(home, "answers")), "1");
    assert.equal(await ask(join(home, "answers")), "1");
    assert.equal(await ask(join(lists, "Packages", "answers")), "2", "below a file nothing can be kept");
  }));
