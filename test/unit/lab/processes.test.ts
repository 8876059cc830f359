// Whom a lab ends: a process and what came of it, and never those of another that has its id by now.
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { test } from "node:test";
import { findProcess, treeOf } from "../../../src/lab/processes.ts";

test("what came of a process that is gone is nothing, also when another has its id, with children of its own", async () => {
  const child = spawn("sleep", ["600"], { stdio: "ignore" });
  const ended = once(child, "exit");
  try {
    await once(child, "spawn");
    const self = findProcess(process.pid);
    assert.ok(self);
    const pids = treeOf(self).map(({ pid }) => pid);
    assert.ok(pids.includes(process.pid) && pids.includes(child.pid ?? 0), "its own, while it lives");
    assert.deepEqual(treeOf({ pid: self.pid, startTime: "1" }), []);
    assert.deepEqual(treeOf(undefined), []);
  } finally {
    child.kill("SIGKILL");
    await ended;
  }
});
