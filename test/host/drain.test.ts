// R18 on a host: readiness goes off first, what is in flight is waited for by three policies, what is cut is counted, and nobody
// stays out of service because somebody died.
import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { chmod, mkdir, readFile, rm, stat, writeFile } from "node:fs/promises";
import { createServer, type RequestListener } from "node:http";
import { join } from "node:path";
import { describe, test } from "node:test";
import { Component } from "../../src/model/component.ts";
import { encodeReleaseMetadata } from "../../src/package/release-metadata.ts";
import { draining } from "../support/draining.ts";
import { shells, withPartsHost } from "../support/host-parts.ts";
import { inTurn } from "../support/shells.ts";
import { until } from "../support/until.ts";
import { withHands } from "../support/with-hands.ts";

/** Over at once, so without a task: it has the time of the drain, which is too short for one on a busy machine. */
const soon = { "drain.seconds": "1", "drain.task": "" };
/** What a drain of a second says that it waited, on a busy machine too; 60 s is what one has that does not say. */
const aboutASecond = "waited-ms=(?:[1-9]\\d{3}|[1-4]\\d{4})";

async function withPage(port: number, answer: RequestListener, body: () => Promise<void>): Promise<void> {
  const server = createServer(answer).listen(port, "127.0.0.1");
  try {
    await body();
  } finally {
    server.close();
    server.closeAllConnections();
  }
}

test("what a contract may say of a drain is what hosts accept", () =>
  withPartsHost(["dash"], async (host) => {
    const base = { apiVersion: "cutover/v1", kind: "Component", name: "web", root: "/srv/web" };
    const tasks = [{ name: "count", do: "count" }];
    for (const drain of [
      { notReadyFile: "/srv/web/not-ready", task: "count", settleSeconds: 5, inflight: { file: "/run/web/in-flight" } },
      { inflight: { metrics: { url: "https://self:9100/metrics?a=%20b", name: "job:in_flight_9" } }, until: "idle" },
      { inflight: { metrics: { url: "http://[::1]/", name: "_x" } }, until: { at: "03:30Z" } },
      { inflight: { task: "count" }, until: { at: "23:59" }, withinSeconds: 86_400 },
    ]) {
      const digest = `sha256:${"a".repeat(64)}`;
      const text = encodeReleaseMetadata({
        ...{ component: "web", version: "1", sequence: 1, expires: 1, floor: 0, bundle: undefined },
        tree: { digest, bytes: 1, files: 1 },
        contract: Component.parse({ ...base, tasks, drain }),
      });
      const file = join(host.base, "release");
      const checked = async (written: string) => {
        await writeFile(file, written);
        return (await host.word("call", "eval", `check_grammar ${file} "$RELEASE_RULES" || echo "$PROBLEM"`)).stdout;
      };
      assert.equal(await checked(text), "", JSON.stringify(drain));
      assert.match(await checked(text.replace("drain.seconds ", "drain.second ")), /unknown key drain\.second/);
    }
  }));

