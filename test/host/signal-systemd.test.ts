// Strategy signal under systemd, with nginx and the unit of deploy/components: whom systemd takes for the main process, and when. One host.
import assert from "node:assert/strict";
import { test } from "node:test";
import type { LabHost } from "../../src/lab/lab.ts";
import { ask, failures, underLoad } from "../support/asking-clients.ts";
import { enrolNginx, installNginx, layNginxUnit, nginxContract, nginxUnit } from "../support/systemd-nginx.ts";
import { commit, current, install, must, SCRIPT, STATE, task, trial, write } from "../support/systemd-parts.ts";
import { until } from "../support/until.ts";
import { debianServersSkip, withSystemdLab } from "../support/with-lab.ts";

async function property(host: LabHost, name: string): Promise<string> {
  return must(host, "systemctl", "show", "-p", name, "--value", "nginx.service");
}
async function pidFiles(host: LabHost): Promise<Record<string, string>> {
  const said = await must(host, "sh", "-c", "cd /run/nginx && for f in *.pid*; do echo $f $(cat $f); done");
  return Object.fromEntries(said.split("\n").map((line) => line.split(" ") as [string, string]));
}
const probed = async (host: LabHost): Promise<string> => {
  const words = `T_FAIL_FILE=/dev/null; T_COMPONENT=nginx; load_contract nginx $(current_version /srv/nginx); manager_facts`;
  return must(host, "sh", SCRIPT, STATE, "call", "eval", words);
};
/** One master, which systemd takes for the main process of a unit that was never started anew, and nothing beside it. */
async function assertOneMaster(host: LabHost, version: string, pid?: string): Promise<void> {
  await until("systemd to follow", 5000, async () => {
    const files = await pidFiles(host);
    return files["nginx.pid"] === (await property(host, "MainPID")) && Object.keys(files).length === 1;
  });
  const main = await property(host, "MainPID");
  if (pid !== undefined) assert.equal(main, pid);
  assert.equal(await probed(host), `active yes\npid ${main}`);
  assert.equal(await property(host, "NRestarts"), "0");
  const masters = await must(host, "sh", "-c", "grep -l '^nginx: maste[r]' /proc/[0-9]*/cmdline | cut -d/ -f3");
  assert.equal(masters, main);
  assert.equal(await ask(8080, "/", host.address), version);
}

test(
  "systemd: R20: nginx is switched and taken back, systemd follows the masters, and no request fails",
  {
    skip: debianServersSkip,
  },
  () =>
    withSystemdLab(1, async ({ hosts: [host] }) => {
      assert.ok(host);
      await enrolNginx(host);
      await installNginx(host, "broken", "nonsense;\n");
      await commit(host, "nginx", "v1");
      const first = await property(host, "MainPID");
      const started = await property(host, "InvocationID");
      const answers = await underLoad(
        8080,
        async () => {
          await assertOneMaster(host, "v1", first);
          const switched = await task(host, "switch", "do", "nginx", "v2", { run: "one" });
          const second = (await pidFiles(host))["nginx.pid"] ?? "";
          assert.match(switched.said, new RegExp(`old-pid=${first} new-pid=${second} from=v1 to=v2`));
          assert.equal(await property(host, "MainPID"), first, "systemd knows of the old one until that ends");
          assert.equal(await probed(host), `active yes\npid ${second}`, "a probe names who serves");
          assert.deepEqual(await pidFiles(host), { "nginx.pid": second, "nginx.pid.oldbin": first });
          assert.equal((await task(host, "switch", "undo", "nginx", "v2", { run: "one" })).exitCode, 0);
          await assertOneMaster(host, "v1", first);

          const failed = await task(host, "switch", "do", "nginx", "broken", { run: "two" });
          assert.match(failed.said, /old pid \d+ still serves; broken ended before it was ready;.*nonsense/s);
          assert.equal((await task(host, "switch", "undo", "nginx", "broken", { run: "two" })).exitCode, 0);
          await assertOneMaster(host, "v1", first);

          await commit(host, "nginx", "v2");
          assert.notEqual(await property(host, "MainPID"), first);
          await assertOneMaster(host, "v2");
          await commit(host, "nginx", "v1");
          await assertOneMaster(host, "v1");
        },
        host.address,
      );
      assert.deepEqual(failures(answers), []);
      assert.ok((answers.v1 ?? 0) > 0 && (answers.v2 ?? 0) > 0, JSON.stringify(answers));
      assert.equal(await property(host, "InvocationID"), started, "the unit was never started anew");
    }),
);

