// What keeps a service running is another from version to version: strategies that stop first bring it, the others refuse before anything is touched.
import assert from "node:assert/strict";
import { symlink } from "node:fs/promises";
import { join } from "node:path";
import { describe, test } from "node:test";
import type { LabHost } from "../../src/lab/lab.ts";
import { type PartsHost, shells, withPartsHost } from "../support/host-parts.ts";
import { inTurn } from "../support/shells.ts";
import { commit, current, enrol, install, lasting, must, task, trial, write } from "../support/systemd-parts.ts";
import { systemdSkip, withSystemdLab } from "../support/with-lab.ts";

const signedAs = (strategy: string, units: readonly string[], sockets: readonly string[] = []) => ({
  manager: "systemd",
  "switch.strategy": strategy,
  ...Object.fromEntries(units.map((unit, index) => [`unit.${index}`, unit])),
  ...Object.fromEntries(sockets.map((unit, index) => [`switch.socket.${index}`, unit])),
});
/** v1 runs; v2 is asked for. What a switch says before it touches anything. */
async function asked(host: PartsHost, was: Record<string, string>, is: Record<string, string>) {
  await host.install("v1", { contract: was });
  await host.install("v2", { contract: is });
  await symlink("versions/v1", join(host.base, "web/current"));
  return await host.task("switch", "do", { version: "v2" });
}
const web = signedAs("exec", ["web.service"]);

for (const shell of shells) {
  const test = inTurn(shell.join(" "));
  const name = shell.join(" ");
  describe(name, { concurrency: 3 }, () => {
    for (const [what, was, is, said] of [
      ["is renamed", web, signedAs("exec", ["shop.service"]), /its units are not those of v1 \(only there: web\.service , only now: shop\.service \)/],
      ["becomes a template", web, signedAs("reuseport", ["web@.service"]), /only there: web\.service , only now: web@a\.service web@b\.service/],
      ["is a template no more", signedAs("reuseport", ["web@.service"]), web, /only there: web@a\.service web@b\.service /],
      ["changes places with another", signedAs("signal", ["web.service", "side.service"]), signedAs("signal", ["side.service", "web.service"]), /its first unit is not that of v1/],
      ["loses its socket", signedAs("socket", ["web.service"], ["web.socket", "admin.socket"]), signedAs("socket", ["web.service"], ["web.socket"]), /only there: admin\.socket /],
      ["gets another manager", { manager: "process", "switch.strategy": "exec" }, web, /manager process becomes systemd/],
    ] as const) // biome-ignore format: a table
      test(`${name}: R18: a service whose unit ${what} cannot be handed over: refused with what to do, and nothing is touched`, () =>
        withPartsHost(shell, async (host) => {
          const refused = await asked(host, was, is);
          assert.deepEqual([refused.exitCode, refused.reason], [69, "units-changed"], refused.evidence);
          assert.match(refused.evidence, said);
          assert.match(refused.evidence, /strategy restart, release that, and go on with strategy/);
          assert.deepEqual([await host.current(), await host.trial()], ["v1", "none"]);
        }));
  });
}

const unit = (component: string, type = "simple") =>
  `[Service]\nType=${type}\nNotifyAccess=all\nExecStart=/srv/${component}/current/app\n[Install]\nWantedBy=multi-user.target\n`;
const states = async (host: LabHost, ...units: string[]): Promise<string[]> => {
  const said = await Promise.all(units.flatMap((each) => ["is-active", "is-enabled"].map((word) => host.run(["systemctl", word, each])))); // biome-ignore format: one line
  return units.map((_, index) => said.slice(index * 2, index * 2 + 2).map(({ stdout }) => stdout.trim()).join(" ")); // biome-ignore format: one line
};
const renamed = { "unit.0": "shop.service" };
const goes = async (
  host: LabHost,
  kind: string,
  action: "do" | "undo",
  version: string,
  run: string,
  component = "web",
) => {
  const session = kind === "switch" ? "a" : "b";
  const { exitCode, said } = await task(host, kind, action, component, version, { run, session });
  assert.equal(exitCode, 0, said);
  return said;
};

test(
  "systemd: strategy restart brings a renamed unit: the old one ends, boots start the new one once it is confirmed, and the way back restores both",
  { skip: systemdSkip, timeout: 1_200_000 },
  () =>
    withSystemdLab(1, async ({ hosts: [host] }) => {
      assert.ok(host);
      await enrol(host);
      for (const name of ["web", "shop"]) await write(host, `/etc/systemd/system/${name}.service`, unit("web"), 0o644);
      await must(host, "systemctl", "daemon-reload");
      await must(host, "systemctl", "enable", "web.service");
      await install(host, "web", "v1", lasting);
      await install(host, "web", "v2", lasting, renamed);
      await commit(host, "web", "v1");
      assert.match(await goes(host, "switch", "do", "v2", "r2"), /old-pid=\d+ new-pid=\d+ from=v1 to=v2/);
      assert.deepEqual(await states(host, "web.service", "shop.service"), ["inactive enabled", "active disabled"]);
      await goes(host, "switch", "undo", "v2", "r2");
      assert.deepEqual(await states(host, "web.service", "shop.service"), ["active enabled", "inactive disabled"]);
      await goes(host, "switch", "do", "v2", "r3");
      await goes(host, "confirm", "do", "v2", "r3");
      assert.deepEqual(await states(host, "web.service", "shop.service"), ["inactive disabled", "active enabled"]);
      await goes(host, "switch", "undo", "v2", "r3");
      assert.deepEqual(await states(host, "web.service", "shop.service"), ["active enabled", "inactive disabled"]);
      assert.equal(await current(host, "web"), "versions/v1");
      await goes(host, "switch", "do", "v2", "r4");
      await host.reboot();
      assert.equal(await trial(host, "web"), "reverted");
      assert.deepEqual(await states(host, "web.service", "shop.service"), ["active enabled", "inactive disabled"]);
      await commit(host, "web", "v2");
      await host.reboot();
      assert.deepEqual(await states(host, "web.service", "shop.service"), ["inactive disabled", "active enabled"]);
      assert.equal(await current(host, "web"), "versions/v2");
    }),
);

