// Strategies exec and takeover where what runs does not know the signal that asks for a successor, or ends by it: most signals end a process
// that has no handler, and the first release to such a strategy finds a version that was written without one.
import assert from "node:assert/strict";
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe } from "node:test";
import { ask, failures, underLoad } from "../support/asking-clients.ts";
import { type PartsHost, shells, withPartsHost } from "../support/host-parts.ts";
import { alive, serviceProcesses } from "../support/live-processes.ts";
import { commit, confirmAndCommit, switchTo, undo } from "../support/parts-steps.ts";
import { inTurn } from "../support/shells.ts";

for (const shell of shells) {
  const test = inTurn(shell.join(" "));
  const name = shell.join(" ");
  describe(name, { concurrency: 3 }, () => {
    for (const strategy of ["exec", "takeover"]) {
      test(`${name}: P11: ${strategy} is refused, also by the check, where the running version has no handler; one release with restart brings it`, () =>
        withPartsHost(shell, async (host) => {
          await install(host, "v1", { "switch.strategy": "restart" });
          await host.installService("v2", {}, { "switch.strategy": strategy });
          await commit(host, "v1");
          const first = (await host.pid()) ?? 0;
          const answers = await underLoad(host.port, async () => {
            const refused = await switchTo(host, "v2");
            assert.equal(refused.reason, "cannot-hand-over", refused.evidence);
            const why = new RegExp(
              `pid ${first} does not handle USR2, .* strategy ${strategy} .*once with strategy restart`,
            );
            assert.match(refused.evidence, why);
            assert.match(await lacks(host, "v2"), why);
            assert.deepEqual([await host.trial(), await host.current(), await host.pid()], ["none", "v1", first]);
          });
          assert.deepEqual(Object.keys(answers), ["v1"]);
          await host.installService("v2", {}, { "switch.strategy": "restart" });
          await host.installService("v3", {}, { "switch.strategy": "exec" });
          for (const version of ["v2", "v3"]) {
            assert.equal(await lacks(host, version), "");
            await commit(host, version);
            assert.equal(await ask(host.port), version);
          }
        }));

      test(`${name}: P11: ${strategy} asks nobody who lost the handler since it was prepared: the old one serves on, and stays on the way back`, () =>
        withPartsHost(shell, async (host) => {
          await install(host, "v1", { "switch.strategy": strategy });
          await host.installService("v2", {}, { "switch.strategy": strategy });
          await commit(host, "v1");
          const first = await host.pid();
          const whole = await readFile(host.script, "utf8");
          await writeFile(host.script, whole.replace("exec_prepare() {", "exec_prepare() { return 0;"));
          const answers = await underLoad(host.port, async () => {
            for (const _again of ["first", "continued"]) {
              const refused = await switchTo(host, "v2");
              assert.equal(refused.reason, "cannot-hand-over", refused.evidence);
              assert.deepEqual([await host.trial(), await host.current(), await host.pid()], ["armed", "v2", first]);
            }
            await undo(host, "v2");
            assert.deepEqual([await host.current(), await host.pid()], ["v1", first]);
          });
          assert.deepEqual(Object.keys(answers), ["v1"]);
        }));
    }

    test(`${name}: P11: a contract that names another signal than the running version knows is refused`, () =>
      withPartsHost(shell, async (host) => {
        await host.installService("v1");
        await host.installService("v2", {}, { "switch.upgrade-signal": "HUP" });
        await commit(host, "v1");
        const refused = await switchTo(host, "v2");
        assert.equal(refused.reason, "cannot-hand-over", refused.evidence);
        assert.match(refused.evidence, /does not handle HUP/);
        assert.equal(await ask(host.port), "v1");
      }));

    test(`${name}: P11: a new version that has not what the running one was told to start is refused; one release with restart brings it`, () =>
      withPartsHost(shell, async (host) => {
        const moved = { "switch.start": "bin/start" };
        await host.installService("v1", {}, { "switch.start": "start" }, { start: startServer });
        await host.installService("v2", {}, moved, { "bin/start": startServer });
        await host.installService("v3", {}, { ...moved, "switch.strategy": "restart" }, { "bin/start": startServer });
        await host.installService("v4", {}, moved, { "bin/start": startServer });
        await commit(host, "v1");
        const first = await host.pid();
        const why = new RegExp(`pid ${first} starts its successor as .*/web/current/start, .* v2 does not have`);
        const answers = await underLoad(host.port, async () => {
          const refused = await switchTo(host, "v2");
          assert.equal(refused.reason, "cannot-hand-over", refused.evidence);
          for (const said of [refused.evidence, await lacks(host, "v2")]) assert.match(said, why);
          assert.deepEqual([await host.trial(), await host.pid()], ["none", first]);
        });
        assert.deepEqual(Object.keys(answers), ["v1"]);
        for (const version of ["v3", "v4"]) await commit(host, version);
        assert.equal(await ask(host.port), "v4");
      }));

    test(`${name}: P8: a new version that lost the handler is stopped properly on the way back, and the old one starts at once`, () =>
      withPartsHost(shell, async (host) => {
        await host.installService("v1", {}, { "switch.start": "start" }, { start: startServer });
        await install(host, "v2");
        await host.installService("v3", {}, { "switch.start": "start" }, { start: startServer });
        await commit(host, "v1");
        for (const run of ["back", "on"]) {
          const switched = await host.task("switch", "do", { version: "v2", run, session: "a" });
          assert.equal(switched.exitCode, 0, `${switched.reason} ${switched.evidence}`);
          assert.equal(await ask(host.port), "v2");
          if (run === "on") break;
          const second = await host.pid();
          assert.match(await undo(host, "v2", run), new RegExp(`old-pid=${second} `));
          assert.match(await log(host), new RegExp(`^${second} ends by TERM$`, "m"), "it was not sent what kills it");
          assert.equal(await ask(host.port), "v1");
          assert.equal((await serviceProcesses(host)).length, 1);
        }
        await confirmAndCommit(host, "v2", "on");
        assert.equal((await switchTo(host, "v3")).reason, "cannot-hand-over");
        assert.equal(await ask(host.port), "v2");
      }));

    test(`${name}: P8: a running version that ends over the signal and leaves nothing is told from one whose successor is late`, () =>
      withPartsHost(shell, async (host) => {
        const patient = { "switch.ready-seconds": "60", "switch.start": "start" };
        await install(host, "v1", patient, { onUpgrade: "process.exit(7)" });
        await host.installService("v2", {}, patient, { start: startServer });
        await commit(host, "v1");
        const switched = await switchTo(host, "v2", "50");
        assert.equal(switched.reason, "new-version-died", switched.evidence);
        assert.match(switched.evidence, /pid \d+ ended when it was asked for v2, and nothing that it started is left/);
        await undo(host, "v2");
        assert.equal(await ask(host.port), "v1");

        await install(
          host,
          "v4",
          { ...patient, "switch.strategy": "restart" },
          { onUpgrade: `${startHeir}; process.exit(0)` },
        );
        await commit(host, "v4");
        const fourth = (await host.pid()) ?? 0;
        await install(host, "v5", patient, { readyAfterMs: 2500 });
        const answers = await underLoad(host.port, async () => {
          const late = await switchTo(host, "v5");
          assert.equal(late.exitCode, 0, `${late.reason} ${late.evidence}`);
          assert.equal(await alive(fourth), false);
          assert.equal(await ask(host.port), "v5");
        });
        assert.deepEqual(
          failures(answers).filter((failure) => failure.includes("ECONNREFUSED")),
          [],
          "the listener never closed; what v4 had begun is cut off by its own end",
        );
      }));
  });
}