test(
  "systemd: P8: the timer takes nginx back; a killed old master is no restart, and the way back then is a hand-over",
  {
    skip: debianServersSkip,
  },
  () =>
    withSystemdLab(1, async ({ hosts: [host] }) => {
      assert.ok(host);
      const answers = await underLoad(
        8080,
        async () => {
          const first = await property(host, "MainPID");
          await task(host, "switch", "do", "nginx", "v2", { run: "late", options: "deadline=3" });
          await until("the way back", 10_000, async () => (await trial(host, "nginx")) === "reverted");
          await assertOneMaster(host, "v1", first);
          assert.equal((await task(host, "switch", "do", "nginx", "v2", { run: "dead" })).exitCode, 0);
          await must(host, "kill", "-KILL", first);
          await until("systemd to take the new one", 3000, async () => (await property(host, "MainPID")) !== first);
          assert.equal(await ask(8080, "/", host.address), "v2");
          assert.equal((await task(host, "switch", "undo", "nginx", "v2", { run: "dead" })).exitCode, 0);
          await assertOneMaster(host, "v1");
        },
        host.address,
      );
      assert.deepEqual(failures(answers), []);
    }),
);

test(
  "systemd: P8: a reboot during the trial starts the old version; a first install that goes back leaves nothing running",
  {
    skip: debianServersSkip,
    timeout: 1_200_000,
  },
  () =>
    withSystemdLab(1, async ({ hosts: [host] }) => {
      assert.ok(host);
      assert.equal((await task(host, "switch", "do", "nginx", "v2", { run: "boot" })).exitCode, 0);
      await host.reboot();
      assert.equal(await trial(host, "nginx"), "reverted");
      assert.equal(await current(host, "nginx"), "versions/v1");
      await until("nginx", 5000, async () => (await ask(8080, "/", host.address)) === "v1");
      await assertOneMaster(host, "v1");
      await must(host, "systemctl", "stop", "nginx.service");
      await must(host, "sh", "-c", `rm -rf /srv/nginx/current ${STATE}/components/nginx/committed`);
      assert.equal((await task(host, "switch", "do", "nginx", "v1", { run: "first" })).exitCode, 0);
      assert.equal((await task(host, "switch", "undo", "nginx", "v1", { run: "first" })).exitCode, 0);
      assert.equal(await property(host, "ActiveState"), "inactive");
      assert.equal(await current(host, "nginx"), "");
    }),
);

test(
  "systemd: a unit that lost its pid file during the trial keeps the old master: the commit fails, and goes through once it is mended",
  { skip: debianServersSkip },
  () =>
    withSystemdLab(1, async ({ hosts: [host] }) => {
      assert.ok(host);
      await commit(host, "nginx", "v1");
      const right = await nginxUnit();
      const answers = await underLoad(
        8080,
        async () => {
          assert.equal((await task(host, "switch", "do", "nginx", "v2", { run: "odd" })).exitCode, 0);
          assert.equal((await task(host, "confirm", "do", "nginx", "v2", { run: "odd", session: "b" })).exitCode, 0);
          for (const [text, said] of [
            [right.replace(/^PIDFile=.*$/m, ""), /unit-changed/],
            [right, /committed=v2/],
          ] as const) {
            await layNginxUnit(host, text);
            assert.match((await task(host, "commit", "do", "nginx", "v2", { run: "odd" })).said, said);
          }
          await assertOneMaster(host, "v2");
          await commit(host, "nginx", "v1");
        },
        host.address,
      );
      assert.deepEqual(failures(answers), []);
    }),
);

