// Strategy reuseport under systemd, as two instances of one template unit; one real Debian host.
import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { test } from "node:test";
import type { LabHost } from "../../src/lab/lab.ts";
import { hostScriptWithTasks } from "../support/host-parts.ts";
import { insertedAt } from "../support/killed-at.ts";
import { commit, current, enrol, install, must, SCRIPT, STATE, task, trial, write } from "../support/systemd-parts.ts";
import { systemdSkip, withSystemdLab } from "../support/with-lab.ts";

const contract = {
  ...{ "unit.0": "web@.service", "switch.strategy": "reuseport", "switch.ready-seconds": "30" },
  ...{ "health.0.kind": "unit", "health.0.unit": "web@.service", "health.0.within-seconds": "30" },
};
const unit = (type: string): string => `[Unit]
After=db.service
[Service]
Type=${type}
NotifyAccess=all
WorkingDirectory=/srv/web/current
ExecStart=/srv/web/current/app
Restart=on-failure
RestartSec=200ms
[Install]
WantedBy=multi-user.target
DefaultInstance=a
`;
const serves = "#!/bin/sh\nsleep 0.3\nsystemd-notify --ready\nexec sleep 86400\n";
const hangs = "#!/bin/sh\nexec sleep 86400\n";
const crashes = "#!/bin/sh\necho this version is broken >&2\nexit 3\n";

const states = async (host: LabHost): Promise<string[]> =>
  (await host.run(["systemctl", "show", "-p", "ActiveState", "--value", "web@a.service", "web@b.service"])).stdout
    .split("\n")
    .filter((line) => line !== "");
const mainPid = (host: LabHost, instance: "a" | "b"): Promise<string> =>
  must(host, "systemctl", "show", "-p", "MainPID", "--value", `web@${instance}.service`);
/** What the host's check finds wanting for its strategy. */
const lacking = (host: LabHost, component: string, version: string): Promise<string> =>
  must(
    host,
    ...["env", `T_COMPONENT=${component}`, `T_VERSION=${version}`, `T_DIR=${STATE}/components/${component}`],
    ...[
      "sh",
      SCRIPT,
      STATE,
      "call",
      "eval",
      `load_contract ${component} ${version}; LACKS=; check_strategy; echo "$LACKS"`,
    ],
  );