for (const shell of shells) {
  const test = inTurn(shell.join(" "));
  const name = shell.join(" ");
  describe(name, { concurrency: 3 }, () => {
    test(`${name}: R23: readiness goes off before anything else, and comes back last`, () =>
      withPartsHost(shell, async (host) => {
        const { notReady, inflight, words, drain } = await draining(host);
        await writeFile(inflight, "0\n");
        const drained = await drain();
        assert.match(drained.evidence, /^in-flight=0 cut=0 waited-ms=\d+ until=deadline$/m, drained.reason);
        assert.equal((await stat(notReady)).mode & 0o777, 0o644, "the service, another user, can look for it");
        for (const _ of [1, 2])
          assert.equal((await host.task("drain", "undo", { version: "v2" })).exitCode, 0, "again is harmless");
        assert.equal(await readFile(words, "utf8"), "out not-ready\nin not-ready\nin ready\n");
        assert.ok(!existsSync(notReady));
        assert.ok(!existsSync(join(host.state, "components/web/drained")));
      }));

    test(`${name}: idle: it ends when nothing is in flight, and one that does not get there fails and is back in service`, () =>
      withPartsHost(shell, async (host) => {
        const { notReady, inflight, words, drain } = await draining(host, { "drain.until": "idle" });
        await writeFile(inflight, "2\n");
        const waiting = drain();
        await until("readiness off", 5_000, async () => existsSync(words));
        await writeFile(inflight, "0\n");
        assert.match((await waiting).evidence, /in-flight=0 cut=0 .* until=idle/);
        await host.task("drain", "undo", { version: "v2" });
        const hurried = await draining(host, { "drain.until": "idle", "drain.seconds": "5" });
        await writeFile(inflight, "3\n");
        await rm(words);
        const failed = await hurried.drain("r2");
        assert.equal(failed.reason, "not-idle");
        assert.match(failed.evidence, /in service again: in-flight=3 cut=0 /);
        assert.ok(!existsSync(notReady), "nobody has to bring it back");
        assert.equal(await readFile(words, "utf8"), "out not-ready\nin not-ready\n", "its task is undone, too");
        const undone = await host.task("drain", "undo", { version: "v2", run: "r2" });
        assert.match(undone.evidence, /back in service already/);
      }));

    test(`${name}: deadline: what is in flight then is counted, and the drain goes on; settleSeconds pass before it counts as idle`, () =>
      withPartsHost(shell, async (host) => {
        const { inflight, drain } = await draining(host, soon);
        await writeFile(inflight, "17\n");
        assert.match((await drain()).evidence, new RegExp(`^in-flight=17 cut=17 ${aboutASecond} until=deadline$`, "m"));
        await writeFile(inflight, "many\n");
        const unknown = await drain("r2");
        assert.match(unknown.evidence, /in-flight=unknown cut=unknown .*; \S*inflight holds no number/, unknown.reason);
        await rm(inflight);
        assert.match((await drain("r3")).evidence, /cut=unknown .* is not there/, "unknown is not idle");
        const settling = await draining(host, { "drain.settle-seconds": "1" });
        await writeFile(inflight, "0\n");
        assert.match((await settling.drain("r4")).evidence, new RegExp(`in-flight=0 cut=0 ${aboutASecond} `));
      }));

    test(`${name}: a metric is summed over its labels; a page that lacks it, is broken off or is not there is no 0`, () =>
      withPartsHost(shell, async (host) => {
        const metric = {
          ...soon,
          "drain.inflight.url": `http://self:${host.port}/metrics`,
          "drain.inflight.metric": "jobs_in_flight",
        };
        const { drain } = await draining(host, metric);
        let page = "";
        let promised: number | undefined;
        await withPage(
          host.port,
          (_request, reply) => {
            if (page === "") reply.writeHead(503).end("busy");
            else if (promised === undefined) reply.end(page);
            else {
              reply.writeHead(200, { "content-length": promised });
              reply.write(page, () => reply.destroy());
            }
          },
          async () => {
            const lines = [
              "# HELP jobs_in_flight of all queues",
              "# TYPE jobs_in_flight gauge",
              "jobs_in_flight_total 900",
              'jobs_in_flight{queue="a b",note="} 9 \\" {"} 2',
              "jobs_in_flight{} 1.5e1 1700000000000",
              "jobs_in_flight 0.25",
            ];
            page = `${lines.join("\n")}\n`;
            assert.match((await drain()).evidence, /in-flight=18 cut=18/);
            page = "jobs_in_flight 0\n";
            assert.match((await drain("r2")).evidence, /in-flight=0 cut=0/);
            promised = 1_000_000;
            assert.match((await drain("r3")).evidence, /cut=unknown .* did not come whole|cut=unknown .* no answer/);
            promised = undefined;
            page = "jobs_in_flight NaN\n";
            assert.match((await drain("r4")).evidence, /cut=unknown .*jobs_in_flight is NaN/);
            page = "jobs_in_flight_total 0\n";
            assert.match((await drain("r5")).evidence, /cut=unknown .*jobs_in_flight is not on the page/);
            page = "";
            assert.match((await drain("r6")).evidence, /cut=unknown .*: 503/);
          },
        );
        assert.match((await drain("r7")).evidence, /cut=unknown .* no answer/);
      }));

    test(`${name}: a task tells what is in flight, and where nothing runs there is nothing to wait for`, () =>
      withPartsHost(shell, async (host) => {
        const count = join(host.base, "count");
        const bundle = { count: `#!/bin/sh\necho asked; cat ${count}\n` };
        const contract = { "drain.seconds": "1", "drain.inflight.task": "count", "task.count.do": "count" };
        await host.installService("v1");
        await host.installService("v2", {}, contract, {}, bundle);
        await writeFile(count, "5\n");
        assert.match((await host.task("drain", "do", { version: "v2" })).evidence, /in-flight=5 cut=5/);
        await writeFile(count, "five\n");
        assert.match((await host.task("drain", "do", { version: "v2" })).evidence, /cut=unknown .*no number: five/);
        const stale = join(host.base, "stale");
        await writeFile(stale, "4\n");
        await host.installService("v3", {}, { "drain.seconds": "60", "drain.inflight.file": stale });
        const first = await host.task("drain", "do", { version: "v3" });
        assert.match(first.evidence, /in-flight=0 cut=0 .*nothing runs/, "nothing was installed before");
        assert.equal((await host.task("switch", "do", { version: "v1", run: "r0" })).exitCode, 0);
        const waiting = host.task("drain", "do", { version: "v3", run: "r2" });
        await until("the record", 5_000, async () => existsSync(join(host.state, "components/web/drained")));
        const pid = await host.pid();
        assert.ok(pid);
        process.kill(pid, "SIGKILL");
        assert.match(
          (await waiting).evidence,
          /in-flight=0 cut=0 .*nothing runs/,
          "what a dead process left is no work",
        );
      }));

    test(`${name}: at: it is over at that time of day and not before; one that is too far away drains nothing`, () =>
      withPartsHost(shell, async (host) => {
        // The one try on the wall clock is far from its hour; the rest have a clock that stands still until it is put forward.
        const clock = (ms: number) => new Date(Date.now() + ms).toISOString().slice(11, 16);
        const far = await draining(host, { "drain.until": `${clock(7_200_000)}Z` });
        await writeFile(far.inflight, "4\n");
        const refused = await far.drain();
        assert.equal(refused.reason, "not-in-time");
        assert.match(refused.evidence, /is 7\d\d\d s away, and the drain may take 60 s: nothing was drained/);
        assert.ok(!existsSync(far.notReady));

        const hands = await withHands(host);
        await hands.set("11:59:59");
        const now = await draining(host, { "drain.until": "11:59Z" });
        assert.match((await now.drain("r2")).evidence, /in-flight=4 cut=4 waited-ms=\d+ until=11:59Z/);
        await hands.set("12:00:00");
        const gone = await now.drain("r3");
        assert.match(gone.evidence, /11:59Z is 86340 s away/, "the minute that has ended is tomorrow's");

        await writeFile(now.inflight, "0\n");
        const next = await draining(host, { "drain.until": "12:01Z", "drain.seconds": "120" });
        await hands.set("12:00:59");
        const { child, result } = host.start("drain", "do", { version: "v2", run: "r4" });
        await hands.looks(3);
        assert.equal(child.exitCode, null, "idle, and it waits nevertheless");
        assert.ok(existsSync(next.notReady));
        await hands.set("12:01:00");
        assert.match((await result).evidence, /in-flight=0 cut=0 waited-ms=\d+ until=12:01Z/);

        await hands.set("12:00:30");
        const killed = host.start("drain", "do", { version: "v2", run: "r5" });
        await hands.looks(3);
        killed.child.kill("SIGKILL");
        await killed.result;
        await hands.set("12:02:00");
        const goesOn = await next.drain("r5");
        assert.match(
          goesOn.evidence,
          /in-flight=0 cut=0 waited-ms=\d+ /,
          `the hour it wrote down, not the next one: ${goesOn.evidence}`,
        );
      }));

    test(`${name}: a time of day is the host's own or UTC, the next one, over a night in which clocks are put forward too`, () =>
      withPartsHost(shell, async (host) => {
        // 23:00 in central Europe on the evening before summer time begins: 22:00 UTC.
        const evening = Date.UTC(2026, 2, 28, 22) / 1_000;
        const moment = async (at: string): Promise<number> => {
          const date = `date() { case " $* " in *" -d "*) command date "$@" ;; *) command date -d @${evening} "$@" ;; esac; }`;
          const { stdout } = await host.word(
            "call",
            "eval",
            `TZ=CET-1CEST,M3.5.0,M10.5.0/3; export TZ; ${date}; drain_moment ${at}; echo "$MOMENT"`,
          );
          return (Number(stdout) - evening) / 3_600;
        };
        assert.equal(await moment("23:30"), 0.5);
        assert.equal(await moment("01:30"), 2.5);
        assert.equal(await moment("03:30"), 3.5, "an hour of that night is missing");
        assert.equal(await moment("08:09"), 8.15);
        assert.equal(await moment("03:30Z"), 5.5);
        assert.equal(await moment("21:59Z"), 24 - 1 / 60);
        assert.equal(await moment("22:00Z"), 0);
      }));

    test(`${name}: T11, T35: a not-ready file outside the bases, inside versions or where others write is refused`, () =>
      withPartsHost(shell, async (host) => {
        await mkdir(join(host.base, "open"));
        await chmod(join(host.base, "open"), 0o777);
        const paths = ["/etc/nologin", join(host.base, "web/versions/v1/x"), join(host.base, "open/not-ready")];
        for (const [index, path] of paths.entries()) {
          const { drain } = await draining(host, { "drain.not-ready-file": path });
          const refused = await drain(`r${index}`);
          assert.match(refused.reason, /drain-not-allowed|unsafe-permissions/, path);
          assert.ok(!existsSync(path));
        }
      }));

    test(`${name}: an old process that is killed at the end of its time to stop is named in the evidence of the switch`, () =>
      withPartsHost(shell, async (host) => {
        await host.installService("v1", { ignoresStop: true }, { "switch.stop-seconds": "1" });
        await host.installService("v2", {}, { "switch.stop-seconds": "1" });
        await host.task("switch", "do", { version: "v1", run: "r0" });
        const old = await host.pid();
        const switched = await host.task("switch", "do", { version: "v2", run: "r1" });
        assert.equal(switched.exitCode, 75, "v1 is on trial");
        for (const kind of ["confirm", "commit"])
          await host.task(kind, "do", { version: "v1", run: "r0", session: kind });
        const { evidence } = await host.task("switch", "do", { version: "v2", run: "r1" });
        assert.match(evidence, new RegExp(`old-pid=${old} new-pid=\\d+ .* killed=${old} after 1 s`));
        // Interrupted before that was written down, it is told by who goes on, and by nobody twice.
        await rm(join(host.state, "components/web/trial/armed/switched"));
        const again = await host.task("switch", "do", { version: "v2", run: "r1" });
        assert.match(again.evidence, new RegExp(`from=v1 to=v2 .* killed=${old} after 1 s`), again.evidence);
        // The way back goes by v1's contract.
        await host.installService("v1", {}, { "switch.stop-seconds": "30" });
        const back = await host.task("switch", "undo", { version: "v2", run: "r1" });
        assert.match(back.evidence, /old-pid=\d+ new-pid=\d+ from=v2 to=v1$/m, "v2 ended by itself");
      }));
  });
}
