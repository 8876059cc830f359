// Every call of the SDK in one task, through `cutover task test`: killed at every line of do and undo, and then done or undone.
import assert from "node:assert/strict";
import { join } from "node:path";
import { test } from "node:test";
import { copyTaskSdk } from "../../src/app/copy-task-sdk.ts";
import { testTasks } from "../../src/lab/task-test/test-tasks.ts";
import { isFull } from "../support/full-form.ts";
import { shells } from "../support/host-parts.ts";
import { layFiles } from "../support/lay-files.ts";
import { withTemporaryDirectory } from "../support/temporary-directory.ts";

const component = `apiVersion: cutover/v1
kind: Component
name: app
root: /srv/app
tasks:
  - { name: in-sh, do: in-sh, undo: cutover.sh, dryRun: true }
  - { name: in-python, do: in-python, undo: cutover.py, dryRun: true }
  - { name: by-hand, do: by-hand, undo: by-hand }
`;
const inShell = `#!/bin/sh
set -eu
. "\${0%/*}/cutover.sh"
cutover_stop app.service
cutover_edit /etc/app.conf workers "$(($(cutover_get /etc/app.conf threads) * 2))"
cutover_unset /etc/app.conf threads
cutover_make_dir /data/new
if source=$(cutover_original /data/old/rows); then sed 's/,/;/' "$source" | cutover_write_file /data/new/rows; fi
cutover_remove /data/old
cutover_start app.service
`;
const inPython = `#!/usr/bin/env python3
import cutover
cutover.stop("app.service")
cutover.edit("/etc/app.conf", "workers", int(cutover.get("/etc/app.conf", "threads")) * 2)
cutover.unset("/etc/app.conf", "threads")
cutover.make_dir("/data/new")
rows = cutover.original("/data/old/rows")
cutover.write_file("/data/new/rows", open(rows).read().replace(",", ";", 1) if rows else "")
cutover.remove("/data/old")
cutover.start("app.service")
`;
// One executable for both, with a tool that knows nothing of journals; it appends, which done twice would be seen.
const byHand = `#!/bin/sh
set -eu
. "\${0%/*}/cutover.sh"
[ "$(cutover_fact action)" = do ] || { cutover_undo; exit; }
log() { echo "$1" >>"$(cutover_path /data/log)"; }
append() { cp "$(cutover_original /data/log)" "$(cutover_path /data/log)"; log first; }
cutover_keep /data/log
cutover_once append append
`;

const before = { "etc/app.conf": "threads=4\n", "data/old/rows": "a,b\n", "data/log": "start\n" };
const converted = { "etc/app.conf": "workers=8\n", "data/new/rows": "a;b\n", "data/log": "start\n" };

// Python keeps the same journal, and the example component has a task in it that is tested the same way.
const asked = isFull ? shells : shells.slice(0, 1);
for (const shell of asked) {
  test(`${shell.join(" ")}${isFull ? " and python3" : ""}: R35: a task that uses every call ends the same after a kill at any of its lines, and goes back exactly`, () =>
    withTemporaryDirectory(async (directory) => {
      layFiles(directory, {
        "component.yaml": component,
        "tasks/in-sh": inShell,
        "tasks/in-python": inPython,
        "tasks/by-hand": byHand,
      });
      for (const task of ["in-sh", "in-python"]) {
        layFiles(join(directory, "tests", task, "before"), before);
        layFiles(join(directory, "tests", task, "after"), converted);
      }
      layFiles(join(directory, "tests/by-hand/before"), before);
      layFiles(join(directory, "tests/by-hand/after"), { ...before, "data/log": "start\nfirst\n" });
      await copyTaskSdk({ directory, wanted: [], mode: "copy" });
      const { cases, passed } = await testTasks({
        directory,
        tasks: isFull ? [] : ["in-sh", "by-hand"],
        shell,
        signal: new AbortController().signal,
      });
      const failed = cases.flatMap(({ task, checks }) =>
        checks.filter(({ outcome }) => outcome === "failed").map(({ check, detail }) => ({ task, check, detail })),
      );
      assert.deepEqual(failed, []);
      assert.ok(passed);
      const states = cases.map(({ checks }) => checks.find(({ check }) => check === "killed")?.states ?? 0);
      assert.ok(Math.min(...states) >= 8 && Math.max(...states) >= 40, `different states: ${states}`);
    }));
}
