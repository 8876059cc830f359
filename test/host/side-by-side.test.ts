// Two runs of one controller on one host at the same time: each has its own session and fence, and neither is taken for overtaken.
import assert from "node:assert/strict";
import { existsSync, readFileSync } from "node:fs";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { encodeGroups, parseTaskEvent } from "../../src/host/protocol.ts";
import { digest, makeOffer, type Session, type TestHost, withHost } from "../support/host-session.ts";
import { inTurn, shells } from "../support/shells.ts";
import { until } from "../support/until.ts";

const word = ({ code, reason }: { code: number; reason: string }): string => (code === 0 ? "ok" : `${code} ${reason}`);
/** `wait` says that it is at work, and ends when the test says so, by files. */
const tasks = `
task_hook_do() { case $(task_option name) in
	wait) echo >"$STATE/waits-$T_RUN"; until [ -e "$STATE/go" ]; do sleep 0.02; done; echo "waited in $T_RUN" ;;
	*) echo "then $T_RUN" ;;
esac; }
`;
const waitThenGoOn = (host: TestHost, component: string) =>
  ["wait", "then"].map((name) => [
    host.task("hook", "v1", { component, id: `h1/${component}/hook-${name}`, options: { name } }),
  ]);

async function submit(session: Session, run: string, groups: ReturnType<typeof waitThenGoOn>): Promise<string> {
  const payload = encodeGroups(groups);
  return word(await session.request("submit", [run, "s", `${payload.length}`], payload));
}

async function endOf(session: Session, run: string): Promise<string[]> {
  const { data } = await session.request("events", [run, "s"]);
  return data
    .filter(([first]) => first !== ".")
    .map((one) => parseTaskEvent(one).event)
    .filter(({ state }) => state !== "running")
    .map(({ task, state, reason, evidence }) => `${task} ${state} ${reason}${evidence}`.trimEnd());
}

for (const shell of shells) {
  const test = inTurn(shell.name);
  test(`${shell.name}: R33, P5: two runs work on one host side by side, each hears its own steps only, and an older epoch is still refused`, () =>
    withHost(shell, { extra: tasks }, async (host) => {
      const [one, two] = [await host.session({ run: "run-1" }), await host.session({ run: "run-2" })];
      assert.equal(await submit(one, "run-1", waitThenGoOn(host, "web")), "ok");
      assert.equal(await submit(two, "run-2", waitThenGoOn(host, "db")), "ok");
      assert.equal(word(await one.request("events", ["run-2", "s"])), "77 run-differs");
      const ends = [endOf(one, "run-1"), endOf(two, "run-2")];
      await writeFile(join(host.state, "go"), "");
      assert.deepEqual(await Promise.all(ends), [
        ["h1/web/hook-wait done waited in run-1", "h1/web/hook-then done then run-1"],
        ["h1/db/hook-wait done waited in run-2", "h1/db/hook-then done then run-2"],
      ]);
      assert.match(readFileSync(join(host.state, "epoch"), "utf8"), /^run run-1,run-2$/m);
      const newer = await host.session({ run: "run-2", epoch: 2, holder: "other" });
      for (const [session, run] of [[one, "run-1"], [two, "run-2"]] as const) // biome-ignore format: one line
        assert.match(await submit(session, run, waitThenGoOn(host, "web").slice(1)), /^75 stale-epoch/);
      const late = await host.session();
      assert.equal(word(await late.request("fence", ["run-1", "1", "me"])), "75 stale-epoch");
      for (const session of [one, two, newer, late]) await session.end();
    }));

  test(`${shell.name}: P5, F18: a writer that takes over two runs lets the steps of both go on; a step of a run that it did not take over is stopped`, () =>
    withHost(shell, { extra: tasks }, async (host) => {
      const before = await Promise.all(["run-1", "run-2", "run-3"].map((run) => host.session({ run })));
      for (const [index, component] of ["web", "db", "cache"].entries()) {
        const session = before[index];
        assert.ok(session);
        assert.equal(await submit(session, `run-${index + 1}`, waitThenGoOn(host, component)), "ok");
      }
      // One that has not begun yet is not begun while the other writer has taken over one run and not the next.
      for (const run of ["run-1", "run-2", "run-3"])
        await until(`${run} to be at work`, 10_000, async () => existsSync(join(host.state, `waits-${run}`)));
      const after: Session[] = [];
      for (const run of ["run-1", "run-2"]) after.push(await host.session({ run, epoch: 2, holder: "other" }));
      await writeFile(join(host.state, "go"), "");
      const [one, two] = after;
      assert.ok(one && two);
      assert.deepEqual(await Promise.all([endOf(one, "run-1"), endOf(two, "run-2")]), [
        ["h1/web/hook-wait done waited in run-1", "h1/web/hook-then done then run-1"],
        ["h1/db/hook-wait done waited in run-2", "h1/db/hook-then done then run-2"],
      ]);
      const third = await host.session({ run: "run-3", epoch: 2, holder: "other" });
      const [, stopped] = await endOf(third, "run-3");
      assert.match(stopped ?? "", /^h1\/cache\/hook-then skipped stale-epoch/);
      for (const session of [...before, ...after, third]) await session.end();
    }));

  test(`${shell.name}: two runs that bring the same files and tasks to two components do not take the bytes from each other`, () =>
    withHost(shell, {}, async (host) => {
      const bundle = [{ path: "look", content: "#!/bin/sh\n", mode: 0o755 }];
      const [one, two] = [await host.session({ run: "run-1" }), await host.session({ run: "run-2" })];
      const web = makeOffer(host, { bundle });
      const db = makeOffer(host, {
        component: "db",
        bundle,
        release: { root: join(host.base, "db") },
        envelope: { run: "run-2" },
      });
      for (const [session, offer] of [[one, web], [two, db]] as const) assert.equal(word(await host.offer(session, offer)), "ok"); // biome-ignore format: one line
      for (const payload of [web.payload, web.bundlePayload ?? web.payload])
        assert.equal(word(await host.put(one, payload)), "ok");
      for (const payload of [db.payload, db.bundlePayload ?? db.payload])
        assert.equal(
          (await two.request("have", [digest(payload)])).fields[0],
          `${payload.length}`,
          "nothing is sent twice",
        );
      const build = (component: string) => [[host.task("build", "v1", { component })]];
      const state = async (session: Session, run: string, component: string) =>
        (await host.run(session, "b", build(component), run))
          .map(({ event }) => `${event.state} ${event.evidence}`)
          .at(-1);
      assert.match((await state(one, "run-1", "web")) ?? "", /^done built/);
      assert.match((await state(two, "run-2", "db")) ?? "", /^done built/);
      for (const payload of [db.payload, db.bundlePayload ?? db.payload])
        assert.ok(
          !existsSync(join(host.state, "incoming", digest(payload).slice("sha256:".length))),
          "the last one tidies up",
        );
      for (const session of [one, two]) await session.end();
    }));
}
