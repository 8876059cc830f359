// What the evidence of a failed switch under systemd holds: words of the version that failed, and those of the one before it only when
// there are no others, and marked. A log that does not answer holds no way back up (P8).
import assert from "node:assert/strict";
import { mkdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { type PartsHost, shells, withPartsHost } from "../support/host-parts.ts";
import { inTurn } from "../support/shells.ts";
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
      assert.doesNotMatch(failed.said, /v1 refuses|nothing logged/);

      const kept = "/var/lib/cutover/components/web/trial/armed/since-switch";
      await must(host, "sh", "-c", `echo $(($(date +%s) + 86400)) >${kept}`);
      const again = await task(host, "health", "do", "web", "v2", { run: "r2", session: "b" });
      assert.match(again.said, /nothing logged since the switch[\s\S]*v2 cannot read its settings/);

      const back = await task(host, "switch", "undo", "web", "v2", { run: "r2", session: "b" });
      assert.equal(back.exitCode, 0, back.said);
      assert.equal(await current(host, "web"), "versions/v1");
    }),
);

/** The evidence of two units on trial, where `log` is what the question for a unit's log does; and how often that was asked. */
async function evidence(host: PartsHost, log: string): Promise<{ said: string; asked: number }> {
  await host.install("v1", { contract: { manager: "systemd", "unit.0": "a.service", "unit.1": "b.service" } });
  const [trial, asked] = [join(host.state, "components/web/trial/armed"), join(host.base, "asked")];
  await mkdir(trial, { recursive: true });
  await writeFile(join(trial, "since-switch"), "1700000000\n");
  await writeFile(asked, "");
  const whole = await readFile(host.script, "utf8");
  const more = `
timeout() { case "$*" in *journalctl*) echo >>${asked}; ${log} ;; *) echo Id=unit ;; esac; }
say_evidence() { T_COMPONENT=web; load_contract web v1; manager_status_evidence; }
`;
  await writeFile(
    host.script,
    whole.replace("\ncheck_contract() {", (head) => more + head),
  );
  const { exitCode, stdout } = await host.word("call", "say_evidence");
  assert.equal(exitCode, 0);
  await writeFile(host.script, whole);
  return { said: stdout, asked: (await readFile(asked, "utf8")).length };
}

for (const shell of shells) {
  const test = inTurn(shell.join(" "));
  const name = shell.join(" ");
  test(`${name}: P8: a log that does not answer is asked once, and said to be silent; of one that has nothing since the switch what was before is marked`, () =>
    withPartsHost(shell, async (host) => {
      for (const status of [124, 137, 143]) {
        const silent = await evidence(host, `return ${status}`);
        assert.equal(silent.asked, 1, `${status}`);
        assert.match(silent.said, /^Id=unit *\nits log does not answer\nId=unit *\n$/);
      }
      const half = await evidence(host, 'case "$*" in *--since=*) ;; *) return 124 ;; esac');
      assert.deepEqual([half.asked, half.said.match(/does not answer/g)?.length], [2, 1]);
      const before = await evidence(host, 'case "$*" in *--since=*) ;; *) echo "v1 refuses" ;; esac');
      assert.match(before.said, /^(Id=unit *\nnothing logged since the switch.*:\nv1 refuses\n){2}$/);
      const since = await evidence(
        host,
        'case "$*" in *--since=@1700000000*) echo "v2 fails" ;; *) echo "v1 refuses" ;; esac',
      );
      assert.match(since.said, /^(Id=unit *\nv2 fails\n){2}$/);
      const none = await evidence(host, "return 1");
      assert.match(none.said, /^(Id=unit *\n){2}$/, "no line of a journal that is empty");
    }));
}
