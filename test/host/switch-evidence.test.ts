// What the evidence of a failed switch under systemd holds: words of the version that failed, not of the one before it.
import assert from "node:assert/strict";
import { test } from "node:test";
import { commit, current, enrol, install, must, task, write } from "../support/systemd-parts.ts";
import { systemdSkip, withSystemdLab } from "../support/with-lab.ts";

const unit = "[Service]\nType=notify\nNotifyAccess=all\nExecStart=/srv/web/current/app\n";
const well = `#!/bin/sh
for line in 1 2 3 4 5 6 7 8; do echo "v1 refuses request $line"; done
systemd-notify --ready
exec sleep 86400
`;
const ill = "#!/bin/sh\necho 'v2 cannot read its settings' >&2\nexit 3\n";

test(
  "systemd: the evidence of a switch that failed has the log since it began, not what the version before said; a clock that was set back hides nothing",
  { skip: systemdSkip },
  () =>
    withSystemdLab(1, async ({ hosts: [host] }) => {
      assert.ok(host);
      await enrol(host);
      await write(host, "/etc/systemd/system/web.service", unit, 0o644);
      await must(host, "systemctl", "daemon-reload");
      await install(host, "web", "v1", well);
      await install(host, "web", "v2", ill, { "health.0.kind": "unit", "health.0.within-seconds": "1" });
      await commit(host, "web", "v1");
      // Times of the log are compared by the second.
      await must(
        host,
        "sh",
        "-c",
        "journalctl --sync; now=$(date +%s); until [ $(date +%s) -gt $((now + 1)) ]; do sleep 0.1; done",
      );
      const failed = await task(host, "switch", "do", "web", "v2", { run: "r2" });
      assert.notEqual(failed.exitCode, 0);
      assert.match(failed.said, /v2 cannot read its settings/);
      assert.doesNotMatch(failed.said, /v1 refuses/);

      const kept = "/var/lib/cutover/components/web/trial/armed/since-switch";
      await must(host, "sh", "-c", `echo $(($(date +%s) + 86400)) >${kept}`);
      const again = await task(host, "health", "do", "web", "v2", { run: "r2", session: "b" });
      assert.match(again.said, /v2 cannot read its settings/);

      const back = await task(host, "switch", "undo", "web", "v2", { run: "r2", session: "b" });
      assert.equal(back.exitCode, 0, back.said);
      assert.equal(await current(host, "web"), "versions/v1");
    }),
);
