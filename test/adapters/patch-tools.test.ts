import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { randomBytes } from "node:crypto";
import { chmod, mkdir, readdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { patchTools } from "../../src/adapters/patch-tools.ts";
import { processesOf } from "../support/host-session.ts";
import { withTemporaryDirectory } from "../support/temporary-directory.ts";
import { until } from "../support/until.ts";

async function withPair<T>(
  work: (files: { folder: string; reference: string; input: string; output: string }) => Promise<T>,
): Promise<T> {
  return withTemporaryDirectory(async (folder) => {
    const at = (name: string): string => join(folder, name);
    const bytes = randomBytes(300_000);
    await writeFile(at("-old"), bytes);
    await writeFile(at("-new"), Buffer.concat([bytes.subarray(1_000), Buffer.from("more")]));
    return work({ folder, reference: at("-old"), input: at("-new"), output: at("-patch") });
  });
}

/** A program of that name that runs this script, in a directory of its own. */
async function fakeTool(folder: string, name: string, script: string): Promise<string> {
  const path = join(folder, "bin");
  await mkdir(path, { recursive: true });
  await writeFile(join(path, name), `#!/bin/sh\n${script}\n`);
  await chmod(join(path, name), 0o755);
  return `${path}:${process.env.PATH}`;
}

test("what the encoders write, zstd and bspatch decode", () =>
  withPair(async ({ reference, input, output }) => {
    const tools = patchTools();
    assert.deepEqual(await tools.installed(), ["zstd", "bsdiff"]);
    const read: number[] = [];
    await tools.zstd({ input, output, reference, level: 19, windowLog: 20, onRead: (bytes) => read.push(bytes) });
    assert.equal(read.at(-1), 299_004);
    assert.ok((await readFile(output)).length < 200);
    const decoded = execFileSync("zstd", ["-dqc", `--patch-from=${reference}`, output]);
    assert.deepEqual(decoded, await readFile(input));
    await tools.bsdiff({ reference, input, output });
    execFileSync("bspatch", [reference, `${output}.out`, output]);
    assert.deepEqual(await readFile(`${output}.out`), await readFile(input));
    await tools.zstd({ input, output, level: 3, windowLog: 20 });
    assert.deepEqual(execFileSync("zstd", ["-dqc", output]), await readFile(input));
  }));

test("an encoder that is not installed is known by name", () =>
  withPair(async ({ folder }) => {
    await fakeTool(folder, "bsdiff", "exit 0");
    assert.deepEqual(await patchTools({ path: join(folder, "bin") }).installed(), ["bsdiff"]);
    assert.deepEqual(await patchTools({ path: "" }).installed(), []);
  }));

test("an encoder that fails says why, and leaves nothing that looks like a patch", () =>
  withPair(async ({ folder, reference, input, output }) => {
    const path = await fakeTool(folder, "bsdiff", 'echo half >"$3"; echo "disk is full" >&2; exit 1');
    await assert.rejects(patchTools({ path }).bsdiff({ reference, input, output }), {
      code: "patch-tool-failed",
      evidence: "exit 1: disk is full",
    });
    assert.deepEqual((await readdir(folder)).sort(), ["-new", "-old", "bin"]);
  }));

test("an encoder that is no longer wanted is ended", () =>
  withPair(async ({ folder, reference, input, output }) => {
    const path = await fakeTool(folder, "bsdiff", `: >"$3"; exec sleep 600`);
    const stop = new AbortController();
    const making = patchTools({ path }).bsdiff({ reference, input, output, signal: stop.signal });
    const ended = assert.rejects(making, { message: "enough" });
    await until("the encoder's start", 10_000, async () => (await readdir(folder)).includes("-patch"));
    stop.abort(new Error("enough"));
    await ended;
    assert.deepEqual(processesOf(folder), []);
    assert.ok(!(await readdir(folder)).includes("-patch"));
  }));
