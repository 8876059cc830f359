// A task of the bundle keeps what it changes as it was, and its undo writes that back: right as long as nobody else has. A way back that the
// host went by itself has put the data back hours before, and the old version has written to it since (R17, P4).
import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { mkdir, readFile, rm, symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe } from "node:test";
import { readSdk } from "../../src/host/read-sdk.ts";
import { type PartsHost, shells, withPartsHost } from "../support/host-parts.ts";
import { type KillPoint, killedAt } from "../support/killed-at.ts";
import { commit } from "../support/parts-steps.ts";
import { inTurn } from "../support/shells.ts";
import { endWatcher } from "../support/trial-clock.ts";

const begin = `#!/bin/sh\n. "\${0%/*}/cutover.sh"\n`;

/** v1 is committed; `orders` is saved, `settings` is not, and `convert` changes both. `early` runs before anything is saved. */
async function withTasks(host: PartsHost) {
  const [orders, settings] = [join(host.base, "data/orders"), join(host.base, "settings")];
  await mkdir(join(host.base, "data"));
  // A contract names a path as people know it; the SDK keeps where that is.
  await symlink("data", join(host.base, "known"));
  const convert = (file: string) =>
    `sed 's/format=1/format=2/' "$(cutover_original ${file})" | cutover_write_file ${file}\n`;
  const bundle = {
    "cutover.sh": readSdk("cutover.sh"),
    convert: `${begin}${convert(orders)}${convert(settings)}`,
    early: `${begin}cutover_edit ${orders} early yes\n`,
    back: `${begin}cutover_undo\n`,
    own: `#!/bin/sh\nsed -i s/format=2/format=1/ ${orders}\n`,
    noted: `${begin}cutover_once note touch ${host.base}/noted\n${convert(orders)}`,
  };
  const tasks = { "task.convert.do": "convert", "task.convert.undo": "back", "task.early.do": "early", "task.early.undo": "back", "task.plain.do": "convert", "task.noted.do": "noted", "task.noted.undo": "own" }; // biome-ignore format: one line
  const contract = { "backup.0": join(host.base, "known/orders"), ...tasks };
  for (const version of ["v1", "v2"]) await host.install(version, { contract, bundle });
  await commit(host, "v1");
  for (const file of [orders, settings]) await writeFile(file, "format=1\n");
  const must = async (kind: string, action: "do" | "undo", name?: string) => {
    const options: Record<string, string> = name === undefined ? {} : { name };
    const ended = await host.task(kind, action, { version: "v2", options });
    assert.equal(ended.exitCode, 0, `${kind} ${action}: ${ended.reason} ${ended.evidence}`);
    return ended.evidence;
  };
  const write = (text: string) => writeFile(orders, text);
  const said = async () => [await readFile(orders, "utf8"), await readFile(settings, "utf8")];
  /** The new version fails, and its host goes back by itself; the old one goes on. */
  const failsWith = async (name: string) => {
    await must("backup", "do");
    await must("hook", "do", name);
    await must("switch", "do");
    await write("format=2\nspoilt\n");
  };
  return { must, write, said, failsWith, whole: await readFile(host.script, "utf8") };
}

const places: Readonly<Record<string, KillPoint>> = {
  "before it is said to be back": ["backup_mark", "\t(write_file"],
  "before what was kept is gone": ["backup_forget", "\t\t\tremove_tree"],
};

for (const shell of shells) {
  const test = inTurn(shell.join(" "));
  const name = shell.join(" ");
  describe(name, { concurrency: 2 }, () => {
    test(`${name}: R17, P4: a task that is undone hours after its host went back leaves alone what was written since, and is done again on that`, () =>
      withPartsHost(shell, async (host) => {
        const { must, write, said, failsWith } = await withTasks(host);
        await failsWith("convert");
        await must("switch", "undo");
        assert.deepEqual(await said(), ["format=1\n", "format=2\n"]);
        await write("format=1\nwritten since\n");
        await must("hook", "undo", "convert");
        assert.deepEqual(await said(), ["format=1\nwritten since\n", "format=1\n"], "only what nobody had put back");
        assert.match(await must("backup", "do"), /paths=1/);
        await must("hook", "do", "convert");
        assert.deepEqual(await said(), ["format=2\nwritten since\n", "format=2\n"]);
        await must("switch", "do");
        await must("switch", "undo");
        await must("hook", "undo", "convert");
        assert.deepEqual(await said(), ["format=1\nwritten since\n", "format=1\n"]);
      }));

    test(`${name}: R17, P4: a task without an undo that runs again begins with what the old version has written since`, () =>
      withPartsHost(shell, async (host) => {
        const { must, write, said, failsWith } = await withTasks(host);
        await failsWith("plain");
        await must("switch", "undo");
        await write("format=1\nwritten since\n");
        await must("backup", "do");
        await must("hook", "do", "plain");
        assert.deepEqual(await said(), ["format=2\nwritten since\n", "format=2\n"]);
      }));

    test(`${name}: R17, P6: so it is wherever the way back was killed, also that of a backup alone`, () =>
      withPartsHost(shell, async (host) => {
        const { must, write, said, failsWith, whole } = await withTasks(host);
        for (const [place, where] of Object.entries(places)) {
          await failsWith("convert");
          await endWatcher(host);
          await writeFile(host.script, killedAt(whole, where));
          assert.equal((await host.task("switch", "undo", { version: "v2" })).exitCode, 137, place);
          await writeFile(host.script, whole);
          await must("switch", "undo");
          await write("format=1\nwritten since\n");
          await must("hook", "undo", "convert");
          assert.deepEqual(await said(), ["format=1\nwritten since\n", "format=1\n"], place);
        }
        await must("backup", "do");
        await must("hook", "do", "convert");
        await must("backup", "undo");
        await write("format=1\nby hand\n");
        await must("hook", "undo", "convert");
        assert.deepEqual(await said(), ["format=1\nby hand\n", "format=1\n"]);
      }));

    test(`${name}: R31, P4: a task whose own undo took it back begins anew, with what the old version has written since`, () =>
      withPartsHost(shell, async (host) => {
        const { must, write, said } = await withTasks(host);
        await must("backup", "do");
        await must("hook", "do", "noted");
        assert.deepEqual(await said(), ["format=2\n", "format=1\n"]);
        for (let times = 0; times < 2; times++) await must("hook", "undo", "noted");
        assert.deepEqual(await said(), ["format=1\n", "format=1\n"]);
        await write("format=1\nwritten since\n");
        await must("backup", "do");
        await rm(join(host.base, "noted"));
        for (let times = 0; times < 2; times++) await must("hook", "do", "noted");
        assert.deepEqual(await said(), ["format=2\nwritten since\n", "format=1\n"]);
        assert.ok(existsSync(join(host.base, "noted")), "what was to be done once, too");
      }));

    test(`${name}: R17: what a task had changed before its component was saved is a part of that, and is undone by its undo`, () =>
      withPartsHost(shell, async (host) => {
        const { must, said, failsWith } = await withTasks(host);
        await must("hook", "do", "early");
        await failsWith("convert");
        await must("switch", "undo");
        await must("hook", "undo", "convert");
        assert.deepEqual(await said(), ["format=1\nearly=yes\n", "format=1\n"]);
        await must("hook", "undo", "early");
        assert.deepEqual(await said(), ["format=1\n", "format=1\n"]);
      }));
  });
}
