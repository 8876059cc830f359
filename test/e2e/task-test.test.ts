// cutover task test: on the tasks of the example component, and on tasks that are wrong in every way that counts.
import assert from "node:assert/strict";
import { join } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { copyTaskSdk } from "../../src/app/copy-task-sdk.ts";
import { readComponent } from "../../src/app/read-component.ts";
import { testTasks } from "../../src/lab/task-test/test-tasks.ts";
import { layFiles } from "../support/lay-files.ts";
import { withTemporaryDirectory } from "../support/temporary-directory.ts";

const orders = fileURLToPath(new URL("../../deploy/components/orders/", import.meta.url));
const signal = new AbortController().signal;

test("R35: every task of the example has do, undo and a test that passes alone, killed at every line, with the current SDK", async () => {
  const result = await testTasks({ directory: orders, tasks: [], shell: undefined, signal });
  assert.deepEqual(
    result.cases.flatMap(({ task, case: name, checks }) =>
      checks.filter(({ outcome }) => outcome === "failed").map((check) => ({ task, name, check })),
    ),
    [],
  );
  assert.deepEqual(result.untested, ["answers"], "a health check needs the service");
  assert.deepEqual(
    result.sdk.map(({ file, state }) => [file, state]),
    [
      ["cutover.sh", "current"],
      ["cutover.py", "current"],
    ],
  );
  for (const { task, case: name, checks } of result.cases.filter(({ checks }) => checks.length > 2)) {
    const killed = checks.find(({ check }) => check === "killed");
    assert.ok((killed?.lines ?? 0) > 100 && (killed?.states ?? 0) > 10, `${task} ${name} was stopped at its lines`);
    assert.equal(checks.find(({ check }) => check === "dry-run")?.outcome, "passed");
  }
});

test("a path that is not there is named whole, with what is looked for: the reader stands elsewhere than he thinks", () =>
  withTemporaryDirectory(async (directory) => {
    const run = (path: string) => testTasks({ directory: path, tasks: [], shell: undefined, signal });
    const next = "cutover task test DIR: the directory that holds the component's component.yaml, tasks/ and tests/";
    const refused = (message: string) => ({ code: "usage", message, remedy: next });
    await assert.rejects(run(join(directory, "orders")), refused(`There is no directory ${join(directory, "orders")}`));
    await assert.rejects(run(directory), refused(`The directory ${directory} holds no component.yaml`));
    layFiles(directory, { "component.yaml": "" });
    const file = join(directory, "component.yaml");
    await assert.rejects(run(file), refused(`${file} is no directory`));
    await assert.rejects(readComponent(join(directory, "gone.yaml")), {
      message: `There is no file ${join(directory, "gone.yaml")}`,
    });
  }));

const head = `#!/bin/sh\nset -eu\n. "\${0%/*}/cutover.sh"\n`;
const file = '"$(cutover_path /etc/app.conf)"';

/** A task that is wrong, the first check that finds it, and what it says. */
const wrong: readonly (readonly [why: string, task: { do: string; undo?: string }, check: string, said: RegExp])[] = [
  ["ends with an error", { do: `${head}exit 3\n` }, "do", /do ended with 3/],
  [
    "makes something else",
    { do: `${head}cutover_edit /etc/app.conf port 91\n` },
    "do",
    /app\.conf line 1 is "port=91", not "port=90"/,
  ],
  [
    "leaves something beside it",
    { do: `${head}cutover_edit /etc/app.conf port 90\ncutover_write_file /etc/left </dev/null\n` },
    "do",
    /etc\/left should not be there/,
  ],
  [
    "does more when it is done twice",
    {
      do: `${head}case $(cat ${file}) in *80*) echo port=90 ;; *) echo more ;; esac >"$CUTOVER_STATE/new"; cat "$CUTOVER_STATE/new" >${file}\n`,
    },
    "twice",
    /"more"/,
  ],
  [
    "has an undo that forgets the mode",
    {
      do: `${head}cutover_edit /etc/app.conf port 90\n`,
      undo: `${head}echo port=80 >${file}.new; mv ${file}.new ${file}\n`,
    },
    "undo",
    /mode 600, not 640/,
  ],
  [
    "has an undo that cannot be repeated",
    {
      do: `${head}cp -p ${file} "$CUTOVER_STATE/was"; cutover_edit /etc/app.conf port 90\n`,
      undo: `${head}mv "$CUTOVER_STATE/was" ${file}\n`,
    },
    "undo",
    /undo ended with 1/,
  ],
  [
    "writes in place",
    { do: `${head}: >${file}; sleep 0; echo port=90 >>${file}; cutover_keep /etc/app.conf\n`, undo: "cutover.sh" },
    "undo",
    /is "port=90", not "port=80"/,
  ],
  [
    "changes before it keeps",
    {
      do: `${head}line=$(cat ${file})\n: >${file}\necho "$line" >"$CUTOVER_STATE/was"\necho port=90 >${file}\n`,
      undo: `${head}[ ! -e "$CUTOVER_STATE/was" ] || cat "$CUTOVER_STATE/was" >${file}\n`,
    },
    "killed",
    /after do was killed before line \d+ of the \d+ that it ran, and undone/,
  ],
  [
    "cannot go on after a kill",
    {
      do: `${head}! [ -e "$CUTOVER_STATE/begun" ] || [ -e "$CUTOVER_STATE/ended" ]\n: >"$CUTOVER_STATE/begun"\ncutover_edit /etc/app.conf port 90\n: >"$CUTOVER_STATE/ended"\n`,
    },
    "killed",
    /do ended with 1 after do was killed/,
  ],
  [
    "leaves a unit stopped",
    {
      do: `${head}cutover_stop app.service\ncutover_edit /etc/app.conf port 90\n`,
      undo: `${head}cutover_undo_edits\n`,
    },
    "undo",
    /unit app\.service should not be there/,
  ],
  [
    "changes things in a dry run",
    { do: `${head}cutover_keep /etc/app.conf; echo port=90 >${file}\n`, undo: "cutover.sh" },
    "dry-run",
    /after a dry run of do/,
  ],
];

