// R25: what a service keeps outside of its process survives every switch; what it keeps inside is gone with the process.
import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { type PartsHost, withPartsHost } from "../../support/host-parts.ts";
import { python } from "../../support/python-worker.ts";
import { skipReason } from "../../support/skip-reason.ts";
import { withRedis } from "../../support/with-redis.ts";

const skip = skipReason({ programs: ["python3"], debian12: true });
const fixture = fileURLToPath(new URL("../../support/fixtures/session-service.py", import.meta.url));

test(
  "R25: a session in Redis survives a switch, the way back, and a hand-over that was killed; one in memory does not",
  { skip },
  () =>
    withRedis((redisPort) =>
      withPartsHost(["dash"], async (host) => {
        const service = `#!${python}\n${await readFile(fixture, "utf8")}`;
        for (const [version, memory] of [
          ["v1", false],
          ["v2", false],
          ["v3", true],
          ["v4", true],
        ] as const)
          await host.install(version, {
            contract: {
              ...{ manager: "process", "switch.strategy": "restart", "switch.start": "service.py" },
              ...{ "env.0": `PORT=${host.port}`, "env.1": `REDIS_PORT=${redisPort}` },
            },
            tree: { "service.py": service, "behaviour.json": JSON.stringify({ version, memory }) },
          });
        await bring(host, "v1");
        const session = await logIn(host, "ada");
        assert.equal(await me(host, session), "200 ada by v1");

        assert.equal((await host.task("switch", "do", { version: "v2", run: "r1", session: "a" })).exitCode, 0);
        assert.equal(await me(host, session), "200 ada by v2");
        const during = await logIn(host, "grace");
        assert.equal((await host.task("switch", "undo", { version: "v2", run: "r1" })).exitCode, 0);
        assert.equal(await me(host, session), "200 ada by v1");
        assert.equal(await me(host, during), "200 grace by v1", "begun on the version that was taken back");

        const killed = host.start("switch", "do", { version: "v2", run: "r2", session: "a" });
        await new Promise((done) => setTimeout(done, 150));
        killed.child.kill("SIGKILL");
        await killed.result;
        await bring(host, "v2", "r2");
        assert.equal(await me(host, session), "200 ada by v2");
        assert.equal(await me(host, "no-such-session"), "401 who?");

        await bring(host, "v3");
        const inMemory = await logIn(host, "mary");
        assert.equal(await me(host, inMemory), "200 mary by v3");
        await bring(host, "v4");
        assert.equal(await me(host, inMemory), "401 who?", "the test can tell the difference");
      }),
    ),
);

async function bring(host: PartsHost, version: string, run = `bring-${version}`): Promise<void> {
  for (const [index, kind] of ["switch", "confirm", "commit"].entries()) {
    const { exitCode, reason, evidence } = await host.task(kind, "do", { version, run, session: `${index}` });
    assert.equal(exitCode, 0, `${kind} ${version}: ${reason} ${evidence}`);
  }
}

async function logIn({ port }: PartsHost, name: string): Promise<string> {
  const reply = await fetch(`http://127.0.0.1:${port}/login/${name}`, { method: "POST" });
  assert.equal(await reply.text(), "welcome");
  return (reply.headers.get("set-cookie") ?? "").replace("session=", "");
}

async function me({ port }: PartsHost, session: string): Promise<string> {
  const reply = await fetch(`http://127.0.0.1:${port}/me`, { headers: { cookie: `session=${session}` } });
  return `${reply.status} ${await reply.text()}`;
}