const startServer =
  '#!/bin/sh\nhere=$(dirname "$(readlink -f "$0")")\ntest -e "$here/server.cjs" || here=$(dirname "$here")\nexec "$here/server.cjs"\n';
const startHeir =
  'require("node:child_process").spawn(process.env.CUTOVER_START, [], { detached: true, stdio: ["ignore", "inherit", "inherit", server._handle.fd], env: { ...process.env, LISTEN_FD: "3" } })';

/** A service without a handler for the signal, or with one that does not do what it is for. Its processes show neither start path nor directory. */
function install(
  host: PartsHost,
  version: string,
  contract: Record<string, string> = {},
  { onUpgrade, readyAfterMs = 0 }: { readonly onUpgrade?: string; readonly readyAfterMs?: number } = {},
): Promise<void> {
  const program = `
const { writeFileSync } = require("node:fs");
const { PORT, LISTEN_FD, CUTOVER_ADDRESS, CUTOVER_PID_FILE } = process.env;
const server = require("node:http").createServer((_request, response) => response.end(${JSON.stringify(version)}));
const listen = LISTEN_FD ? { fd: Number(LISTEN_FD) } : { port: Number(PORT), host: CUTOVER_ADDRESS };
setTimeout(() => server.listen(listen, () => writeFileSync(CUTOVER_PID_FILE, process.pid + "\\n")), ${readyAfterMs});
process.on("SIGTERM", () => {
  writeFileSync(2, process.pid + " ends by TERM\\n");
  process.exit(0);
});
${onUpgrade === undefined ? "" : `process.on("SIGUSR2", () => { ${onUpgrade}; });`}
`;
  const start = `#!/bin/sh\nhere=$(readlink -f "$0") && cd / && exec '${process.execPath}' "\${here%/*}/plain.cjs"\n`;
  return host.installService(version, {}, { "switch.start": "start", ...contract }, { start, "plain.cjs": program });
}

/** What the check says that this version lacks here. */
async function lacks(host: PartsHost, version: string): Promise<string> {
  const asked = `T_COMPONENT=web T_VERSION=${version} T_DIR=$STATE/components/web LACKS=
load_contract web ${version}
check_strategy
printf %s "$LACKS"`;
  const { exitCode, stdout } = await host.word("call", "eval", asked);
  assert.equal(exitCode, 0, stdout);
  return stdout;
}

const log = (host: PartsHost): Promise<string> => readFile(join(host.state, "components/web/log"), "utf8");
