// The SDK's units under a real systemd: stopped, started and restarted when they are not so already, and put back by undo.
import assert from "node:assert/strict";
import { mkdir, writeFile } from "node:fs/promises";
import { test } from "node:test";
import { readSdk } from "../../src/host/read-sdk.ts";
import type { LabHost } from "../../src/lab/lab.ts";
import { systemdSkip, withSystemdLab } from "../support/with-lab.ts";

const PLACE = "/opt/sdk-test";
const UNIT = "sdk-test.service";

async function run(host: LabHost, action: "do" | "undo", calls: string) {
  await writeFile(host.pathOf(`${PLACE}/task`), `#!/bin/sh\nset -eu\n. "\${0%/*}/cutover.sh"\n${calls}\n`, {
    mode: 0o755,
  });
  const ran = await host.run([
    "env",
    "-i",
    "PATH=/usr/bin:/bin",
    `CUTOVER_STATE=${PLACE}/state`,
    `CUTOVER_ACTION=${action}`,
    `${PLACE}/task`,
  ]);
  return { exitCode: ran.exitCode, said: ran.stdout + ran.stderr };
}

test(
  "R35: under systemd a task stops, starts and restarts units only when they are not so already, and undo puts them back as they were",
  { skip: systemdSkip },
  () =>
    withSystemdLab(1, async ({ hosts: [host] }) => {
      assert.ok(host);
      const ask = async (...words: string[]): Promise<string> =>
        (await host.run(["systemctl", ...words, UNIT])).stdout.trim();
      await mkdir(host.pathOf(`${PLACE}/state`), { recursive: true });
      await writeFile(host.pathOf(`${PLACE}/cutover.sh`), readSdk("cutover.sh"), { mode: 0o755 });
      await writeFile(
        host.pathOf(`/etc/systemd/system/${UNIT}`),
        `[Service]\nExecStart=/bin/sh -c 'cat ${PLACE}/settings; exec sleep 86400'\n`,
      );
      await writeFile(host.pathOf(`${PLACE}/settings`), "speed=1\n");
      try {
        await host.run(["systemctl", "daemon-reload"]);
        await host.run(["systemctl", "start", UNIT]);
        const pid = await ask("show", "-p", "MainPID", "--value");
        const edit = `cutover_stop ${UNIT}\ncutover_edit ${PLACE}/settings speed 2\n`;
        for (const said of [`stop ${UNIT}`, `already: stop ${UNIT}`]) {
          const done = await run(host, "do", edit);
          assert.equal(done.exitCode, 0, done.said);
          assert.match(done.said, new RegExp(`^${said}$`, "m"));
          assert.equal(await ask("is-active"), "inactive");
        }
        const undone = await run(host, "undo", "cutover_undo");
        assert.equal(undone.exitCode, 0, undone.said);
        assert.equal(await ask("is-active"), "active");
        assert.notEqual(await ask("show", "-p", "MainPID", "--value"), pid);
        assert.match(await (async () => (await host.run(["cat", `${PLACE}/settings`])).stdout)(), /^speed=1$/m);
        const second = await ask("show", "-p", "MainPID", "--value");
        assert.match(
          (await run(host, "do", `cutover_start ${UNIT}\ncutover_restart ${UNIT}`)).said,
          /already: start .*\nrestart /,
        );
        const third = await ask("show", "-p", "MainPID", "--value");
        assert.notEqual(third, second);
        // What was restarted reads the old settings again: undo lets it stand still while they go back.
        assert.equal((await run(host, "undo", "cutover_undo")).exitCode, 0);
        assert.notEqual(await ask("show", "-p", "MainPID", "--value"), third);
        await host.run(["systemctl", "stop", UNIT]);
        assert.equal((await run(host, "do", `cutover_start ${UNIT}`)).exitCode, 0);
        assert.equal((await run(host, "undo", "cutover_undo")).exitCode, 0);
        assert.equal(await ask("is-active"), "inactive", "it did not run before the task");
        await writeFile(
          host.pathOf(`/etc/systemd/system/${UNIT}`),
          "[Service]\nType=oneshot\nExecStart=/bin/sh -c 'echo no disk; exit 3'\n",
        );
        await host.run(["systemctl", "daemon-reload"]);
        const failed = await run(host, "do", `cutover_start ${UNIT}\ncutover_say went on`);
        assert.equal(failed.exitCode, 1);
        assert.match(failed.said, /cutover: systemctl start sdk-test\.service: [\s\S]*no disk/);
        assert.doesNotMatch(failed.said, /went on/);
      } finally {
        await host.run(["systemctl", "stop", UNIT]);
        await host.run(["rm", "-rf", PLACE, `/etc/systemd/system/${UNIT}`]);
        await host.run(["systemctl", "daemon-reload"]);
      }
    }),
);
