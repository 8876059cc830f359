// The switch under systemd: timers, the boot guard, units that fail or hang, sockets that stay. One real Debian host for all of them.
import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { test } from "node:test";
import {
  commit,
  current,
  enrol,
  install,
  lasting,
  must,
  SCRIPT,
  STATE,
  task,
  timers,
  trial,
  write,
} from "../support/systemd-parts.ts";
import { until } from "../support/until.ts";
import { systemdSkip, withSystemdLab } from "../support/with-lab.ts";

test("systemd: restart, confirm and commit leave the new version running and no timer", { skip: systemdSkip }, () =>
  withSystemdLab(1, async ({ hosts: [host] }) => {
    assert.ok(host);
    await enrol(host);
    await write(
      host,
      "/etc/systemd/system/web.service",
      "[Service]\nExecStart=/srv/web/current/app\n[Install]\nWantedBy=multi-user.target\n",
      0o644,
    );
    await must(host, "systemctl", "daemon-reload");
    await must(host, "systemctl", "enable", "web.service");
    for (const version of ["v1", "v2"]) await install(host, "web", version, lasting);
    await install(host, "web", "v9", "#!/bin/sh\necho this version is broken >&2\nexit 3\n");
    await commit(host, "web", "v1");
    const first = await must(host, "systemctl", "show", "-p", "MainPID", "--value", "web.service");
    const switched = await task(host, "switch", "do", "web", "v2", { run: "run-v2" });
    assert.match(switched.said, new RegExp(`old-pid=${first} new-pid=\\d+ from=v1 to=v2`));
    assert.match(await timers(host), /^cutover-revert-t\d+-\d+\.timer/);
    assert.equal((await task(host, "confirm", "do", "web", "v2", { run: "run-v2", session: "b" })).exitCode, 0);
    assert.equal(await timers(host), "");
    assert.equal((await task(host, "commit", "do", "web", "v2", { run: "run-v2", session: "b" })).exitCode, 0);
    assert.equal(await must(host, "systemctl", "is-active", "web.service"), "active");
  }),
);

test(
  "systemd: P8, F12, F15: a version that exits fails its switch, tells its log lines, and the timer takes it back in time",
  { skip: systemdSkip },
  () =>
    withSystemdLab(1, async ({ hosts: [host] }) => {
      assert.ok(host);
      const failed = await task(host, "switch", "do", "web", "v9", { run: "bad", options: "deadline=3" });
      // A unit of Type=simple counts as started as soon as it is forked, so the switch may end well and the unit fail right after.
      assert.ok(failed.exitCode === 0 || /not-ready.*this version is broken/s.test(failed.said), failed.said);
      await until("the way back", 8000, async () => (await trial(host, "web")) === "reverted");
      const said = (file: string) => readFile(host.pathOf(`${STATE}/components/web/trial/reverted/${file}`), "utf8");
      const deadlineMs = Number(/^deadline (\d+)$/m.exec(await said("trial"))?.[1]) * 10;
      // How long the way itself takes is up to the machine: who goes it was started by the timer.
      const lateMs = Number((await said("worker")).split(" ")[1]) * 10 - deadlineMs;
      assert.ok(lateMs >= -100 && lateMs < 2000, `${lateMs} ms after the deadline`);
      assert.equal(await current(host, "web"), "versions/v2");
      assert.equal(await must(host, "systemctl", "is-active", "web.service"), "active");
      assert.match(
        await must(host, "cat", `${STATE}/components/web/trial/reverted/evidence`),
        /web\.service.*this version is broken/s,
      );
    }),
);

test(
  "systemd: P8, F14: an unconfirmed switch is taken back by the guard at the next boot, also after a crash",
  { skip: systemdSkip, timeout: 1_200_000 },
  () =>
    withSystemdLab(1, async ({ hosts: [host] }) => {
      assert.ok(host);
      await install(host, "web", "v3", lasting);
      for (const way of ["reboot", "crash"] as const) {
        assert.equal((await task(host, "switch", "do", "web", "v3", { run: way })).exitCode, 0);
        assert.equal(await must(host, "systemctl", "is-enabled", "cutover-guard.service"), "enabled");
        if (way === "reboot") await host.reboot();
        else {
          await host.crash();
          await host.boot();
        }
        assert.equal(await trial(host, "web"), "reverted", way);
        assert.equal(await current(host, "web"), "versions/v2");
        assert.match(await must(host, "cat", `${STATE}/components/web/trial/reverted/outcome`), /reason boot/);
        assert.equal(await must(host, "systemctl", "is-active", "web.service"), "active");
      }
    }),
);

