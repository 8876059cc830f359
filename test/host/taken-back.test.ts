// A controller that lost sight of a host takes back what the host may still be at: the earlier step begins nothing more, an undo waits
// for its do, and a switch that was about to begin does not.
import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { parseProbe } from "../../src/host/protocol.ts";
import { withPartsHost } from "../support/host-parts.ts";
import { makeOffer, withHost } from "../support/host-session.ts";
import { inTurn, shells } from "../support/shells.ts";
import { until } from "../support/until.ts";

const tasks = `
task_hook_do() { echo "$T_ID" >>"$STATE/begun"; [ "$(task_option name)" != slow ] || until [ -e "$STATE/enough" ]; do nap; done; }
task_hook_undo() { :; }
`;

for (const shell of shells) {
  const test = inTurn(shell.name);
  const { name } = shell;
  test(`${name}: P10: a step that is taken back while it is at work begins no further group`, () =>
    withHost(shell, { extra: tasks }, async (host) => {
      const hook = (task: string, action: "do" | "undo" = "do") =>
        host.task("hook", "v1", { id: `h1/web/${task}`, action, options: { name: task } });
      const [first, second] = [await host.session({}), await host.session({})];
      const working = host.run(first, "switch.1", [[hook("slow")], [hook("next")]]);
      await until("the first task", 20_000, async () => existsSync(join(host.state, "begun")));
      // What undoes something else stops nothing.
      await host.run(second, "rollback.0", [[hook("other", "undo")]]);
      assert.ok(!existsSync(join(host.state, "runs/run-1/switch.1/overtaken")));
      await host.run(second, "rollback.1", [[hook("next", "undo")]]);
      await writeFile(join(host.state, "enough"), "");
      const ended = (await working).map(({ event }) => event).filter(({ state }) => state !== "running");
      assert.deepEqual(
        ended.map(({ task, state, reason }) => `${task} ${state} ${reason}`),
        ["h1/web/slow done ", "h1/web/next skipped taken-back"],
      );
      assert.equal(ended[1]?.evidence, "step rollback.1 takes back what this one does");
      assert.equal(await readFile(join(host.state, "begun"), "utf8"), "h1/web/slow\n");
      for (const session of [first, second]) await session.end();
    }));

  test(`${name}: P10: a way back that comes while a switch is about to be armed is not passed by it`, () =>
    withHost(
      shell,
      // Between its first look and the trial.
      { extra: 'check_contract() { [ "$T_KIND" != switch ] || mkdir -p "$STATE/runs/$T_RUN/rollback.1"; }' },
      async (host) => {
        const session = await host.session({});
        const offer = makeOffer(host);
        await host.offer(session, offer);
        await host.put(session, offer.payload);
        await host.run(session, "build", [[host.task("build", "v1")]]);
        const events = await host.run(session, "switch.1", [[host.task("switch", "v1")]]);
        assert.equal(events.at(-1)?.event.reason, "taken-back");
        const { components } = parseProbe((await session.request("probe")).data);
        const web = components.find(({ component }) => component === "web");
        assert.deepEqual([web?.built, web?.current, web?.state], [["v1"], undefined, "none"]);
        await session.end();
      },
    ));

  test(`${name}: P10: a task that waited while its undo was done does nothing any more`, () =>
    withHost(
      shell,
      {
        extra:
          'hook_trusted() { until [ -e "$STATE/enough" ]; do nap; done; }\nhook_task() { echo "$2" >>"$STATE/begun"; }',
      },
      async (host) => {
        const entries = [{ path: "tasks-do", content: "#!/bin/sh\n", mode: 0o755 }];
        const session = await host.session({});
        const contract = { "task.convert.do": "tasks-do", "task.convert.undo": "tasks-do", "drain.task": "convert", "drain.seconds": "20" }; // biome-ignore format: one line
        const offer = makeOffer(host, { bundle: entries, release: contract });
        await host.offer(session, offer);
        await host.put(session, offer.payload);
        if (offer.bundlePayload !== undefined) await host.put(session, offer.bundlePayload);
        await host.run(session, "build", [[host.task("build", "v1")]]);
        const hook = (action: "do" | "undo") => host.task("hook", "v1", { id: "h1/web/convert", action, options: { name: "convert" } }); // biome-ignore format: one line
        const drain = (action: "do" | "undo") => host.task("drain", "v1", { id: "h1/web/drain", action });
        const working = host.run(session, "switch.1", [[hook("do"), drain("do")]]);
        await until("the tasks", 20_000, async () => existsSync(join(host.state, "runs/run-1/switch.1/started")));
        const other = await host.session({});
        const back = await host.run(other, "rollback.1", [[hook("undo")], [drain("undo")]]);
        assert.deepEqual(
          back.map(({ event }) => event.state).filter((state) => state !== "running"),
          ["done", "done"],
        );
        await writeFile(join(host.state, "enough"), "");
        const ended = (await working).map(({ event }) => event).filter(({ state }) => state !== "running");
        assert.deepEqual(
          ended.map(({ reason }) => reason),
          ["taken-back", "taken-back"],
        );
        assert.equal(await readFile(join(host.state, "begun"), "utf8"), "undo\nundo\n", "of the hook and of the drain");
        assert.ok(!existsSync(join(host.state, "components/web/drained")));
        for (const each of [session, other]) await each.end();
      },
    ));

  test(`${name}: an undo waits for the do of its task that is still at work`, () =>
    withPartsHost(shell.argv, async (host) => {
      const said = join(host.base, "said");
      const works = `#!/bin/sh
echo "$CUTOVER_ACTION begins" >>${said}
[ $CUTOVER_ACTION = undo ] || until [ -e ${host.base}/enough ]; do sleep 0.05; done
echo "$CUTOVER_ACTION ends" >>${said}
`;
      const contract = { "task.convert.do": "works", "task.convert.undo": "works", "task.other.do": "works", "task.other.undo": "works" }; // biome-ignore format: one line
      await host.install("v1", { bundle: { works }, contract });
      const call = { version: "v1", run: "r1", options: { name: "convert" } };
      const doing = host.task("hook", "do", call);
      await until("the do", 20_000, async () => existsSync(said));
      const undoing = host.task("hook", "undo", call);
      // Another task of the run, and the same one of another run, wait for nobody.
      assert.equal((await host.task("hook", "undo", { ...call, options: { name: "other" } })).exitCode, 0);
      assert.equal((await host.task("hook", "undo", { ...call, run: "r2" })).exitCode, 0);
      await writeFile(join(host.base, "enough"), "");
      assert.deepEqual([(await doing).exitCode, (await undoing).exitCode], [0, 0]);
      assert.deepEqual((await readFile(said, "utf8")).trim().split("\n"), [
        "do begins",
        ...["undo begins", "undo ends", "undo begins", "undo ends"],
        ...["do ends", "undo begins", "undo ends"],
      ]);
    }));
}