test("R35: a task that is wrong is found out by the first check that it cannot pass, and says how", () =>
  withTemporaryDirectory(async (directory) => {
    const names = wrong.map((_, index) => `task-${index}`);
    const entries = wrong.map(
      ([, task], index) =>
        `  - { name: task-${index}, do: do-${index}${task.undo === undefined ? "" : `, undo: ${task.undo === "cutover.sh" ? task.undo : `undo-${index}`}`}, dryRun: true }\n`,
    );
    layFiles(directory, {
      "component.yaml": `apiVersion: cutover/v1\nkind: Component\nname: app\nroot: /srv/app\ntasks:\n${entries.join("")}`,
    });
    for (const [index, [, task]] of wrong.entries()) {
      layFiles(directory, {
        [`tasks/do-${index}`]: task.do,
        [`tests/task-${index}/before/etc/app.conf`]: "port=80\n",
        [`tests/task-${index}/after/etc/app.conf`]: "port=90\n",
      });
      if (task.undo !== undefined && task.undo !== "cutover.sh")
        layFiles(directory, { [`tasks/undo-${index}`]: task.undo });
    }
    await copyTaskSdk({ directory, wanted: [], mode: "copy" });
    const { cases, passed } = await testTasks({ directory, tasks: [], shell: undefined, signal });
    assert.equal(passed, false);
    assert.deepEqual(
      cases.map(({ task }) => task),
      names,
    );
    for (const [index, [why, , check, said]] of wrong.entries()) {
      const failed = cases[index]?.checks.find(({ outcome }) => outcome === "failed");
      assert.equal(failed?.check, check, `${why}: ${JSON.stringify(cases[index]?.checks)}`);
      assert.match(failed?.detail.join("\n") ?? "", said, why);
    }
  }));

test("R35: half a case, a test of no task and an unknown task are refused, not skipped", () =>
  withTemporaryDirectory(async (directory) => {
    const lay = (files: Record<string, string>): void => layFiles(directory, files);
    const run = (...tasks: string[]) => testTasks({ directory, tasks, shell: undefined, signal });
    lay({
      "component.yaml":
        "apiVersion: cutover/v1\nkind: Component\nname: app\nroot: /srv/app\ntasks:\n  - { name: a, do: a }\n",
      "tasks/a": head,
    });
    await assert.rejects(run("b"), /app has no task b; it has a/);
    lay({ "tests/a/before/x": "" });
    await assert.rejects(run(), /needs either after\/, or a file fails/);
    lay({ "tests/a/after/x": "", "tests/c/after/x": "" });
    await assert.rejects(run(), /is named after no task of app/);
  }));

test("R35: programs of tests/bin stand in for those of the machine, env is the case's own, and what cannot be stopped at a line says so", () =>
  withTemporaryDirectory(async (directory) => {
    layFiles(directory, {
      "component.yaml":
        "apiVersion: cutover/v1\nkind: Component\nname: app\nroot: /srv/app\nenv: { GREETING: hello }\ntasks:\n  - { name: a, do: a }\n  - { name: b, do: b }\n",
      "tasks/a": `${head}pg_dump | cutover_write_file /dump\n`,
      "tests/bin/pg_dump": '#!/bin/sh\necho "dump of $CUTOVER_FROM, $GREETING"\n',
      "tests/a/one/env": "# the oldest\nCUTOVER_FROM=0.9\nGREETING=good bye\n",
      "tests/a/one/after/dump": "dump of 0.9, good bye\n",
      "tests/a/two/after/dump": "dump of 1.0.0, hello\n",
      "tasks/b": '#!/usr/bin/awk -f\nBEGIN { print "x" >(ENVIRON["CUTOVER_PREFIX"] "/made") }\n',
      "tests/b/after/made": "x\n",
    });
    await copyTaskSdk({ directory, wanted: [], mode: "copy" });
    const { cases, passed } = await testTasks({ directory, tasks: [], shell: undefined, signal });
    assert.ok(passed, JSON.stringify(cases));
    assert.deepEqual(
      cases.map((each) => [each.task, each.case]),
      [
        ["a", "one"],
        ["a", "two"],
        ["b", ""],
      ],
    );
    assert.deepEqual(
      cases[2]?.checks.find(({ check }) => check === "killed"),
      { check: "killed", outcome: "skipped", detail: ["awk cannot be stopped at a line"] },
    );
  }));