test(
  "systemd: P8, P11: exec asks no main process without a handler, and one that ends over the signal fails the switch at once unless systemd starts it anew",
  { skip: systemdSkip },
  () =>
    withSystemdLab(1, async ({ hosts: [host] }) => {
      assert.ok(host);
      const ends = "#!/bin/sh\ntrap 'exit 7' USR2\nwhile :; do sleep 0.2; done\n";
      for (const [component, restart] of [
        ["once", "no"],
        ["anew", "always"],
      ] as const) {
        const unit = `[Service]\nExecStart=/srv/${component}/current/app\nRestart=${restart}\nRestartSec=1500ms\n`;
        await write(host, `/etc/systemd/system/${component}.service`, unit, 0o644);
        await must(host, "systemctl", "daemon-reload");
        const exec = { "switch.strategy": "exec", "switch.ready-seconds": "50" };
        // In this order: a commit removes what was offered before it and not taken.
        for (const version of ["v1", "v2", "v3"])
          await install(host, component, version, version === "v2" ? ends : lasting, exec);
        await commit(host, component, "v1");
        const refused = await task(host, "switch", "do", component, "v2");
        assert.match(refused.said, /cannot-hand-over: the running pid \d+ does not handle USR2/);
        assert.equal(await must(host, "systemctl", "is-active", `${component}.service`), "active");
        await must(host, "systemctl", "stop", `${component}.service`);
        await commit(host, component, "v2");
        const asked = await task(host, "switch", "do", component, "v3", { run: "asked" });
        if (restart === "no") assert.match(asked.said, /new-version-died: pid \d+ ended when it was asked for v3/);
        else assert.equal(asked.exitCode, 0, asked.said);
        const undone = await task(host, "switch", "undo", component, "v3", { run: "asked" });
        assert.equal(undone.exitCode, 0, undone.said);
        assert.equal(await current(host, component), "versions/v2");
        assert.equal(await must(host, "systemctl", "is-active", `${component}.service`), "active");
        await must(host, "systemctl", "stop", `${component}.service`);
      }
    }),
);

test(
  "systemd: P8, P11: back from the first release with exec to one with restart, what was deaf to the signal serves on as the main process",
  { skip: systemdSkip },
  () =>
    withSystemdLab(1, async ({ hosts: [host] }) => {
      assert.ok(host);
      const unit = "[Service]\nExecStart=/srv/deaf/current/app\n";
      await write(host, "/etc/systemd/system/deaf.service", unit, 0o644);
      await must(host, "systemctl", "daemon-reload");
      await install(host, "deaf", "v1", "#!/bin/sh\ntrap : USR2\nwhile :; do sleep 0.2; done\n");
      await install(host, "deaf", "v2", lasting, { "switch.strategy": "exec", "switch.ready-seconds": "2" });
      await commit(host, "deaf", "v1");
      const main = await must(host, "systemctl", "show", "-p", "MainPID", "--value", "deaf.service");
      assert.match((await task(host, "switch", "do", "deaf", "v2", { run: "deaf" })).said, /not-ready: old pid/);
      const undone = await task(host, "switch", "undo", "deaf", "v2", { run: "deaf" });
      assert.match(undone.said, new RegExp(`old-pid=${main} new-pid=${main} from=v2 to=v1`));
    }),
);

test(
  "systemd: F16: a unit that never says READY fails its switch in time and does not block the way back",
  { skip: systemdSkip },
  () =>
    withSystemdLab(1, async ({ hosts: [host] }) => {
      assert.ok(host);
      await write(
        host,
        "/etc/systemd/system/slow.service",
        "[Service]\nType=notify\nNotifyAccess=all\nTimeoutStartSec=300\nExecStart=/srv/slow/current/app\n",
        0o644,
      );
      await must(host, "systemctl", "daemon-reload");
      await install(host, "slow", "v1", "#!/bin/sh\nsystemd-notify --ready\nexec sleep 86400\n");
      await install(host, "slow", "v2", lasting, { "switch.ready-seconds": "1" });
      await commit(host, "slow", "v1");
      const hung = await task(host, "switch", "do", "slow", "v2");
      assert.match(hung.said, /not-ready: not ready within 1 s/);
      const undone = await task(host, "switch", "undo", "slow", "v2", { options: "reason=failed" });
      assert.match(undone.said, /current=v1 was=v2 reason=failed/);
      assert.equal(await must(host, "systemctl", "is-active", "slow.service"), "active");
    }),
);