test("systemd: strategy restart ends both instances of a template that is none any more", { skip: systemdSkip }, () =>
  withSystemdLab(1, async ({ hosts: [host] }) => {
    assert.ok(host);
    for (const name of ["api@", "api"])
      await write(host, `/etc/systemd/system/${name}.service`, unit("api", "notify"), 0o644);
    await must(host, "systemctl", "daemon-reload");
    await must(host, "systemctl", "enable", "api@a.service");
    const serves = "#!/bin/sh\nsystemd-notify --ready\nexec sleep 86400\n";
    await install(host, "api", "v1", serves, { "unit.0": "api@.service", "switch.strategy": "reuseport" });
    await install(host, "api", "v2", serves);
    await commit(host, "api", "v1");
    await commit(host, "api", "v2");
    const units = ["api@a.service", "api@b.service", "api.service"];
    assert.deepEqual(await states(host, ...units), ["inactive disabled", "inactive disabled", "active enabled"]);
  }),
);

/** A host on which v1 of `web` is committed; what boots start of its units is up to the test. */
const withUnits = (names: Readonly<Record<string, string>>, body: (host: LabHost) => Promise<void>) =>
  withSystemdLab(1, async ({ hosts: [host] }) => {
    assert.ok(host);
    await enrol(host);
    for (const [name, text] of Object.entries(names))
      await write(host, `/etc/systemd/system/${name}.service`, text, 0o644);
    await must(host, "systemctl", "daemon-reload");
    await body(host);
  });
const named = (...units: string[]) =>
  Object.fromEntries(units.map((each, index) => [`unit.${index}`, `${each}.service`]));

test("systemd: what boots no longer start because a version dropped it, they start again after its way back, after a release back to it, and at the boot that takes it back; what a hand had turned off stays off", {
  skip: systemdSkip,
  timeout: 1_200_000,
}, () => {
  const never = unit("web").replace(/\[Install\].*/s, "");
  const units = { web: unit("web"), side: unit("web"), idle: unit("web"), calm: never, rest: unit("web") };
  return withUnits(units, async (host) => {
    const names = Object.keys(units).map((name) => `${name}.service`);
    await must(host, "systemctl", "enable", "web.service", "side.service");
    await install(host, "web", "v1", lasting, named("web", "side", "idle"));
    await install(host, "web", "v2", lasting, named("calm", "rest"));
    await install(host, "web", "v3", lasting, named("web"));
    await commit(host, "web", "v1");
    const before = ["active enabled", "active enabled", "active disabled", "inactive static", "inactive disabled"];
    const after = ["inactive disabled", "inactive disabled", "inactive disabled", "active static", "active disabled"];
    assert.deepEqual(await states(host, ...names), before);
    await goes(host, "switch", "do", "v2", "r2");
    await goes(host, "confirm", "do", "v2", "r2");
    assert.deepEqual(await states(host, ...names), after);
    await goes(host, "switch", "undo", "v2", "r2");
    assert.deepEqual(await states(host, ...names), before, "undone");
    await commit(host, "web", "v2");
    assert.deepEqual(await states(host, ...names), after);
    await commit(host, "web", "v1");
    assert.deepEqual(await states(host, ...names), before, "released again");

    await goes(host, "switch", "do", "v3", "r4");
    await goes(host, "confirm", "do", "v3", "r4");
    assert.deepEqual(await states(host, "web.service", "side.service"), ["active enabled", "inactive disabled"]);
    const directory = "/var/lib/cutover/components/web/trial";
    await must(host, "mv", `${directory}/confirmed`, `${directory}/reverting`);
    await host.reboot();
    assert.equal(await trial(host, "web"), "reverted");
    assert.equal(await current(host, "web"), "versions/v1");
    assert.doesNotMatch(
      await must(host, "journalctl", "-b", "-q", "--no-pager", "-u", "cutover-guard.service"),
      /way back of web, try/,
    );
    await must(host, "systemctl", "is-active", "--quiet", "web.service", "side.service");
    assert.deepEqual(await states(host, "web.service", "side.service"), ["active enabled", "active enabled"]);
  });
});

test(
  "systemd: a renamed unit that does not end in switch.stop-seconds is killed and told, on the way there and on the way back",
  { skip: systemdSkip, timeout: 1_200_000 },
  () =>
    withUnits({ slow: unit("slow"), late: unit("slow") }, async (host) => {
      const stays = "#!/bin/sh\ntrap '' TERM\nwhile :; do sleep 1; done\n";
      await install(host, "slow", "v1", stays, { "switch.stop-seconds": "1" });
      await install(host, "slow", "v2", stays, { ...named("late"), "switch.stop-seconds": "1" });
      await commit(host, "slow", "v1");
      const there = await goes(host, "switch", "do", "v2", "r2", "slow");
      assert.match(there, / to=v2 .*killed=slow\.service after 1 s/);
      const back = await goes(host, "switch", "undo", "v2", "r2", "slow");
      assert.match(back, / to=v1 .*killed=late\.service after 1 s/);
      assert.equal(await current(host, "slow"), "versions/v1");
      assert.deepEqual(await states(host, "slow.service"), ["active disabled"]);
    }),
);
