// Manager process: the log of a service that is never started cold, because each version hands over to the next, does not fill the disk.
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { appendFile, mkdir, readFile, stat, symlink, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { type PartsHost, shells, withPartsHost } from "../support/host-parts.ts";
import { alive } from "../support/live-processes.ts";
import { commit, switchTo, undo } from "../support/parts-steps.ts";
import { inTurn } from "../support/shells.ts";

const most = 16 * 1024 * 1024;
const pathOf = (host: PartsHost): string => join(host.state, "components/web/log");
const sizeOf = async (path: string): Promise<number> => (await stat(path)).size;

/** As if the running version had written that much, and then one line. */
async function fill(host: PartsHost): Promise<void> {
  await appendFile(pathOf(host), `${"x".repeat(99)}\n`.repeat(most / 100 + 1000));
  await appendFile(pathOf(host), "the last line\n");
}

for (const shell of shells) {
  const test = inTurn(shell.join(" "));
  const name = shell.join(" ");
  test(`${name}: a long log is cut at the next hand-over to its last 16 MiB, in log.1, and who writes it goes on in an empty one`, () =>
    withPartsHost(shell, async (host) => {
      for (const version of ["v1", "v2"]) await host.installService(version);
      await commit(host, "v1");
      await fill(host);
      await commit(host, "v2");
      assert.match(await readFile(pathOf(host), "utf8"), /^version v2 serves as \d+\n$/);
      const cut = await readFile(`${pathOf(host)}.1`, "utf8");
      assert.equal(cut.length, most);
      assert.match(cut.slice(-100), /x\nthe last line\n$/);
      await appendFile(pathOf(host), "short\n");
      assert.equal((await switchTo(host, "v1")).exitCode, 0);
      await undo(host, "v1");
      assert.match(await readFile(pathOf(host), "utf8"), /^version v2 .*\nshort\nversion v1 .*\nversion v2 .*\n$/);
    }));

  test(`${name}: the evidence of a switch is what was logged since it began; where that is nothing, what came before is marked`, () =>
    withPartsHost(shell, async (host) => {
      await host.installService("v1");
      await host.installService("v2", { crashBeforeReady: true });
      await host.installService("v3", { neverReady: true }, { "switch.ready-seconds": "2" });
      await commit(host, "v1");
      await appendFile(pathOf(host), "what v1 said long ago\n");
      const crashed = (await switchTo(host, "v2")).evidence;
      assert.match(crashed, /version v2 crashes before it is ready/);
      assert.doesNotMatch(crashed, /serves as|long ago/);
      await undo(host, "v2");
      const silent = (await switchTo(host, "v3")).evidence;
      assert.match(silent, /\nnothing logged since the switch or the last start; before it:\n[\s\S]*long ago/);
      await undo(host, "v3");
    }));

  test(`${name}: a pid file whose line has no end names the main process, too`, () =>
    withPartsHost(shell, async (host) => {
      const contract = { manager: "process", "switch.strategy": "restart", "switch.start": "start" };
      const start = '#!/bin/sh\nprintf %s $$ >"$CUTOVER_PID_FILE"\nexec sleep 600\n';
      await host.install("v1", { contract, tree: { start } });
      await commit(host, "v1");
      assert.match((await host.word("call", "eval", "T_COMPONENT=web; load_contract web v1; manager_facts web v1")).stdout, /^active yes\npid \d+$/m); // biome-ignore format: one line
    }));

  test(`${name}: a look at the host cuts a long log, too, but not while somebody works on the component`, () =>
    withPartsHost(shell, async (host) => {
      await host.installService("v1");
      await commit(host, "v1");
      const looks = async () =>
        assert.match(
          (await host.word("call", "eval", 'data() { echo "$*"; }; RUNNING=; probe_component web')).stdout,
          /^component\.web\.active yes$/m,
        );
      await looks();
      assert.match(await readFile(pathOf(host), "utf8"), /^version v1 serves as \d+\n$/);
      await fill(host);
      const worker = spawn("flock", [join(dirname(pathOf(host)), "lock"), "sh", "-c", "echo; cat"]);
      await once(worker.stdout, "data");
      await looks();
      assert.ok((await sizeOf(pathOf(host))) > most);
      worker.stdin.end();
      await once(worker, "exit");
      await looks();
      assert.equal(await sizeOf(pathOf(host)), 0);
      assert.equal(await sizeOf(`${pathOf(host)}.1`), most);
      assert.ok(await alive((await host.pid()) ?? 0));
    }));

  test(`${name}: with little room on the disk less of a long log is kept, by a look and by a switch: who serves needs that room`, () =>
    withPartsHost(shell, async (host) => {
      for (const version of ["v1", "v2"]) await host.installService(version);
      await commit(host, "v1");
      const whole = await readFile(host.script, "utf8");
      await writeFile(
        host.script,
        whole.replace("\nfree_mb() {", (head) => `${head} FREE_MB=31; return;`),
      );
      const cuts = [
        () => host.word("call", "eval", "data() { :; }; RUNNING=; probe_component web"),
        () => switchTo(host, "v2"),
      ];
      for (const cut of cuts) {
        await fill(host);
        await cut();
        assert.ok((await sizeOf(pathOf(host))) < 100);
        const kept = await readFile(`${pathOf(host)}.1`, "utf8");
        assert.equal(kept.length, 1024 * 1024);
        assert.match(kept.slice(-100), /x\nthe last line\n$/);
      }
    }));

  test(`${name}: a log that the service does not append to stays whole: it would write behind a hole`, () =>
    withPartsHost(shell, async (host) => {
      const start = `#!/bin/sh\nexec "$(dirname "$(readlink -f "$0")")/server.cjs" 2<>"\${CUTOVER_PID_FILE%pid}log"\n`;
      for (const version of ["v1", "v2"])
        await host.installService(version, {}, { "switch.start": "start" }, { start });
      await commit(host, "v1");
      await fill(host);
      await commit(host, "v2");
      assert.ok((await sizeOf(pathOf(host))) > most);
      assert.deepEqual(await sizeOf(`${pathOf(host)}.1`).catch(() => "none"), "none");
    }));

  test(`${name}: a log that is a link to what the operator looks after stays whole`, () =>
    withPartsHost(shell, async (host) => {
      for (const version of ["v1", "v2"]) await host.installService(version);
      const theirs = join(host.base, "web.log");
      await writeFile(theirs, "");
      await mkdir(dirname(pathOf(host)), { recursive: true });
      await symlink(theirs, pathOf(host));
      await commit(host, "v1");
      await fill(host);
      await commit(host, "v2");
      assert.ok((await sizeOf(theirs)) > most);
      assert.deepEqual(await sizeOf(`${pathOf(host)}.1`).catch(() => "none"), "none");
    }));
}