test(
  "systemd: reuseport runs a and b in turn, ends the one that fails, and goes on where it was killed",
  { skip: systemdSkip },
  () =>
    withSystemdLab(1, async ({ hosts: [host] }) => {
      assert.ok(host);
      await enrol(host);
      await write(host, "/etc/systemd/system/web@.service", unit("notify"), 0o644);
      await must(host, "systemctl", "daemon-reload");
      await must(host, "systemctl", "enable", "web@.service");
      for (const version of ["v1", "v2", "v3"]) await install(host, "web", version, serves, contract);
      await install(host, "web", "v8", hangs, { ...contract, "switch.ready-seconds": "4" });
      await install(host, "web", "v9", crashes, contract);
      assert.equal(await lacking(host, "web", "v1"), "");
      await write(host, "/etc/systemd/system/db.service", "[Service]\nExecStart=/srv/db/current/app\n", 0o644);
      await install(host, "db", "v1", hangs);
      const order = await must(
        host,
        "sh",
        SCRIPT,
        STATE,
        "call",
        "eval",
        `data() { echo "$*"; }; probe_unit_order 'db v1 web v1'`,
      );
      assert.equal(order, "component.web.unit-order web@a.service After db db.service");
      await write(host, "/etc/systemd/system/web@.service", unit("simple"), 0o644);
      await must(host, "systemctl", "daemon-reload");
      assert.match(await lacking(host, "web", "v1"), /strategy reuseport needs Type=notify in web@a.service/);
      await write(host, "/etc/systemd/system/web@.service", unit("forking"), 0o644);
      await must(host, "systemctl", "daemon-reload");
      assert.match(await lacking(host, "web", "v1"), /^strategy reuseport needs PIDFile= in web@a.service/);
      await write(host, "/etc/systemd/system/web@.service", unit("forking\nPIDFile=/run/web-%i.pid"), 0o644);
      await must(host, "systemctl", "daemon-reload");
      assert.equal(await lacking(host, "web", "v1"), "");
      await write(host, "/etc/systemd/system/web@.service", unit("notify"), 0o644);
      await must(host, "systemctl", "daemon-reload");
      await commit(host, "web", "v1");
      assert.deepEqual(await states(host), ["active", "inactive"]);
      const first = await mainPid(host, "a");

      const switched = await task(host, "switch", "do", "web", "v2", { run: "run-v2" });
      assert.match(switched.said, new RegExp(`old-pid=${first} new-pid=\\d+ from=v1 to=v2 ms=\\d+ tcp-migrate-req=1`));
      assert.deepEqual(await states(host), ["inactive", "active"]);
      assert.match((await task(host, "health", "do", "web", "v2", { run: "run-v2" })).said, /web@b\.service active/);
      assert.equal(await must(host, "cat", "/proc/sys/net/ipv4/tcp_migrate_req"), "1");
      const undone = await task(host, "switch", "undo", "web", "v2", { run: "run-v2" });
      assert.match(undone.said, /current=v1 was=v2/);
      assert.deepEqual(await states(host), ["active", "inactive"]);
      assert.match(await must(host, "readlink", `/proc/${await mainPid(host, "a")}/cwd`), /versions\/v1$/);

      // Both fail beside a, which was never asked to stop; systemd's own restarts of them end too.
      const serving = await mainPid(host, "a");
      const whole = hostScriptWithTasks();
      for (const [version, why] of [
        ["v9", /new-version-died/],
        ["v8", /not-ready/],
      ] as const) {
        // A host.sh so slow that its first look comes when systemd has given v9 up.
        const given = `[ "$1" != v9 ] || until systemctl is-failed --quiet web@b.service; do nap; done`;
        await write(host, SCRIPT, insertedAt(whole, ["exec_wait", "\twait_seen_="], given));
        const failed = await task(host, "switch", "do", "web", version, { run: `run-${version}` });
        await write(host, SCRIPT, whole);
        assert.notEqual(failed.exitCode, 0);
        assert.match(failed.said, why);
        assert.match(failed.said, new RegExp(`old pid ${serving} still serves`));
        if (version === "v9")
          assert.match(failed.said, /web@b\.service ActiveState=failed[\s\S]*this version is broken/);
        assert.equal((await task(host, "switch", "undo", "web", version, { run: `run-${version}` })).exitCode, 0);
        assert.equal(await mainPid(host, "a"), serving);
        assert.notEqual((await states(host))[1], "activating");
        assert.equal(await current(host, "web"), "versions/v1");
      }

      // host.sh dies while b starts; called again it goes on with that very process.
      const words = [
        "T_COMPONENT=web",
        "T_VERSION=v3",
        "T_RUN=run-v3",
        "T_STEP=s1",
        "T_SESSION=a",
        `T_DIR=${STATE}/components/web`,
      ];
      const killing = `"$@" & pid=$!
        until systemctl show -p ActiveState web@b.service | grep -q -e activating -e =active; do sleep 0.02; done
        kill -KILL $pid`;
      await must(
        host,
        "timeout",
        "60",
        "sh",
        "-c",
        killing,
        "-",
        "env",
        ...words,
        "T_OPTIONS=",
        "sh",
        SCRIPT,
        STATE,
        "task",
        "switch",
        "do",
      );
      assert.equal(await trial(host, "web"), "armed");
      const begun = await mainPid(host, "b");
      const again = await task(host, "switch", "do", "web", "v3", { run: "run-v3" });
      assert.equal(again.exitCode, 0, again.said);
      assert.deepEqual(await states(host), ["inactive", "active"]);
      assert.equal(await mainPid(host, "b"), begun);
      assert.equal((await task(host, "confirm", "do", "web", "v3", { run: "run-v3", session: "b" })).exitCode, 0);
      assert.equal((await task(host, "commit", "do", "web", "v3", { run: "run-v3", session: "b" })).exitCode, 0);
      assert.equal(await trial(host, "web"), "");
      assert.match(await readFile(host.pathOf(`${STATE}/components/web/committed`), "utf8"), /^version v3$/m);
    }),
);

test(
  "systemd: a unit whose main process systemd does not know is refused by check: nothing could be handed over from it",
  {
    skip: systemdSkip,
  },
  () =>
    withSystemdLab(1, async ({ hosts: [host] }) => {
      assert.ok(host);
      await enrol(host);
      const two = "#!/bin/sh\nsetsid sleep 86400 &\nsetsid sleep 86400 &\nsleep 0.2\n";
      await write(
        host,
        "/etc/systemd/system/pair.service",
        "[Service]\nType=forking\nExecStart=/srv/pair/current/app\n",
        0o644,
      );
      await must(host, "systemctl", "daemon-reload");
      await install(host, "pair", "v1", two);
      for (const strategy of ["exec", "reload", "restart"])
        await install(host, "pair", `v2-${strategy}`, two, { "switch.strategy": strategy });
      assert.equal(await lacking(host, "pair", "v2-exec"), "", "nothing runs");
      await commit(host, "pair", "v1");
      for (const strategy of ["exec", "reload"])
        assert.match(
          await lacking(host, "pair", `v2-${strategy}`),
          new RegExp(`systemd knows no main process of pair.service, which strategy ${strategy} hands over from`),
        );
      assert.equal(await lacking(host, "pair", "v2-restart"), "");
    }),
);
