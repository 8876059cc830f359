// Strategy reload while HAProxy's master executes itself again: for a moment its pid file is gone, and a signal that comes then is
// forgotten. Here that moment lasts until host.sh, called meanwhile, has looked at what runs.
import assert from "node:assert/strict";
import { access, chmod, readFile, rename, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe } from "node:test";
import { failures, underLoad } from "../support/asking-clients.ts";
import { type PartsHost, shells, withPartsHost } from "../support/host-parts.ts";
import { insertedAt, type KillPoint, killedAt } from "../support/killed-at.ts";
import { assertOneMaster, crashAndStartAnew, installHaproxy, nginxSkip } from "../support/master-services.ts";
import { commit, switchTo } from "../support/parts-steps.ts";
import { inTurn } from "../support/shells.ts";
import { until } from "../support/until.ts";

const asked: KillPoint = ["reload_to", "\treload_wait"];
const found: KillPoint = ["reload_to", "\treload_understands"];

for (const shell of shells) {
  const test = inTurn(shell.join(" "));
  const name = shell.join(" ");
  describe(name, { concurrency: 2, skip: nginxSkip }, () => {
    for (const [who, startAnew] of [
      ["host.sh started", false],
      ["somebody else started", true],
    ] as const) {
      test(`${name}: P6, P11: killed when it had asked a master that ${who}, host.sh goes on and goes back while that executes itself`, () =>
        withGatedHaproxy(shell, async ({ host, whole, gate }) => {
          if (startAnew) await crashAndStartAnew(host, "v1");
          const main = await host.pid();
          const answers = await underLoad(host.port, async () => {
            for (const [run, action] of Object.entries({ on: "do", back: "undo" } as const)) {
              const call = { version: "v2", run };
              await gate.close();
              await writeFile(host.script, killedAt(whole, asked));
              assert.equal((await host.task("switch", "do", call)).exitCode, 137);
              await gate.reached();
              await writeFile(host.script, insertedAt(whole, found, gate.opens));
              const next = await host.task("switch", action, call);
              assert.equal(next.exitCode, 0, `${action}: ${next.reason} ${next.evidence}`);
              await assertOneMaster(host, action === "do" ? "v2" : "v1");
              await writeFile(host.script, whole);
              assert.equal((await host.task("switch", "undo", call)).exitCode, 0);
              await assertOneMaster(host, "v1");
            }
          });
          assert.deepEqual(failures(answers), []);
          assert.equal(await host.pid(), main);
        }));
    }

    for (const [how, where] of Object.entries({
      "waits for that, and asks": found,
      "asks anew when that took longer than it waits": ["reload_wait", "\twhile :"] as const,
    }))
      test(`${name}: P11: a switch that comes while an operator's own reload is under way ${how}`, () =>
        withGatedHaproxy(shell, async ({ host, whole, gate }) => {
          const main = (await host.pid()) ?? 0;
          const answers = await underLoad(host.port, async () => {
            await gate.close();
            process.kill(main, "SIGUSR2");
            await gate.reached();
            await writeFile(host.script, insertedAt(whole, where, gate.opens));
            const switched = await switchTo(host, "v2");
            assert.equal(switched.exitCode, 0, `${switched.reason} ${switched.evidence}`);
            assert.match(switched.evidence, new RegExp(`old-pid=${main} new-pid=${main} from=v1 to=v2`));
            await assertOneMaster(host, "v2");
          });
          assert.deepEqual(failures(answers), []);
        }));

    test(`${name}: a main process whose pid file somebody removed is asked all the same, and named again`, () =>
      withGatedHaproxy(shell, async ({ host }) => {
        const main = await host.pid();
        await rm(join(host.state, "components/web/pid"));
        const answers = await underLoad(host.port, async () => {
          assert.equal((await switchTo(host, "v2")).exitCode, 0);
        });
        assert.deepEqual(failures(answers), []);
        await assertOneMaster(host, "v2");
        assert.equal(await host.pid(), main);
      }));
  });
}

interface Gate {
  /** A master that executes itself from now on waits before it does anything, without a pid file. */
  close(): Promise<void>;
  /** Resolves when it waits there. */
  reached(): Promise<void>;
  /** The line of a script that lets it go on. */
  readonly opens: string;
}

interface Gated {
  readonly host: PartsHost;
  readonly whole: string;
  readonly gate: Gate;
}

/** The real HAProxy with v1 committed and v2 built. A master that executes itself does so by way of a script, of its old version still, that holds the gate. */
async function withGatedHaproxy(shell: readonly string[], body: (gated: Gated) => Promise<void>): Promise<void> {
  await withPartsHost(shell, async (host) => {
    const closed = join(host.base, "closed");
    const pidFile = join(host.state, "components/web/pid");
    for (const version of ["v1", "v2"]) {
      await installHaproxy(host, version);
      const program = join(host.base, "web/versions", version, "bin/haproxy");
      await rename(program, `${program}.real`);
      await writeFile(
        program,
        `#!/bin/bash
# HAProxy sets these two when it executes itself: for a reload, and once more when that is done.
if [ -n "\${HAPROXY_MWORKER_REEXEC-}" ] && [ -z "\${HAPROXY_MWORKER_WAIT_ONLY-}" ] && [ -e "${closed}" ]; then
	rm -f "${pidFile}"
	while [ -e "${closed}" ]; do sleep 0.01; done
fi
exec -a "$0" "${program}.real" "$@"
`,
      );
      await chmod(program, 0o755);
    }
    await commit(host, "v1");
    await body({
      host,
      whole: await readFile(host.script, "utf8"),
      gate: {
        close: () => writeFile(closed, ""),
        reached: () =>
          until("the master executes itself", 5000, () =>
            access(pidFile).then(
              () => false,
              () => true,
            ),
          ),
        opens: `rm -f "${closed}"`,
      },
    });
  });
}