test("systemd: a pid file that names a stranger is no reason to signal it (T9)", { skip: debianServersSkip }, () =>
  withSystemdLab(1, async ({ hosts: [host] }) => {
    assert.ok(host);
    await commit(host, "nginx", "v1");
    const stranger = "trap 'touch /run/was-signalled' HUP USR2 WINCH QUIT TERM; while :; do sleep 0.1; done";
    await must(host, "systemd-run", "--quiet", "--unit=stranger", "sh", "-c", stranger);
    const pid = await must(host, "systemctl", "show", "-p", "MainPID", "--value", "stranger.service");
    await must(
      host,
      "sh",
      "-c",
      `for f in nginx.pid nginx.pid.2 nginx.pid.oldbin; do echo ${pid} >/run/nginx/$f; done`,
    );
    assert.equal(await probed(host), "active yes", "the probe does not name it either");
    // Nobody is known who could be asked, so the unit is started anew.
    assert.match(
      (await task(host, "switch", "do", "nginx", "v2", { run: "odd" })).said,
      /old-pid=none new-pid=\d+ from=v1/,
    );
    assert.equal((await task(host, "switch", "undo", "nginx", "v2", { run: "odd" })).exitCode, 0);
    await assertOneMaster(host, "v1");
    assert.equal((await host.run(["test", "-e", "/run/was-signalled"])).exitCode, 1);
    await must(host, "systemctl", "kill", "--signal=KILL", "stranger.service");
  }),
);

test(
  "systemd: a unit that cannot carry strategy signal is refused by the check, each reason by name",
  {
    skip: debianServersSkip,
  },
  () =>
    withSystemdLab(1, async ({ hosts: [host] }) => {
      assert.ok(host);
      const right = await nginxUnit();
      const lacks = async (edit: (text: string) => string, file = "/run/nginx/nginx.pid"): Promise<string> => {
        await layNginxUnit(host, edit(right));
        await install(host, "nginx", "v1", "", { ...nginxContract, "switch.pid-file": file });
        const words = `T_FAIL_FILE=/dev/null; T_COMPONENT=nginx; T_VERSION=v1; load_contract nginx v1; LACKS=; check_strategy; echo "$LACKS"`;
        return must(host, "sh", SCRIPT, STATE, "call", "eval", words);
      };
      assert.equal(await lacks((text) => text), "");
      assert.match(
        await lacks((text) => text.replace("Type=forking", "Type=exec")),
        /needs Type=forking in nginx\.service/,
      );
      assert.match(await lacks((text) => text.replace(/^PIDFile=.*$/m, "")), /needs PIDFile=\/run\/nginx\/nginx\.pid/);
      assert.match(await lacks((text) => text, "/run/other.pid"), /needs PIDFile=\/run\/other\.pid in nginx\.service/);
      assert.match(await lacks((text) => `${text}\n[Service]\nKillMode=process\n`), /leaves a master behind/);
      await must(host, "sh", "-c", "mkdir -p /srv/open/nginx && chmod 777 /srv/open");
      const open = "/srv/open/nginx/nginx.pid";
      assert.match(
        await lacks((text) => text.replace(/^PIDFile=.*$/m, `PIDFile=${open}`), open),
        /can move the directory/,
      );
    }),
);

test(
  "systemd: a process of an instance in a slice whose name is escaped belongs to its unit, another does not",
  { skip: debianServersSkip },
  () =>
    withSystemdLab(1, async ({ hosts: [host] }) => {
      assert.ok(host);
      await write(host, "/etc/systemd/system/two-part@.service", "[Service]\nExecStart=/bin/sleep 600\n", 0o644);
      await must(host, "systemctl", "daemon-reload");
      await must(host, "systemctl", "start", "two-part@1.service");
      const shown = (name: string) => must(host, "systemctl", "show", "-p", name, "--value", "two-part@1.service");
      assert.match(await shown("ControlGroup"), /two\\x2dpart/);
      const owns = async (pid: string) =>
      must(host, "sh", SCRIPT, STATE, "call", "eval", `CONTRACT=/run/two-part; echo "unit.0 two-part@1.service" >"$CONTRACT"; rc=0; systemd_owns ${pid} || rc=$?; echo "$rc"`); // biome-ignore format: one line
      assert.equal(await owns(await shown("MainPID")), "0");
      assert.equal(await owns("1"), "1");
      await must(host, "systemctl", "stop", "two-part@1.service");
    }),
);
