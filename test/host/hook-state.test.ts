// What a hook is given beside the contract's environment: a place of its own that its undo finds again, and the wish to only say what it would do.
import assert from "node:assert/strict";
import { appendFile, lstat, mkdir, readdir, readFile, stat, utimes, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe } from "node:test";
import { readSdk } from "../../src/host/read-sdk.ts";
import { shells, withPartsHost } from "../support/host-parts.ts";
import { inTurn } from "../support/shells.ts";

const missing = (path: string): Promise<boolean> =>
  lstat(path).then(
    () => false,
    () => true,
  );

for (const shell of shells) {
  const test = inTurn(shell.join(" "));
  const name = shell.join(" ");
  describe(name, { concurrency: 3 }, () => {
    test(`${name}: R35: a task finds what it kept again in the undo of the same run, and nobody else does, until a later commit`, () =>
      withPartsHost(shell, async (host) => {
        const keeps = '#!/bin/sh\nls "$CUTOVER_STATE"\necho "$CUTOVER_ACTION" >"$CUTOVER_STATE/$CUTOVER_TASK"\n';
        const tasks = ["one", "two"].flatMap((task) => [
          [`task.${task}.do`, "keeps"],
          [`task.${task}.undo`, "keeps"],
        ]);
        for (const version of ["v1", "v2"])
          await host.install(version, { bundle: { keeps }, contract: Object.fromEntries(tasks) });
        const found = async (
          task: string,
          action: "do" | "undo",
          run: string,
          options: Record<string, string> = {},
        ): Promise<string> => {
          const call = { version: "v1", run, options: { name: task, ...options } };
          const { exitCode, evidence } = await host.task("hook", action, call);
          assert.equal(exitCode, 0, evidence);
          return evidence.trim();
        };
        assert.equal(await found("one", "do", "r1"), "");
        assert.equal(await found("two", "do", "r1"), "", "another task");
        assert.equal(await found("one", "do", "r2"), "", "another run");
        assert.equal(await found("one", "undo", "r1"), "one");
        assert.equal(await found("two", "undo", "r3", { "trial-run": "r1" }), "two", "a run that takes r1 back");
        const kept = join(host.state, "components/web/tasks");
        assert.equal(await readFile(join(kept, "r1/one/one"), "utf8"), "undo\n");
        for (const path of [kept, join(kept, "r1"), join(kept, "r1/one")])
          assert.equal((await stat(path)).mode & 0o777, 0o700, path);
        const old = new Date(Date.now() - 2 * 3_600_000);
        await utimes(join(kept, "r1"), old, old);
        for (const [kind, session] of [
          ["switch", "a"],
          ["confirm", "b"],
          ["commit", "b"],
        ] as const)
          assert.equal((await host.task(kind, "do", { version: "v2", run: "r9", session })).exitCode, 0, kind);
        assert.deepEqual((await readdir(kept)).sort(), ["r2"], "what is older than an hour went with the commit");
      }));

    test(`${name}: R32: only a task whose contract says that it can is asked to say what it would do`, () =>
      withPartsHost(shell, async (host) => {
        const bundle = {
          acts: `#!/bin/sh\necho "dry=$CUTOVER_DRY_RUN"\n[ "$CUTOVER_DRY_RUN" ] || echo x >${host.base}/acted\n`,
        };
        const contract = {
          "task.can.do": "acts",
          "task.can.undo": "acts",
          "task.can.dry-run": "yes",
          "task.cannot.do": "acts",
        };
        await host.install("v1", { bundle, contract: { ...contract, "task.cannot.undo": "acts" } });
        for (const action of ["do", "undo"] as const) {
          const asked = (name: string) =>
            host.task("hook", action, { version: "v1", options: { name, "dry-run": "yes" } });
          assert.equal((await asked("cannot")).reason, "no-dry-run");
          assert.equal((await asked("can")).evidence, "dry=1\n");
          assert.ok(await missing(join(host.base, "acted")));
        }
        assert.equal((await host.task("hook", "do", { version: "v1", options: { name: "can" } })).exitCode, 0);
        assert.equal(await readFile(join(host.base, "acted"), "utf8"), "x\n");
      }));

    test(`${name}: R35: on a host, too, the SDK is the whole undo of a task that edits through it, also of one that failed half-way`, () =>
      withPartsHost(shell, async (host) => {
        const settings = join(host.base, "app.conf");
        await writeFile(settings, "threads=4\n", { mode: 0o640 });
        const edits = `#!/bin/sh
set -eu
. "\${0%/*}/cutover.sh"
cutover_progress 1 2 "edit"
cutover_edit ${settings} workers "$(cutover_get ${settings} threads)"
[ "$(cutover_fact version)" = v1 ] || cutover_fail "no place for $(cutover_fact from)"
`;
        const tasks = { "task.convert.do": "edits", "task.convert.undo": "cutover.sh" };
        for (const version of ["v1", "v2"])
          await host.install(version, { bundle: { edits, "cutover.sh": readSdk("cutover.sh") }, contract: tasks });
        const hook = (version: string, action: "do" | "undo") =>
          host.task("hook", action, { version, run: `run-${version}`, options: { name: "convert" } });
        const done = await hook("v1", "do");
        assert.equal(done.evidence, `progress 1/2 edit\nset workers in ${settings}\n`, done.reason);
        assert.equal(await readFile(settings, "utf8"), "threads=4\nworkers=4\n");
        assert.equal((await hook("v2", "undo")).exitCode, 0, "another run has nothing to undo");
        assert.equal(await readFile(settings, "utf8"), "threads=4\nworkers=4\n");
        assert.equal((await hook("v1", "undo")).evidence, `put back ${settings}\n`);
        assert.equal(await readFile(settings, "utf8"), "threads=4\n");
        const failed = await hook("v2", "do");
        assert.match(failed.evidence, /convert do: exit 1: .*\n?.*\n?.*cutover: no place for/);
        assert.equal((await hook("v2", "undo")).exitCode, 0);
        assert.equal(await readFile(settings, "utf8"), "threads=4\n");
        assert.equal((await stat(settings)).mode & 0o777, 0o640);
      }));

    test(`${name}: in a lab whose host is a directory, paths that a task names lie below it, as those of its contract do`, () =>
      withPartsHost(shell, async (host) => {
        await appendFile(join(host.state, "enrolment"), `prefix ${host.base}\n`);
        await mkdir(join(host.base, "etc"));
        const makes = `#!/bin/sh\nset -eu\n. "\${0%/*}/cutover.sh"\necho "$CUTOVER_ROOT" | cutover_write_file /etc/made\n`;
        const contract = { root: "/web", "task.make.do": "makes", "task.make.undo": "cutover.sh" };
        await host.install("v1", { bundle: { makes, "cutover.sh": readSdk("cutover.sh") }, contract });
        const call = { version: "v1", options: { name: "make" } };
        const done = await host.task("hook", "do", call);
        assert.equal(done.exitCode, 0, done.evidence);
        assert.equal(await readFile(join(host.base, "etc/made"), "utf8"), `${host.base}/web\n`);
        assert.equal((await host.task("hook", "undo", call)).exitCode, 0);
        assert.ok(await missing(join(host.base, "etc/made")));
      }));
  });
}