test(
  "systemd: P11: socket activation keeps the very same listener through switch, crash loop and way back",
  { skip: systemdSkip },
  () =>
    withSystemdLab(1, async ({ hosts: [host] }) => {
      assert.ok(host);
      await write(
        host,
        "/etc/systemd/system/shop.socket",
        "[Socket]\nListenStream=127.0.0.1:8099\n[Install]\nWantedBy=sockets.target\n",
        0o644,
      );
      await write(
        host,
        "/etc/systemd/system/shop.service",
        "[Service]\nExecStart=/srv/shop/current/app\nRestart=always\nRestartSec=50ms\n",
        0o644,
      );
      const each = "[Socket]\nListenStream=127.0.0.1:8098\nAccept=yes\n";
      await write(host, "/etc/systemd/system/each.socket", each, 0o644);
      await must(host, "systemctl", "daemon-reload");
      const contract = { "switch.strategy": "socket", "switch.socket.0": "shop.socket" };
      await install(host, "shop", "v0", lasting, { ...contract, "switch.socket.1": "each.socket" });
      const words = `T_FAIL_FILE=/dev/null; T_COMPONENT=shop; T_VERSION=v0; load_contract shop v0; LACKS=; check_strategy; echo "$LACKS"`;
      const lacking = await must(
        host,
        "env",
        `T_DIR=${STATE}/components/shop`,
        "sh",
        SCRIPT,
        STATE,
        "call",
        "eval",
        words,
      );
      assert.equal(lacking, "strategy socket needs Accept=no in each.socket");
      for (const version of ["v1", "v2"]) await install(host, "shop", version, lasting, contract);
      await install(host, "shop", "v9", "#!/bin/sh\nexit 1\n", contract);
      await commit(host, "shop", "v1");
      const listener = () => must(host, "sh", "-c", "ss -Hltne 'sport = :8099' | grep -o 'ino:[0-9]*'");
      const limits = async () =>
        await must(host, "systemctl", "show", "-p", "StartLimitIntervalUSec", "--value", "shop.service");
      const dropIns = async () => await must(host, "find", "/run/systemd/system", "-path", "*shop*");
      const before = await listener();
      await commit(host, "shop", "v2");
      assert.equal(await listener(), before);
      await task(host, "switch", "do", "shop", "v9", { run: "bad" });
      const restarts = async () =>
        Number(await must(host, "systemctl", "show", "-p", "NRestarts", "--value", "shop.service"));
      await until("more restarts than the default start limit allows", 10_000, async () => (await restarts()) > 8);
      assert.equal(await listener(), before, "F15: the start limit would have closed it");
      assert.equal(await limits(), "0");
      assert.match(
        (await task(host, "switch", "undo", "shop", "v9", { run: "bad", options: "reason=failed" })).said,
        /current=v2 was=v9/,
      );
      assert.equal(await must(host, "systemctl", "is-active", "shop.service"), "active");
      assert.equal(await listener(), before);
      assert.deepEqual([await limits(), await dropIns()], ["10s", ""], "the limits are the operator's again");

      // No trial, no way back: where it cannot be armed, nothing stays lifted either.
      await must(host, "rm", "-r", `${STATE}/components/shop/trial`);
      await write(host, `${STATE}/components/shop/trial`, "");
      assert.match((await task(host, "switch", "do", "shop", "v9", { run: "unarmed" })).said, /arming-failed/);
      await must(host, "rm", `${STATE}/components/shop/trial`);
      assert.deepEqual([await limits(), await dropIns()], ["10s", ""]);
    }),
);

test(
  "systemd: T36: at boot the guard of a broken host.sh on trial is the copy that armed it",
  { skip: systemdSkip, timeout: 1_200_000 },
  () =>
    withSystemdLab(1, async ({ hosts: [host] }) => {
      assert.ok(host);
      const component = "cutover-host";
      for (const [version, text] of [
        ["1", undefined],
        ["2", "exit 1\n"],
      ] as const) {
        await install(host, component, version, lasting, {
          root: `${STATE}/host`,
          manager: "none",
          "switch.strategy": "none",
          "unit.0": "none",
        });
        if (text !== undefined) await write(host, `${STATE}/host/versions/${version}/host.sh`, text);
        await write(
          host,
          `${STATE}/host/versions/${version}/.cutover-verified`,
          `sha256:${version.padStart(64, "0")}\n`,
        );
      }
      const switched = await task(host, "switch", "do", component, "2");
      assert.equal(switched.exitCode, 0, switched.said);
      await host.reboot();
      assert.equal(await trial(host, component), "reverted");
      assert.equal(await must(host, "readlink", `${STATE}/host/current`), "versions/1");
    }),
);
