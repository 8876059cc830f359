// F1, P6: the controller is killed at the boundaries of its journal, and the next one finishes. The boundaries are
// enumerated by wrapping the journal's write: the appends of an undisturbed run are counted, then each is a place to die,
// before and after. One lab and one service see them all: the release goes 1 → 2 → 1 → 2 …
import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import type { LabHost } from "../../src/lab/lab.ts";
import { mustRun, runProgram } from "../../src/lab/run-program.ts";
import type { JournalPort } from "../../src/ports.ts";
import { openJournal } from "../../src/wiring.ts";
import { isFull } from "../support/full-form.ts";
import { whileServing } from "../support/serving-client.ts";
import { loopbackSkip, withLoopbackLab } from "../support/with-lab.ts";
import { type World, webPort, withWorld } from "../support/with-world.ts";

const main = fileURLToPath(new URL("../support/killed-controller.ts", import.meta.url));
/** Without CUTOVER_TEST_FULL: this many boundaries, evenly spread. */
const spread = 4;

interface Boundary {
  readonly write: number;
  readonly side: "before" | "after";
}

test(
  `F1, P6, P11: a controller killed before or after any write to its journal is finished by the next one: every host switched once, no request lost (${isFull ? "every boundary" : `${spread} boundaries; all with CUTOVER_TEST_FULL=1`})`,
  { skip: loopbackSkip, timeout: isFull ? 3_600_000 : 1_200_000 },
  (context) =>
    withLoopbackLab(1, (lab) =>
      withWorld(
        lab,
        async (world) => {
          const [host] = lab.hosts;
          assert.ok(host);
          for (const version of versions) await world.publishWeb(version);
          await world.pushWeb("1.0.0");
          await world.reconcile();
          const writes = await countWrites(world);
          const boundaries = boundariesOf(writes);
          const served = await whileServing(`http://${host.address}:${webPort}/`, async () => {
            for (const [index, boundary] of boundaries.entries()) {
              await surviveKill(world, { host, boundary, version: versions[index % 2] ?? "" });
            }
          });
          assert.deepEqual(served.failures, [], `of ${served.asked} requests`);
          context.diagnostic(`${boundaries.length} kills, ${writes} writes a run, ${served.asked} requests answered`);
        },
        {
          health: [{ kind: "http", url: `http://self:${webPort}/`, samples: 1, maxFailures: 0, withinSeconds: 20 }],
          switch: { strategy: "exec", start: "bin/start", readyWithinSeconds: 60, stopWithinSeconds: 20 },
          deadlineSeconds: 300,
        },
      ),
    ),
);

const versions = ["1.0.0", "2.0.0"];

/** Leaves the host on 2.0.0, so that the first boundary asks for 1.0.0. */
async function countWrites(world: World): Promise<number> {
  let writes = 0;
  await world.pushWeb("2.0.0");
  const count = (journal: JournalPort): JournalPort => ({
    ...journal,
    append: async (events) => {
      if (events.length > 0) writes += 1;
      await journal.append(events);
    },
  });
  const { results } = await world.reconcile({ wrapJournal: count });
  assert.deepEqual(results.map(({ outcome }) => outcome), ["done"]); // biome-ignore format: one line
  return writes;
}

function boundariesOf(writes: number): Boundary[] {
  const every = Array.from({ length: writes }, (_, index) => index + 1).flatMap((write): Boundary[] => [
    { write, side: "before" },
    { write, side: "after" },
  ]);
  if (isFull) return every;
  // From the first to the last, both sides by turns.
  return Array.from({ length: spread }, (_, index) => {
    const chosen = every[Math.round((index * (every.length - 1)) / (spread - 1))];
    assert.ok(chosen);
    return chosen;
  });
}

async function surviveKill(
  world: World,
  { host, boundary, version }: { host: LabHost; boundary: Boundary; version: string },
): Promise<void> {
  const place = `killed ${boundary.side} write ${boundary.write}`;
  const commit = await world.pushWeb(version);
  const before = await handOvers(host);
  const killed = await runProgram([process.execPath, main, world.config, String(boundary.write), boundary.side], {
    timeoutMs: 120_000,
  });
  assert.equal(killed.exitCode, 128 + 9, `${place}: ${killed.stderr}`);
  const { results } = await world.reconcile();
  assert.deepEqual(
    results.map(({ outcome }) => outcome === "done" || outcome === "in-sync"),
    [true],
    `${place}: ${results.map(({ outcome, run }) => `${outcome} ${run?.state.reason ?? ""}`).join()}`,
  );
  assert.deepEqual(await world.ask(host), { status: 200, body: version }, place);
  assert.equal((await handOvers(host)) - before, 1, `${place}: hand-overs`);
  const committed = await readFile(host.pathOf(`${host.stateDirectory}/components/web/committed`), "utf8");
  assert.match(committed, new RegExp(`^version ${version}$`, "m"), place);
  assert.deepEqual(await trialsLeft(host), "", `${place}: a trial is left`);
  assert.match(await noteOf(world, commit), /Ready/, place);
  const again = await world.reconcile();
  assert.deepEqual(again.results.map(({ outcome }) => outcome), ["in-sync"], place); // biome-ignore format: one line
  await everyRunEnded(world, place);
}

/** How many processes of the service became the one that serves. */
async function handOvers(host: LabHost): Promise<number> {
  const log = await readFile(host.pathOf(`${host.stateDirectory}/components/web/log`), "utf8");
  return log.split("\n").filter((line) => line.includes(" serves as ")).length;
}

async function trialsLeft(host: LabHost): Promise<string> {
  const trial = `${host.stateDirectory}/components/web/trial`;
  const { stdout } = await host.run([
    "sh",
    "-c",
    `ls -d '${trial}'/armed '${trial}'/confirmed '${trial}'/rever* 2>/dev/null; true`,
  ]);
  return stdout;
}

async function noteOf(world: World, commit: string): Promise<string> {
  const remote = `${world.home}/releases.git`;
  return mustRun(["git", "-C", remote, "notes", "--ref=cutover", "show", commit]);
}

async function everyRunEnded(world: World, place: string): Promise<void> {
  const { journal, close } = await openJournal(world.config);
  try {
    for (const stream of await journal.streams("run/")) {
      const ends = (await journal.read(stream)).filter(({ kind }) => kind === "run-ended");
      assert.equal(ends.length, 1, `${place}: ${stream} ends once`);
    }
  } finally {
    await close();
  }
}
