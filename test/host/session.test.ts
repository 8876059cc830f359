// The session itself: frames, fences, payloads that stop and go on, and steps that outlive their connection.
import assert from "node:assert/strict";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { parseProbe } from "../../src/host/protocol.ts";
import { commandOf, digest, makeOffer, processesOf, sha256, type TestHost, withHost } from "../support/host-session.ts";
import { shells } from "../support/shells.ts";
import { until } from "../support/until.ts";

const word = ({ code, reason }: { code: number; reason: string }): string => (code === 0 ? "ok" : `${code} ${reason}`);
/** No other test sleeps exactly so long: what a killed runner leaves can be told apart. */
const nap = `317.${process.pid}`;
const tasks = `
task_hook_do() { case $(task_option name) in
	slow) sleep 0.3; echo "slow of $T_RUN $T_STEP" ;;
	never) sleep ${nap} ;;
	fails) echo before; fail 69 needs-missing "a\${NL}b %" ;;
	broken) echo some output; false; echo not reached ;;
	forks) sleep ${nap} >/dev/null 2>&1 3>&- 7>&- 8>&- & echo $! >"$STATE/forked"; echo forked ;;
	*) echo "hook \${T_COMPONENT}/\${T_VERSION} $(cat | wc -c)" ;;
esac; }
`;
const hook = (host: TestHost, name: string) =>
  host.task("hook", "v1", { id: `h1/web/hook-${name}`, options: { name } });

