// cutover task test stops tasks: at each of their lines, as a kill there would, and with whoever stops the test.
import assert from "node:assert/strict";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { readSdk } from "../../src/host/read-sdk.ts";
import { withScratch } from "../../src/lab/task-test/scratch.ts";
import { taskEnvironment } from "../../src/lab/task-test/task-environment.ts";
import { testTasks } from "../../src/lab/task-test/test-tasks.ts";
import { runTraced, traceable } from "../../src/lab/task-test/trace.ts";
import { readTree, type TreeState } from "../../src/lab/task-test/tree-state.ts";
import { Component } from "../../src/model/component.ts";
import { layFiles } from "../support/lay-files.ts";
import { alive } from "../support/live-processes.ts";
import { withTemporaryDirectory } from "../support/temporary-directory.ts";
import { until } from "../support/until.ts";

const signal = new AbortController().signal;
const head = `#!/bin/sh\nset -eu\n. "\${0%/*}/cutover.sh"\n`;

test("R35: what is looked at after each line is what a kill there leaves", () =>
  withTemporaryDirectory(async (directory) => {
    layFiles(directory, {
      "before/etc/app.conf": "port=80\n",
      "tasks/do": `${head}cutover_edit /etc/app.conf port 90\n(cutover_write_file /etc/new <"$0")\ncutover_remove /etc/app.conf\n`,
      "tasks/cutover.sh": readSdk("cutover.sh"),
    });
    await withScratch(
      { before: join(directory, "before"), bundleDirectory: join(directory, "tasks") },
      async (scratch) => {
        const component = Component.parse({
          apiVersion: "cutover/v1",
          kind: "Component",
          name: "app",
          root: "/srv/app",
        });
        const given = { component, task: "a", action: "do" as const, programs: undefined, facts: {} };
        const script = traceable(`${scratch.bundle}/do`, undefined);
        assert.ok(script.kind === "argv");
        const task = {
          argv: script.argv,
          env: taskEnvironment(given, scratch),
          timeoutMs: 30_000,
          own: scratch.own,
          signal,
        };
        const kept = (): TreeState => new Map([...readTree(scratch.root), ...readTree(scratch.state)]);
        const seen: TreeState[] = [];
        let last = "";
        const lines: number[] = [];
        const whole = await runTraced(task, (line) => {
          const now = scratch.fingerprint();
          if (now !== last) {
            seen.push(kept());
            lines.push(line);
          }
          last = now;
          return "go-on";
        });
        assert.equal(whole.exitCode, 0, whole.said);
        assert.ok(lines.length > 15, `${lines.length} states`);
        for (const index of [1, 5, 9, 13]) {
          scratch.reset();
          const killed = await runTraced(task, (line) => (line === lines[index] ? "kill" : "go-on"));
          assert.equal(killed.exitCode, 137);
          assert.deepEqual(kept(), seen[index], `killed before line ${lines[index]}`);
        }
      },
    );
  }));

test("stopping the test ends the task that runs, with what it started, and leaves nothing behind", () =>
  withTemporaryDirectory(async (directory) => {
    layFiles(directory, {
      "component.yaml":
        "apiVersion: cutover/v1\nkind: Component\nname: app\nroot: /srv/app\ntasks:\n  - { name: a, do: a }\n",
      "tasks/a": `#!/bin/sh\nsleep 600 &\necho $! $CUTOVER_STATE >${directory}/begun.new\nmv ${directory}/begun.new ${directory}/begun\nwait\n`,
      "tests/a/after/x": "",
    });
    const stop = new AbortController();
    const testing = testTasks({ directory, tasks: [], shell: undefined, signal: stop.signal });
    const begun = join(directory, "begun");
    await until("the task to begin", 20_000, async () => existsSync(begun));
    stop.abort(new Error("enough"));
    await assert.rejects(testing, /enough/);
    const [pid, state = ""] = readFileSync(begun, "utf8").trim().split(" ");
    await until("its child to end", 5_000, async () => !(await alive(Number(pid))));
    assert.equal(existsSync(state), false);
  }));
