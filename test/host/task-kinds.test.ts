// Backup, hooks, drain, health executables and garbage collection: tasks that act on files and run signed executables.
import assert from "node:assert/strict";
import {
  chmod,
  lstat,
  mkdir,
  readdir,
  readFile,
  readlink,
  rm,
  stat,
  symlink,
  utimes,
  writeFile,
} from "node:fs/promises";
import { createServer } from "node:http";
import { join } from "node:path";
import { describe } from "node:test";
import { type PartsHost, shells, withPartsHost } from "../support/host-parts.ts";
import { inTurn } from "../support/shells.ts";
import { deadlineComes } from "../support/trial-clock.ts";
import { until } from "../support/until.ts";

const missing = (path: string): Promise<boolean> =>
  lstat(path).then(
    () => false,
    () => true,
  );
const oddBytes = Buffer.from([0, 255, 10, 13, 37, 10]);

/** switch, confirm, commit. */
async function commit(host: PartsHost, version: string, options: Record<string, string> = {}): Promise<string> {
  await host.task("switch", "do", { version, run: `run-${version}`, session: "a" });
  await host.task("confirm", "do", { version, run: `run-${version}`, session: "b" });
  const committed = await host.task("commit", "do", { version, run: `run-${version}`, options });
  assert.equal(committed.exitCode, 0, `${committed.reason} ${committed.evidence}`);
  return committed.evidence;
}

