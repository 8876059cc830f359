// `cutover task test` knows what a backup task is for: what a version makes of the data in between has to be undone (R17, R35).
import assert from "node:assert/strict";
import { mkdir, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { test } from "node:test";
import { stringify } from "yaml";
import { testTasks } from "../../src/lab/task-test/test-tasks.ts";
import { withTemporaryDirectory } from "../support/temporary-directory.ts";

const component = {
  apiVersion: "cutover/v1",
  kind: "Component",
  name: "database",
  root: "/srv/database",
  backupTask: "save",
  tasks: [{ name: "save", do: "dump", undo: "load" }],
};
const fixture = {
  "tests/save/before/var/rows": "of 1\n",
  "tests/save/after/var/rows": "of 2\n",
  "tests/save/after/var/index": "x\n",
};
const dump =
  '#!/bin/sh\nset -eu\ncat /proc/uptime >"$CUTOVER_MOMENT"\ncp -p "$CUTOVER_PREFIX/var/rows" "$CUTOVER_BACKUP/rows.new"\nmv "$CUTOVER_BACKUP/rows.new" "$CUTOVER_BACKUP/rows"\n';
const load =
  '#!/bin/sh\nset -e\ncp -p "$CUTOVER_BACKUP/rows" "$CUTOVER_PREFIX/var/rows.new"\nmv "$CUTOVER_PREFIX/var/rows.new" "$CUTOVER_PREFIX/var/rows"\nrm -f "$CUTOVER_PREFIX/var/index"\nchmod 0750 "$CUTOVER_PREFIX/var"\n';

/** Checks that failed, each with its first line. */
async function failed(scripts: { readonly dump: string; readonly load: string }): Promise<string[]> {
  return withTemporaryDirectory(async (directory) => {
    const tasks = Object.entries(scripts).map(([name, text]) => [`tasks/${name}`, text] as const);
    for (const [path, text] of [
      ...Object.entries(fixture),
      ...tasks,
      ["component.yaml", stringify(component)] as const,
    ]) {
      await mkdir(dirname(join(directory, path)), { recursive: true });
      await writeFile(join(directory, path), text, { mode: path.startsWith("tasks/") ? 0o755 : 0o644 });
    }
    const { cases } = await testTasks({ directory, tasks: [], shell: undefined, signal: AbortSignal.timeout(60_000) });
    assert.equal(cases.length, 1);
    return cases.flatMap(({ checks }) =>
      checks.flatMap(({ check, outcome, detail }) => (outcome === "failed" ? [`${check}: ${detail[0]}`] : [])),
    );
  });
}

test("R17, R35: a backup task is tested alone: taken, spoilt by a version, put back; also when either was killed at any line", async () => {
  assert.deepEqual(await failed({ dump, load }), []);
});

test("R17: tasks that save nothing, put back half of it, or touch the data while saving are found out", async () => {
  const nothing = "#!/bin/sh\n:\n";
  assert.match((await failed({ dump: nothing, load: nothing })).join("\n"), /^undo: after undo/m);
  const half = load.replace('rm -f "$CUTOVER_PREFIX/var/index"\n', "");
  assert.match((await failed({ dump, load: half })).join("\n"), /^undo: after undo/m);
  const touches = `${dump}echo saved >>"$CUTOVER_PREFIX/var/rows"\n`;
  assert.match((await failed({ dump: touches, load })).join("\n"), /^do: after do/m);
});