for (const shell of shells) {
  test(`${shell.name}: malformed requests are refused one by one, the session goes on`, () =>
    withHost(shell, {}, async (host) => {
      const session = await host.session();
      const lines = [
        "",
        "\t",
        "1",
        "1\tnonsense",
        "1\tprobe\t",
        "1\t\tprobe",
        "1\tpro be",
        "1\tfence\tr%0a\t1\tme",
        "1\tfence\tr%00\t1\tme",
        "1\tfence\tr\t01\tme",
        "1\tfence\t../r\t1\tme",
        "1\tfence\tr\t1\t",
        "$(touch x)\tprobe",
        "1\t;id",
        "1\tfence",
        "1\thave\tsha256:zz",
        "\u00e9\tprobe",
        `1\tfence\t${"x".repeat(70_000)}\t1\tme`,
        "1\tword_guard",
        "1\toffer\t..\tv1",
        "1\tsubmit",
      ];
      for (const line of lines.slice(0, -1)) {
        session.raw(`${line}\n`);
        assert.equal(word(await session.answer()), "64 bad-request", JSON.stringify(line.slice(0, 40)));
      }
      for (const [verb, ...args] of [
        ["offer", "web", "v1"],
        ["have", digest("")],
        ["events", "run-1", "s"],
      ] as const)
        assert.equal(word(await session.request(verb, args)), "64 not-fenced");
      assert.equal(
        word(await session.request("doc", ["release", "3"], "abc")),
        "64 not-fenced",
        "the payload is read away",
      );
      assert.equal(word(await session.request("probe")), "ok");
      assert.equal(word(await session.request("bye")), "ok");
      assert.equal(await session.end(), 0);
    }));

  test(`${shell.name}: P5, F18: a lower epoch is refused with the holder's name, a jump too`, () =>
    withHost(shell, {}, async (host) => {
      const fence = async (run: string, epoch: string, holder: string) => {
        const session = await host.session();
        const answer = await session.request("fence", [run, epoch, holder]);
        await session.end();
        return answer;
      };
      assert.equal(word(await fence("run-1", "1001", "a")), "65 epoch-jump");
      assert.equal(word(await fence("run-1", "7", "a")), "ok");
      assert.equal(word(await fence("run-2", "7", "a")), "ok", "one controller, two runs");
      const stale = await fence("run-1", "6", "b");
      assert.equal(word(stale), "75 stale-epoch");
      assert.match(stale.evidence, /7 is held by a/);
      assert.equal(word(await fence("run-1", "7", "b")), "75 stale-epoch", "an epoch has one holder");
      assert.equal(word(await fence("run-1", "8", "b")), "ok");
      assert.equal(readFileSync(join(host.state, "epoch"), "utf8"), "epoch 8\nholder b\nrun run-1\n");
      await writeFile(join(host.state, "epoch"), "epoch x\n");
      assert.equal(word(await fence("run-1", "9", "b")), "78 bad-epoch", "what cannot be read is not overwritten");
    }));

  test(`${shell.name}: F4, T5: a payload is resumed after a lost link, bounded by its signed length, and checked`, () =>
    withHost(shell, {}, async (host) => {
      const session = await host.session({});
      const offer = makeOffer(host);
      const name = digest(offer.payload);
      assert.equal(word(await session.request("put", [name, "0", "3"], "abc")), "77 not-offered");
      await host.offer(session, offer);
      session.raw(`9\tput\t${name}\t0\t1000\n${offer.payload.subarray(0, 400).toString("latin1")}`);
      session.child.stdin?.end();
      assert.equal(word(await session.answer()), "76 short-payload");
      const again = await host.session({});
      assert.deepEqual((await again.request("have", [name])).fields, ["400"]);
      assert.equal(word(await again.request("put", [name, "0", "3"], "abc")), "65 offset-differs");
      assert.equal(
        word(await again.request("put", [name, "400", `${offer.payload.length}`], offer.payload)),
        "65 too-long",
      );
      assert.equal(word(await again.request("put", [name, "400", "10"], offer.payload.subarray(400, 410))), "ok");
      assert.equal(word(await host.put(again, offer.payload)), "ok");
      assert.deepEqual((await again.request("have", [name])).fields, [`${offer.payload.length}`]);
      const other = makeOffer(host, { version: "v2", payload: Buffer.from("expected") });
      await host.offer(again, other);
      assert.equal(
        word(await again.request("put", [digest(other.payload), "0", "8"], "somethin")),
        "65 digest-mismatch",
      );
      assert.deepEqual((await again.request("have", [digest(other.payload)])).fields, ["0"], "the bad part is gone");
      assert.ok(!existsSync(join(host.state, "incoming", `${sha256(other.payload)}.part`)));
      assert.equal(word(await again.request("doc", ["release", "300000"], Buffer.alloc(300_000))), "65 too-long");
      assert.equal(word(await again.request("doc", ["passwd", "1"], "x")), "64 bad-request");
      const next = makeOffer(host, { version: "v3", payload: Buffer.from("expected too") });
      await host.offer(again, next);
      const newer = await host.session({ run: "run-2", epoch: 2, holder: "other" });
      assert.equal(
        word(await again.request("put", [digest(next.payload), "0", "1"], "e")),
        "75 stale-epoch",
        "P5: who was overtaken writes no byte more",
      );
      await newer.end();
      assert.equal(
        word(await again.request("put", [name, "0", "999999999999999"])),
        "76 bad-frame",
        "nobody reads a petabyte away",
      );
      assert.equal(await again.end(), 0);
    }));

  test(`${shell.name}: groups run in series, their tasks in parallel, a failure skips what follows, evidence comes back whole`, () =>
    withHost(shell, { extra: tasks }, async (host) => {
      const session = await host.session({});
      const events = await host.run(session, "s1", [
        [hook(host, "slow"), hook(host, "quick"), hook(host, "forks")],
        [hook(host, "fails"), hook(host, "broken")],
        [hook(host, "later")],
      ]);
      const seen = events.map(({ event: { task, state, exitCode, reason, evidence } }) =>
        [task.slice(12), state, exitCode, reason, evidence.trimEnd()].join("|"),
      );
      assert.deepEqual(
        events.map(({ sequence }) => sequence),
        events.map((_, index) => index + 1),
      );
      assert.deepEqual(seen.slice(0, 3), ["slow|running|0||", "quick|running|0||", "forks|running|0||"]);
      assert.deepEqual(seen.slice(3, 6).sort(), [
        "forks|done|0||forked",
        "quick|done|0||hook web/v1 0",
        "slow|done|0||slow of run-1 s1",
      ]);
      assert.deepEqual(seen.slice(8, 10).sort(), [
        "broken|failed|70|unexpected|some output",
        "fails|failed|69|needs-missing|a\nb %",
      ]);
      assert.deepEqual(
        seen.slice(10),
        ["later|skipped|0|earlier-failed|h1/web/hook-fails failed"].map((line) =>
          seen[10]?.includes("hook-broken") ? line.replace("hook-fails", "hook-broken") : line,
        ),
      );
      process.kill(Number(readFileSync(join(host.state, "forked"), "utf8")));
      const payload = readFileSync(join(host.state, "runs/run-1/s1/groups"));
      assert.deepEqual((await session.request("submit", ["run-1", "s1", `${payload.length}`], payload)).fields, [
        "already",
      ]);
      assert.equal(word(await session.request("submit", ["run-1", "s1", "5"], "1\ta\tb")), "64 bad-request");
      const other = payload.toString().replace("v1", "v2");
      assert.equal(word(await session.request("submit", ["run-1", "s1", `${other.length}`], other)), "65 step-differs");
      const late = await session.request("events", ["run-1", "s1", "9"]);
      assert.deepEqual([late.fields, late.data.map((one) => one[0])], [["ended"], ["10", "11"]]);
      assert.equal(word(await session.request("events", ["run-1", "s9"])), "66 no-such-step");
      assert.equal(word(await session.request("events", ["run-2", "s1"])), "77 run-differs");
      await session.end();
    }));

  test(`${shell.name}: submit refuses what it cannot do, all of it`, () =>
    withHost(shell, { extra: tasks }, async (host) => {
      const session = await host.session({});
      const good = "1\th1/web/hook-a\tdo\thook\tweb\tv1\tname=a\n";
      const wrong = [
        "",
        "1\n",
        good.replace("h1/", "h2/"),
        good.replace("\tdo\t", "\trun\t"),
        good.replace("\tv1\t", "\t../x\t"),
        good.replace("name=a", "name=../a"),
        good.replace("name=a", "shell=a"),
        good.replace("\tname=a", ""),
        good + good,
        `2${good.slice(1)}${good.replace("hook-a", "hook-b")}`,
        good.replace("h1/web/", "h1/db/"),
        good.trimEnd(),
        good.replace("name=a", "deadline=-1"),
        good.replace("name=a", "name=a\tdry-run=no"),
        good.replace("hook-a\tdo\thook", "drain\tdo\tdrain").replace("name=a", "dry-run=yes"),
        good.replace("name=a", "name=a\tname=b"),
        good.replace("name=a", "name=a\ttarget=web-1"),
        good.replace("name=a", "name=a\ttarget-address=10.0.0.1"),
        good.replace("name=a", "name=a\ttarget=../web\ttarget-address=10.0.0.1"),
        good.replace("name=a", "name=a\ttarget=web-1\ttarget-address=10.0.0.1/8"),
        good.replace("name=a", "name=a\ttarget=web-1\ttarget-address=-x"),
        good.replace("name=a", "name=a\ttarget=web-1\ttarget-address=a%0Ab"),
        good.replace("hook-a\tdo\thook", "drain\tdo\tdrain").replace("name=a", "target=web-1\ttarget-address=10.0.0.1"),
      ];
      for (const payload of wrong)
        assert.equal(
          word(await session.request("submit", ["run-1", "s", `${payload.length}`], payload)),
          "64 bad-request",
          JSON.stringify(payload),
        );
      for (const payload of [good.replace("\thook\t", "\texec\t"), good.replace("\tdo\thook", "\tundo\thook-x")])
        assert.match(
          word(await session.request("submit", ["run-1", "s", `${payload.length}`], payload)),
          /^64 unknown-kind/,
        );
      assert.equal(word(await session.request("submit", ["run-9", "s", `${good.length}`], good)), "77 run-differs");
      assert.deepEqual(readdirSync(join(host.state, "runs")), []);
      await session.end();
    }));

  test(`${shell.name}: F5: a step goes on when its connection is killed; a killed runner is lost, not done, and is not run again (P7)`, () =>
    withHost(shell, { extra: tasks }, async (host) => {
      const first = await host.session({});
      const payload = `1\th1/web/hook-slow\tdo\thook\tweb\tv1\tname=slow\n`;
      assert.equal(word(await first.request("submit", ["run-1", "live", `${payload.length}`], payload)), "ok");
      first.child.kill("SIGKILL");
      const second = await host.session({});
      const { fields, data } = await second.request("events", ["run-1", "live"]);
      assert.deepEqual([fields, data.at(-1)?.[3]], [["ended"], "done"]);
      const endless = payload.replaceAll("slow", "never");
      assert.equal(word(await second.request("submit", ["run-1", "dead", `${endless.length}`], endless)), "ok");
      const events = second.request("events", ["run-1", "dead"]);
      const sleepers = () => readdirSync("/proc").filter((pid) => /^\d+$/.test(pid) && sleepsFor(pid, nap));
      await until("its task to be at work", 20_000, async () => sleepers().length > 0);
      for (const pid of processesOf(host.directory))
        if (commandOf(pid).includes("run-step")) process.kill(pid, "SIGKILL");
      for (const sleeper of sleepers()) process.kill(Number(sleeper), "SIGKILL");
      assert.deepEqual((await events).fields, ["lost"]);
      assert.deepEqual((await second.request("submit", ["run-1", "dead", `${endless.length}`], endless)).fields, [
        "already",
      ]);
      assert.deepEqual((await second.request("events", ["run-1", "dead"])).fields, ["lost"]);
      await second.end();
    }));

  test(`${shell.name}: a probe reads the host back and changes nothing`, () =>
    withHost(shell, {}, async (host) => {
      const session = await host.session({ epoch: 3, holder: "me" });
      const offer = makeOffer(host, { envelope: { epoch: "3" }, sequence: 12 });
      await host.offer(session, offer);
      await host.put(session, offer.payload);
      await host.run(session, "b", [[host.task("build", "v1")]]);
      const { facts, components } = parseProbe((await session.request("probe")).data);
      assert.equal(facts.mode, "user");
      assert.equal(facts.epoch, 3);
      assert.ok(facts.tools.includes("zstd"));
      const web = components.find(({ component }) => component === "web");
      assert.deepEqual(
        [web?.built, web?.current, web?.sequence, web?.floor, web?.state],
        [["v1"], undefined, 12, 0, "none"],
      );
      assert.equal(components.find(({ component }) => component === "cutover-host")?.current, "1");
      await session.end();
    }));
}

/** A `sleep SECONDS` that belongs to nobody any more: what the killed runner left. */
function sleepsFor(pid: string, seconds: string): boolean {
  return commandOf(pid) === `sleep\0${seconds}\0`;
}