for (const shell of shells) {
  const test = inTurn(shell.join(" "));
  const name = shell.join(" ");
  describe(name, { concurrency: 3 }, () => {
    test(`${name}: undo of a backup puts back bytes, modes and links, and removes what was not there before`, () =>
      withPartsHost(shell, async (host) => {
        const data = (path: string): string => join(host.base, "data", path);
        await mkdir(data("tree/deep dir"), { recursive: true });
        await writeFile(data("one file"), oddBytes);
        await chmod(data("one file"), 0o640);
        await writeFile(data("tree/deep dir/x"), "x");
        await symlink("deep dir/x", data("tree/link"));
        await host.install("v1", {
          contract: { "backup.0": data("one file"), "backup.1": data("tree"), "backup.2": data("not-yet") },
        });
        assert.match((await host.task("backup", "do", { version: "v1" })).evidence, /paths=3 missing=1/);
        await writeFile(data("one file"), "spoilt");
        await chmod(data("one file"), 0o777);
        await rm(data("tree"), { recursive: true });
        await writeFile(data("tree"), "a file now");
        await mkdir(data("not-yet/more"), { recursive: true });
        const restored = await host.task("backup", "undo", { version: "v1" });
        assert.match(restored.evidence, /restored=3/, restored.reason);
        assert.deepEqual(await readFile(data("one file")), oddBytes);
        assert.equal((await stat(data("one file"))).mode & 0o777, 0o640);
        assert.equal(await readFile(data("tree/deep dir/x"), "utf8"), "x");
        assert.equal(await readlink(data("tree/link")), "deep dir/x");
        assert.ok(await missing(data("not-yet")));
        assert.deepEqual(
          (await readdir(join(host.base, "data"))).sort(),
          ["one file", "tree"],
          "nothing is left beside them",
        );
        assert.match((await host.task("backup", "undo", { version: "v1", run: "other" })).evidence, /nothing-to-undo/);
      }));

    for (const how of ["undo", "deadline"] as const)
      test(`${name}: R17: a way back by ${how} puts back what the run saved, once, while nobody serves`, () =>
        withPartsHost(shell, async (host) => {
          const settings = join(host.base, "settings");
          const before = join(host.base, "not-yet");
          const contract = { "switch.strategy": "restart", "backup.0": settings, "backup.1": before };
          await host.installService("v1", {}, contract);
          await host.installService("v2", {}, contract);
          await writeFile(settings, oddBytes);
          await commit(host, "v1");
          assert.equal((await host.task("backup", "do", { version: "v2" })).exitCode, 0);
          assert.equal((await host.task("switch", "do", { version: "v2", session: "a" })).exitCode, 0);
          await writeFile(settings, "converted");
          await writeFile(before, "new");
          if (how === "undo") {
            const undone = await host.task("switch", "undo", { version: "v2", options: { reason: "failed" } });
            assert.match(undone.evidence, /restored=2[\s\S]*current=v1/, undone.reason);
          } else {
            await deadlineComes(host);
            await until("the way back", 20_000, async () => (await host.trial()) === "reverted");
          }
          assert.deepEqual(await readFile(settings), oddBytes);
          assert.ok(await missing(before), "what the new version made is gone");
          assert.equal(await host.current(), "v1");
          assert.ok(await host.pid(), "the old version serves");
          await writeFile(settings, "written since");
          await host.task("switch", "undo", { version: "v2" });
          assert.equal(await readFile(settings, "utf8"), "written since", "restored once only");
        }));

    test(`${name}: T35: a backup path outside the bases, or inside the versions, is refused in both directions`, () =>
      withPartsHost(shell, async (host) => {
        for (const path of ["/etc/passwd", join(host.base, "web/versions/v1"), join(host.state, "epoch")]) {
          await host.install("v1", { contract: { "backup.0": path } });
          const refused = await host.task("backup", "do", { version: "v1" });
          assert.equal(refused.exitCode, 77, `${path}: ${refused.reason}`);
        }
        await mkdir(join(host.base, "open"));
        await chmod(join(host.base, "open"), 0o777);
        await host.install("v1", { contract: { "backup.0": join(host.base, "open/data") } });
        const open = await host.task("backup", "do", { version: "v1" });
        assert.equal(open.reason, "unsafe-permissions", "T11: others could put a link in its way");
        await symlink("/etc", join(host.base, "out"));
        await host.install("v1", { contract: { "backup.0": join(host.base, "out/hostname") } });
        assert.equal((await host.task("backup", "do", { version: "v1" })).exitCode, 77);
      }));

    test(`${name}: hooks run signed executables with an allow-list of variables, a limit in time, and their last lines as evidence`, () =>
      withPartsHost(shell, async (host) => {
        const bundle = {
          seen: "#!/bin/sh\nenv | sort\n",
          fails: "#!/bin/sh\necho it broke; exit 7\n",
          slow: "#!/bin/sh\nexec sleep 30\n",
          out: `#!/bin/sh\necho drained >${host.base}/drained\n`,
          back: `#!/bin/sh\nrm ${host.base}/drained\n`,
        };
        const tasks = {
          "task.seen.do": "seen",
          "task.fails.do": "fails",
          "task.slow.do": "slow",
          "task.slow.seconds": "1",
          "task.drain.do": "out",
          "task.drain.undo": "back",
        };
        await host.install("v1", {
          bundle,
          contract: { ...tasks, "drain.task": "drain", "drain.seconds": "5", "env.0": "GREETING=hello there $(id)" },
        });
        const hook = (task: string, action: "do" | "undo" = "do") =>
          host.task("hook", action, { version: "v1", options: { name: task } });
        const seen = (await hook("seen")).evidence;
        const names = seen
          .split("\n")
          .filter(Boolean)
          .map((line) => line.replace(/=.*/, ""));
        const allowed = [
          "CUTOVER_ACTION",
          "CUTOVER_ADDRESS",
          "CUTOVER_COMPONENT",
          "CUTOVER_FROM",
          "CUTOVER_HOST",
          "CUTOVER_ROOT",
          "CUTOVER_RUN",
          "CUTOVER_STATE",
          "CUTOVER_TASK",
          "CUTOVER_VERSION",
          "GREETING",
          "HOME",
          "LC_ALL",
          "PATH",
          "PWD",
          "PYTHONDONTWRITEBYTECODE",
        ];
        assert.deepEqual(
          names.filter((variable) => !allowed.includes(variable)),
          [],
        );
        assert.match(seen, /^GREETING=hello there \$\(id\)$/m);
        assert.match(seen, /^CUTOVER_VERSION=v1$/m);
        const failed = await hook("fails");
        assert.deepEqual([failed.reason, failed.evidence.trim()], ["task-failed", "fails do: exit 7: it broke"]);
        assert.equal((await hook("slow")).reason, "task-timeout");
        assert.equal((await hook("other")).reason, "no-such-task");
        assert.match((await hook("seen", "undo")).evidence, /nothing-to-undo/);
        assert.equal((await host.task("drain", "do", { version: "v1" })).exitCode, 0);
        assert.equal(await readFile(join(host.base, "drained"), "utf8"), "drained\n");
        assert.equal((await host.task("drain", "undo", { version: "v1" })).exitCode, 0);
        assert.ok(await missing(join(host.base, "drained")));
      }));

    test(`${name}: a reply without an end is judged by its status, and neither kept nor waited for`, () =>
      withPartsHost(shell, async (host) => {
        const server = createServer((_request, reply) => {
          const more = (): void => {
            while (!reply.destroyed && reply.write(Buffer.alloc(65_536, "x")));
          };
          reply.on("drain", more).on("error", () => {});
          more();
        }).listen(host.port, "127.0.0.1");
        try {
          const check = { "health.0.kind": "http", "health.0.url": `http://127.0.0.1:${host.port}/` };
          await host.install("v1", { contract: check });
          const whole = await readFile(host.script, "utf8");
          const patient = whole.replace(
            '[ "$http_limit_" -le 10 ] || http_limit_=10',
            '[ "$http_limit_" -le 50 ] || http_limit_=50',
          );
          assert.notEqual(patient, whole);
          await writeFile(host.script, patient);
          const began = performance.now();
          const { evidence } = await host.task("health", "do", { version: "v1" });
          assert.match(evidence, /healthy: http 1 samples, 0 failed/);
          assert.ok(performance.now() - began < 40_000, "the client's whole time was waited for");
        } finally {
          server.close();
          server.closeAllConnections();
        }
      }));

    test(`${name}: who was waited for and then answers badly is judged by his answer alone`, () =>
      withPartsHost(shell, async (host) => {
        let asked = 0;
        const server = createServer((request, reply) => {
          asked += 1;
          if (asked === 1) request.socket.destroy();
          else reply.writeHead(404).end("not here");
        }).listen(host.port, "127.0.0.1");
        try {
          const check = { "health.0.kind": "http", "health.0.url": `http://127.0.0.1:${host.port}/` };
          await host.install("v1", { contract: check });
          const { reason, evidence } = await host.task("health", "do", { version: "v1" });
          assert.equal(reason, "unhealthy");
          assert.match(evidence, /1 of 1 samples failed, 0 allowed in 1; \[404 /);
          assert.ok(asked > 1, "nobody was waited for");
        } finally {
          server.close();
        }
      }));

    test(`${name}: a health executable judges by its exit code`, () =>
      withPartsHost(shell, async (host) => {
        const contract = {
          "health.0.kind": "executable",
          "health.0.task": "judge",
          "health.0.within-seconds": "5",
          "task.judge.do": "judge",
        };
        await host.install("v1", { bundle: { judge: "#!/bin/sh\nexit 0\n" }, contract });
        await host.install("v2", { bundle: { judge: "#!/bin/sh\necho queue is stuck; exit 1\n" }, contract });
        assert.match((await host.task("health", "do", { version: "v1" })).evidence, /executable judge passed/);
        const sick = await host.task("health", "do", { version: "v2" });
        assert.equal(sick.reason, "unhealthy");
        assert.match(sick.evidence, /queue is stuck/);
      }));

    test(`${name}: P4, F27: commit keeps current, the version before it and what is offered, removes older ones, and raises the floor when asked`, () =>
      withPartsHost(shell, async (host) => {
        const bundle = (version: string) => ({ note: `#!/bin/sh\necho ${version}\n` });
        for (const version of ["v1", "v2", "v3"]) {
          await host.install(version, { bundle: bundle(version), contract: { floor: "1" } });
          await utimes(
            join(host.state, "offers/web", version),
            new Date(),
            new Date(Date.now() - 60_000 * (9 - Number(version[1]))),
          );
        }
        await host.install("v4", { contract: { sequence: "2", floor: "2" } });
        await commit(host, "v1");
        assert.match(await commit(host, "v2"), /removed=0/);
        assert.match(await commit(host, "v3"), /removed=1/);
        assert.deepEqual((await readdir(join(host.base, "web/versions"))).sort(), ["v2", "v3", "v4"]);
        assert.deepEqual((await readdir(join(host.state, "components/web/releases"))).sort(), ["v2", "v3", "v4"]);
        assert.equal((await readdir(join(host.state, "bundles"))).length, 2);
        await commit(host, "v4", { floor: "raise" });
        assert.equal(await readFile(join(host.state, "components/web/floor"), "utf8"), "2\n");
        assert.equal((await host.task("switch", "do", { version: "v3", run: "back" })).reason, "below-floor");
      }));
  });
}
