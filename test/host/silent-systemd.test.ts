// A systemd that does not answer for a moment, as while it executes itself anew, says nothing about what runs: it is asked again, and whoever
// serves is neither started anew nor ended over that. One host, whose systemctl keeps questions to itself.
import assert from "node:assert/strict";
import { test } from "node:test";
import type { LabHost } from "../../src/lab/lab.ts";
import { ask, failures, underLoad } from "../support/asking-clients.ts";
import { enrolNginx } from "../support/systemd-nginx.ts";
import { commit, current, install, must, task, trial, write } from "../support/systemd-parts.ts";
import { until } from "../support/until.ts";
import { debianServersSkip, systemdSkip, withSystemdLab } from "../support/with-lab.ts";

const systemctl = "/usr/local/sbin/systemctl";
/** `said` is what it does with a question for properties; everything else it does as the true one. */
const answering = (said: string): string => `#!/bin/sh
case $1 in show) ${said} ;; esac
exec /usr/bin/systemctl "$@"
`;
/** Two of three questions go unanswered, in no regular order: who asks the same three again and again would hear the same one for ever. */
const oneOfThree = answering(
  `echo x >>/run/asked; said=$(wc -l </run/asked | cksum); [ $((\${said%% *} % 3)) -eq 0 ] || { echo "Failed to connect to bus" >&2; exit 1; }`,
);
const never = answering("exit 1");
async function whileSystemd(host: LabHost, answers: string, body: () => Promise<void>): Promise<void> {
  await write(host, systemctl, answers);
  try {
    await body();
  } finally {
    await must(host, "rm", systemctl);
  }
}

const property = (host: LabHost, unit: string, name: string): Promise<string> =>
  must(host, "/usr/bin/systemctl", "show", "-p", name, "--value", unit);

test(
  "systemd: P11: signal: nginx hands over, goes back and is committed while two of three questions go unanswered",
  {
    skip: debianServersSkip,
  },
  () =>
    withSystemdLab(1, async ({ hosts: [host] }) => {
      assert.ok(host);
      await enrolNginx(host);
      await commit(host, "nginx", "v1");
      const started = await property(host, "nginx.service", "InvocationID");
      const answers = await underLoad(
        8080,
        async () => {
          await whileSystemd(host, oneOfThree, async () => {
            const switched = await task(host, "switch", "do", "nginx", "v2", { run: "one" });
            assert.match(switched.said, /old-pid=\d+ new-pid=\d+ from=v1 to=v2/);
            assert.equal((await task(host, "switch", "undo", "nginx", "v2", { run: "one" })).exitCode, 0);
            assert.equal(await ask(8080, "/", host.address), "v1");
            await commit(host, "nginx", "v2");
          });
        },
        host.address,
      );
      assert.deepEqual(failures(answers), []);
      assert.ok((answers.v1 ?? 0) > 0 && (answers.v2 ?? 0) > 0, JSON.stringify(answers));
      assert.equal(await property(host, "nginx.service", "InvocationID"), started, "the unit was never started anew");
    }),
);

test(
  "systemd: P8, P11: where it never answers a switch is refused and nothing is touched; a way back needs no answer, and waits where it does",
  {
    skip: debianServersSkip,
  },
  () =>
    withSystemdLab(1, async ({ hosts: [host] }) => {
      assert.ok(host);
      await commit(host, "nginx", "v1");
      const started = await property(host, "nginx.service", "InvocationID");
      const answers = await underLoad(
        8080,
        async () => {
          await whileSystemd(host, never, async () => {
            const refused = await task(host, "switch", "do", "nginx", "v2", { run: "refused" });
            assert.equal(refused.exitCode, 69, refused.said);
            assert.match(refused.said, /systemd-silent[\s\S]*systemd does not say what runs as nginx\.service/);
            assert.equal(await current(host, "nginx"), "versions/v1");
          });
          assert.equal((await task(host, "switch", "do", "nginx", "v2", { run: "back" })).exitCode, 0);
          await whileSystemd(host, never, async () => {
            const undone = await task(host, "switch", "undo", "nginx", "v2", { run: "back" });
            assert.equal(undone.exitCode, 71, undone.said);
            assert.equal(await trial(host, "nginx"), "reverting");
            await until("the old master's workers", 10_000, async () => (await ask(8080, "/", host.address)) === "v1");
          });
          assert.equal((await task(host, "switch", "undo", "nginx", "v2", { run: "back" })).exitCode, 0);
          assert.equal(await current(host, "nginx"), "versions/v1");
        },
        host.address,
      );
      assert.deepEqual(failures(answers), []);
      assert.equal(await property(host, "nginx.service", "InvocationID"), started, "the unit was never started anew");
    }),
);

test(
  "systemd: exec: the main process hands over while two of three questions go unanswered, and is not started anew",
  {
    skip: systemdSkip,
  },
  () =>
    withSystemdLab(1, async ({ hosts: [host] }) => {
      assert.ok(host);
      const unit = `[Service]\nType=notify\nNotifyAccess=all\nExecStart=/srv/asked/current/app\n`;
      await write(host, "/etc/systemd/system/asked.service", unit, 0o644);
      await must(host, "systemctl", "daemon-reload");
      const hands = `#!/bin/sh
trap '/srv/asked/current/app &' USR2
trap 'exit 0' TERM
systemd-notify --ready --pid=$$
while :; do sleep 0.1; done
`;
      for (const version of ["v1", "v2"]) await install(host, "asked", version, hands, { "switch.strategy": "exec" });
      await commit(host, "asked", "v1");
      const first = await property(host, "asked.service", "MainPID");
      const started = await property(host, "asked.service", "InvocationID");
      await whileSystemd(host, oneOfThree, async () => {
        const switched = await task(host, "switch", "do", "asked", "v2", { run: "one" });
        const second = await property(host, "asked.service", "MainPID");
        assert.match(switched.said, new RegExp(`old-pid=${first} new-pid=${second} from=v1 to=v2`));
        assert.notEqual(second, first);
        assert.equal((await task(host, "switch", "undo", "asked", "v2", { run: "one" })).exitCode, 0);
        const third = await property(host, "asked.service", "MainPID");
        assert.ok(third !== first && third !== second, "who was asked has ended, and a new one runs v1");
        await commit(host, "asked", "v2");
      });
      assert.equal(await property(host, "asked.service", "InvocationID"), started, "the unit was never started anew");
      await must(host, "systemctl", "stop", "asked.service");
    }),
);
