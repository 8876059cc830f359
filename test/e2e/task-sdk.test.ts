// cutover task sdk: copies of the SDK beside a component's tasks.
import assert from "node:assert/strict";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { copyTaskSdk } from "../../src/app/copy-task-sdk.ts";
import { layFiles } from "../support/lay-files.ts";
import { withTemporaryDirectory } from "../support/temporary-directory.ts";

test("R35: a copy of the SDK that is missing, older or edited is told and replaced; a newer one stays", () =>
  withTemporaryDirectory(async (directory) => {
    layFiles(directory, { "tasks/a": `#!/bin/sh\nset -eu\n. "\${0%/*}/cutover.sh"\n` });
    const path = join(directory, "tasks/cutover.sh");
    const told = async (mode: "copy" | "check") =>
      (await copyTaskSdk({ directory, wanted: [], mode })).map(
        ({ file: name, state, written }) => `${name} ${state}${written ? " written" : ""}`,
      );
    assert.deepEqual(await told("check"), ["cutover.sh missing"]);
    assert.deepEqual(await told("copy"), ["cutover.sh missing written"]);
    assert.deepEqual(await told("check"), ["cutover.sh current"]);
    const ours = readFileSync(path, "utf8");
    const texts = {
      edited: `${ours}# mine\n`,
      older: ours.replace("SDK 1,", "SDK 0,"),
      newer: ours.replace("SDK 1,", "SDK 999,"),
    };
    for (const [state, text] of Object.entries(texts)) {
      writeFileSync(path, text);
      assert.deepEqual(await told("check"), [`cutover.sh ${state}`]);
      assert.deepEqual(await told("copy"), [`cutover.sh ${state}${state === "newer" ? "" : " written"}`]);
      assert.equal(readFileSync(path, "utf8"), state === "newer" ? text : ours);
    }
    layFiles(directory, { "fresh/component.yaml": "" });
    const fresh = join(directory, "fresh");
    await assert.rejects(copyTaskSdk({ directory: fresh, wanted: [], mode: "copy" }), { code: "usage" });
    assert.equal((await copyTaskSdk({ directory: fresh, wanted: ["cutover.sh"], mode: "copy" })).length, 1);
    assert.equal(readFileSync(join(fresh, "tasks/cutover.sh"), "utf8"), ours);
    await assert.rejects(copyTaskSdk({ directory: join(directory, "tasks/a"), wanted: [], mode: "check" }), {
      code: "usage",
    });
  }));
