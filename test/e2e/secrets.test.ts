// P15: secrets that the controller can see, and everything it writes: not one line of them may meet.
import assert from "node:assert/strict";
import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { mustRun, runProgram } from "../../src/lab/run-program.ts";
import { openJournal } from "../../src/wiring.ts";
import type { Home } from "../support/with-home.ts";
import { loopbackSkip, withLoopbackLab } from "../support/with-lab.ts";
import { type World, withWorld } from "../support/with-world.ts";

const main = fileURLToPath(new URL("../../src/main.ts", import.meta.url));
const canary = "canary-3f9ac1d7e5";

test(
  "P15, T27, T30: secrets in the controller's environment and in its key files show nowhere: not in journal, notes, output, logs, nor on any host",
  { skip: loopbackSkip },
  () =>
    withLoopbackLab(2, (lab) =>
      withWorld(lab, async (world) => {
        await world.publishWeb("1.0.0");
        await world.publishWeb("2.0.0", { failEvery: 2 });
        const secrets = [canary, ...(await keyLines(world))];
        const outputs: string[] = [];
        const cutover = async (...args: string[]) => {
          const env = {
            ...process.env,
            SECRET_TOKEN: canary,
            AWS_SECRET_ACCESS_KEY: canary,
            GIT_ASKPASS_TOKEN: canary,
          };
          const ran = await runProgram([process.execPath, main, ...args, "--config", world.config], {
            env,
            timeoutMs: 120_000,
          });
          outputs.push(ran.stdout, ran.stderr);
          return ran.exitCode;
        };
        await world.pushWeb("1.0.0");
        assert.equal(await cutover("reconcile", "--once"), 0);
        await world.pushWeb("2.0.0");
        assert.equal(await cutover("reconcile", "--once", "--json"), 3, "a release that is bad");
        await lab.hosts[1]?.stopSshd();
        await cutover("status", "--json");
        await cutover("plan");
        await lab.hosts[1]?.startSshd();
        await cutover("reconcile", "--once", "--take-over", "--nonsense");
        await cutover("rollback", "--reason", "to see");
        assert.ok(outputs.join("").includes("2.0.0"), "there was something to look at");
        const places: [string, string][] = [
          ["output and logs", outputs.join("\n")],
          ["journal", await journalText(world)],
          ["the release remote", await everyObject(join(world.home, "releases.git"))],
          ["environment of the services", await environmentsOf(world)],
        ];
        for (const host of lab.hosts) {
          places.push([`state of ${host.name}`, await textOf(host.stateDirectory)]);
          places.push([`versions of ${host.name}`, await textOf(`${host.prefix}/srv`)]);
        }
        places.push(["journal file", await textOf(join(world.home, "state"), /journal/)]);
        for (const [place, text] of places) {
          assert.ok(text.length > 0, place);
          for (const secret of secrets) assert.ok(!text.includes(secret), `${secret} shows in ${place}`);
        }
      }),
    ),
);

async function journalText(world: Home): Promise<string> {
  const { journal, close } = await openJournal(world.config);
  try {
    const streams = await journal.streams("");
    return JSON.stringify(await Promise.all(streams.map((stream) => journal.read(stream))));
  } finally {
    await close();
  }
}

async function keyLines(world: Home): Promise<string[]> {
  const keys = join(world.home, "keys");
  const names = (await readdir(keys)).filter((name) => !name.endsWith(".pub") && name !== "README");
  const texts = await Promise.all(names.map((name) => readFile(join(keys, name), "utf8")));
  // Neither the armour, nor lines that the public half has too.
  const lines = texts.flatMap((text) => (text.includes("PRIVATE KEY") ? text.split("\n").slice(3, -2) : []));
  assert.ok(lines.length >= 6, "keys were found");
  return lines.filter((line) => line.length > 40);
}

async function everyObject(repository: string): Promise<string> {
  return mustRun(["git", "-C", repository, "cat-file", "--batch", "--batch-all-objects"]);
}

async function environmentsOf(world: World): Promise<string> {
  const pids = await Promise.all(
    world.lab.hosts.map(({ stateDirectory }) => readFile(`${stateDirectory}/components/web/pid`, "utf8")),
  );
  return (await Promise.all(pids.map((pid) => readFile(`/proc/${pid.trim()}/environ`, "latin1")))).join("\n");
}

/** All bytes of the regular files below a directory. A host still tidies up behind its last session: what is gone shows nothing. */
async function textOf(directory: string, name = /./): Promise<string> {
  const entries = await readdir(directory, { withFileTypes: true }).catch(ifGone([]));
  const texts = entries.map((entry) => {
    const path = join(directory, entry.name);
    if (entry.isDirectory()) return textOf(path, name);
    return entry.isFile() && name.test(entry.name) ? readFile(path, "latin1").catch(ifGone("")) : "";
  });
  return (await Promise.all(texts)).join("\n");
}

const ifGone =
  <T>(nothing: T) =>
  (error: NodeJS.ErrnoException): T => {
    if (error.code !== "ENOENT") throw error;
    return nothing;
  };
