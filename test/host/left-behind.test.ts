// What hands, broken scripts and lost controllers leave on a host, and how the host itself or the next run makes it good.
import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { mkdir, readFile, rename, rm, symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe } from "node:test";
import { type PartsHost, shells, withPartsHost } from "../support/host-parts.ts";
import { alive } from "../support/live-processes.ts";
import { inTurn } from "../support/shells.ts";
import { until } from "../support/until.ts";

/** v1 committed, v2 built. */
async function twoVersions(host: PartsHost): Promise<void> {
  await host.install("v1");
  await host.install("v2");
  for (const kind of ["switch", "confirm", "commit"])
    assert.equal((await host.task(kind, "do", { version: "v1", run: "r0", session: kind })).exitCode, 0);
}

async function pointByHand(host: PartsHost, version: string): Promise<void> {
  const current = join(host.base, "web/current");
  await rm(current, { force: true });
  await symlink(`versions/${version}`, current);
}

const trialFacts = async (host: PartsHost) => (await host.word("call", "trial_facts", "web")).stdout;

for (const shell of shells) {
  const test = inTurn(shell.join(" "));
  const name = shell.join(" ");
  describe(name, { concurrency: 3 }, () => {
    test(`${name}: P10: a switch to what a hand pointed current at is a trial like any other, and goes back to what was committed`, () =>
      withPartsHost(shell, async (host) => {
        await twoVersions(host);
        await pointByHand(host, "v2");
        const options = { deadline: "60" };
        const switched = await host.task("switch", "do", { version: "v2", session: "a", options });
        assert.match(switched.evidence, /from=v1 to=v2/);
        assert.equal(await host.trial(), "armed");
        assert.equal((await host.task("switch", "undo", { version: "v2" })).exitCode, 0);
        assert.equal(await host.current(), "v1");
        await pointByHand(host, "v2");
        assert.equal(
          (await host.task("switch", "do", { version: "v2", run: "r2", session: "a", options })).exitCode,
          0,
        );
        assert.equal((await host.task("confirm", "do", { version: "v2", run: "r2", session: "b" })).exitCode, 0);
        assert.equal((await host.task("commit", "do", { version: "v2", run: "r2" })).exitCode, 0);
        assert.match((await host.task("switch", "do", { version: "v2", run: "r3" })).evidence, /already current/);
      }));

    for (const strategy of ["restart", "exec"])
      test(`${name}: P4, P10: a switch to what a hand made current where nothing was ever committed goes back to what was found, with ${strategy}`, () =>
        withPartsHost(shell, async (host) => {
          await host.installService("v1", {}, { "switch.strategy": strategy });
          const goes = async (kind: string, action: "do" | "undo", run: string) => {
            const said = await host.task(kind, action, { version: "v1", run, session: kind });
            assert.equal(said.exitCode, 0, said.evidence);
            return said.evidence;
          };
          const isAlive = async () => alive((await host.pid()) ?? 0);
          await pointByHand(host, "v1");
          assert.match(await goes("switch", "do", "r1"), /from=v1 to=v1/);
          assert.ok(await isAlive());
          await goes("switch", "undo", "r1");
          assert.deepEqual([await host.current(), await host.trial(), await isAlive()], ["v1", "reverted", false]);
          // A hand starts it.
          await goes("switch", "do", "r2");
          await rm(join(host.state, "components/web/trial/armed"), { recursive: true });
          await goes("switch", "do", "r3");
          await goes("switch", "undo", "r3");
          assert.deepEqual([await host.current(), await host.trial(), await isAlive()], ["v1", "reverted", true]);
          for (const kind of ["switch", "confirm", "commit"]) await goes(kind, "do", "r4");
          assert.ok(await isAlive());
        }));

    test(`${name}: T35: a root that is reached through a link inside its base is refused: where files really are tells what a process runs`, () =>
      withPartsHost(shell, async (host) => {
        await host.install("v1");
        await rename(join(host.base, "web"), join(host.base, "real"));
        await symlink("real", join(host.base, "web"));
        const refused = await host.task("switch", "do", { version: "v1" });
        assert.deepEqual([refused.exitCode, refused.reason], [77, "root-not-allowed"]);
        assert.match(refused.evidence, /web is reached through a link and really is \S+\/real: name that one/);
        assert.deepEqual([await host.current(), await host.trial()], [undefined, "none"]);
      }));

    test(`${name}: P8: where no guard ran at boot, whoever looks next has an overdue trial taken back`, () =>
      withPartsHost(shell, async (host) => {
        await twoVersions(host);
        const options = { deadline: "60" };
        assert.equal((await host.task("switch", "do", { version: "v2", session: "a", options })).exitCode, 0);
        assert.equal((await host.word("call", "probe_overdue", "web")).exitCode, 0);
        assert.equal(await host.trial(), "armed", "of this boot: its deadline is watched");
        const directory = join(host.state, "components/web/trial");
        process.kill(-Number((await readFile(join(directory, "watch-revert"), "utf8")).split(" ")[1]), "SIGKILL");
        const record = join(directory, "armed/trial");
        await writeFile(record, (await readFile(record, "utf8")).replace(/^boot-id .*/m, "boot-id another-boot"));
        assert.equal((await host.word("call", "probe_overdue", "web")).exitCode, 0);
        await until("the way back", 10_000, async () => (await host.trial()) === "reverted");
        assert.equal(await host.current(), "v1");
      }));

    test(`${name}: P8: a drain whose undo fails on the way back is undone by the host itself once it can be`, () =>
      withPartsHost(shell, async (host) => {
        const [broken, words] = [join(host.base, "broken"), join(host.base, "words")];
        const bundle = { out: "#!/bin/sh\n", in: `#!/bin/sh\n[ ! -e ${broken} ] && echo back >>${words}\n` };
        const contract = { "drain.task": "out", "task.out.do": "out", "task.out.undo": "in" };
        await twoVersions(host);
        await host.install("v2", { contract, bundle, tree: { "bin/app": "#!/bin/sh\n# of its own\n" } });
        await writeFile(broken, "");
        for (const kind of ["drain", "switch"])
          assert.equal((await host.task(kind, "do", { version: "v2", session: "a" })).exitCode, 0);
        const forward = await host.task("drain", "undo", { version: "v2" });
        assert.deepEqual([forward.exitCode, forward.reason], [71, "task-failed"]);
        assert.doesNotMatch(await readFile(join(host.state, "components/web/drained"), "utf8"), /^back/m);
        assert.equal((await host.task("switch", "undo", { version: "v2" })).exitCode, 0);
        const wayBack = await host.task("drain", "undo", { version: "v2" });
        assert.deepEqual([wayBack.exitCode, wayBack.reason], [71, "task-failed"]);
        await rm(broken);
        await until("the undo", 15_000, async () => existsSync(join(host.state, "components/web/undrained")));
        const again = await host.task("drain", "undo", { version: "v2" });
        assert.match(again.evidence, /back in service already/);
        assert.equal(await readFile(words, "utf8"), "back\n");
      }));

    test(`${name}: P7: a step is nobody's child from the start: who ends the session that asked for it, with all that came of it, does not end it`, () =>
      withPartsHost(shell, async (host) => {
        const asked = `MODE=user; SELF=$STATE/step; mkdir -p "$STATE/runs/r/s"
          printf '%s\\n' 'sleep 0.3' 'read -r _ _ _ parent _ <"/proc/$$/stat"' 'echo "$parent" >"$1/parent.new"' 'mv "$1/parent.new" "$1/parent"' >"$SELF"
          start_runner r s; until [ -s "$STATE/parent" ]; do nap; done; echo "$$ $(cat "$STATE/parent")"`;
        const [own, parent] = (await host.word("call", "eval", asked)).stdout.trim().split(" ");
        assert.match(`${parent}`, /^\d+$/);
        assert.notEqual(parent, own);
      }));

    test(`${name}: P4: a trial that is dropped before it switched leaves the confirmed one before it as it was`, () =>
      withPartsHost(shell, async (host) => {
        await twoVersions(host);
        await host.install("v3");
        assert.equal((await host.task("switch", "do", { version: "v2", session: "a" })).exitCode, 0);
        assert.equal((await host.task("confirm", "do", { version: "v2", session: "b" })).exitCode, 0);
        const before = await trialFacts(host);
        // Where the new link is made there is a directory: current cannot be pointed anywhere.
        await mkdir(join(host.base, "web/.current.new"));
        const dropped = await host.task("switch", "do", { version: "v3", run: "r2" });
        assert.deepEqual([dropped.exitCode, dropped.reason], [74, "cannot-switch"]);
        assert.equal(await host.trial(), "confirmed");
        assert.equal(await trialFacts(host), before);
        assert.equal((await host.task("commit", "do", { version: "v2" })).exitCode, 0);
      }));
  });
}
