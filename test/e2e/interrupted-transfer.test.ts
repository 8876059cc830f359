// F4, R10: a link that dies while a payload is on its way, again and again, at offsets drawn from a seed.
import assert from "node:assert/strict";
import { createHash, randomBytes } from "node:crypto";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { putChunkBytes } from "../../src/adapters/ssh/put-payload.ts";
import { withLease } from "../../src/app/controller.ts";
import { reconcile } from "../../src/app/reconcile.ts";
import type { LabHost } from "../../src/lab/lab.ts";
import { descendantsOf, signalProcess } from "../../src/lab/processes.ts";
import { until } from "../support/until.ts";
import { loopbackSkip, withLoopbackLab } from "../support/with-lab.ts";
import { withWorld } from "../support/with-world.ts";

const cuts = 12;
const payloadBytes = 16 * 2 ** 20;
const seed = 20261121;

test(
  `F4, R10: ${cuts} cuts at random offsets: the transfer resumes, sends at most one chunk twice a cut, and no part of a version shows (seed ${seed})`,
  { skip: loopbackSkip, timeout: 300_000 },
  (context) =>
    withLoopbackLab(1, (lab) =>
      withWorld(
        lab,
        async (world) => {
          const [host] = lab.hosts;
          assert.ok(host);
          const blob = randomBytes(payloadBytes);
          await world.publishWeb("1.0.0");
          await world.publishWeb("2.0.0", {}, { tree: { blob } });
          await world.pushWeb("1.0.0");
          await world.reconcile();
          await world.pushWeb("2.0.0");
          const seen = await cutWhileSending(world, host);
          assert.equal(seen.outcome, "done");
          assert.equal(seen.cuts, cuts);
          context.diagnostic(`${seen.sent} bytes sent of a payload of ${seen.total}`);
          assert.ok(seen.sent >= seen.total, "all of it was sent");
          assert.ok(seen.sent <= seen.total + cuts * putChunkBytes, `${seen.sent} bytes sent for ${seen.total}`);
          const received = readFileSync(host.pathOf(`${rootOf(host)}/current/blob`));
          assert.equal(sha256(received), sha256(blob));
          assert.deepEqual(versionsOf(host), ["1.0.0", "2.0.0"]);
          assert.deepEqual(leftovers(host), []);
        },
        { manager: "none", switch: { strategy: "none" }, health: [], env: {} },
      ),
    ),
);

type World = Parameters<Parameters<typeof withWorld>[1]>[0];

/** One pass; the link is cut whenever the bytes sent so far pass the next offset: by turns one session, or sshd and all its sessions. */
async function cutWhileSending(world: World, host: LabHost) {
  const random = makeRandom(seed);
  const offsets = Array.from({ length: cuts }, () => Math.floor(random() * payloadBytes * 0.9)).sort((a, b) => a - b);
  const seen = { sent: 0, total: 0, cuts: 0, outcome: "" };
  let lastSent = 0;
  let cutting: Promise<void> | undefined;
  const onBytes = ({ sent, total }: { sent: number; total: number }) => {
    seen.sent += sent > lastSent ? sent - lastSent : sent;
    lastSent = sent;
    seen.total = total;
    assert.deepEqual(versionsOf(host), ["1.0.0"], "while bytes are on their way");
    const next = offsets[seen.cuts];
    if (next === undefined || seen.sent < next || cutting !== undefined) return;
    seen.cuts += 1;
    cutting = cutLink(host, seen.cuts % 2 === 0).finally(() => {
      cutting = undefined;
      assert.deepEqual(versionsOf(host), ["1.0.0"], "after a cut");
    });
  };
  await world.withController((controller) =>
    withLease(controller, { takeOver: false, signal: AbortSignal.timeout(240_000) }, async (lease, signal) => {
      const { results } = await reconcile({ controller, lease, watcher: { onEvent: () => {}, onBytes }, signal });
      seen.outcome = results[0]?.outcome ?? "";
    }),
  );
  await cutting;
  return seen;
}

async function cutLink(host: LabHost, wholeSshd: boolean): Promise<void> {
  if (wholeSshd) {
    await host.stopSshd();
    return host.startSshd();
  }
  const listener = Number(readFileSync(join(host.pathOf(host.authorizedKeysFile), "..", "pid"), "utf8"));
  const sessions = descendantsOf(listener);
  for (const session of sessions) signalProcess(session, "SIGKILL");
  return until("the session to be gone", 10_000, async () => descendantsOf(listener).every(({ pid }) => !sessions.some((session) => session.pid === pid))); // biome-ignore format: one line
}

function rootOf(host: LabHost): string {
  return `${host.prefix}/srv/cutover/web`;
}

function versionsOf(host: LabHost): string[] {
  return readdirSync(host.pathOf(`${rootOf(host)}/versions`)).sort();
}

/** What a transfer or a build leaves only while it runs. */
function leftovers(host: LabHost): string[] {
  const names = [
    ...readdirSync(host.pathOf(rootOf(host))),
    ...readdirSync(host.pathOf(`${host.stateDirectory}/incoming`)),
  ];
  return names.filter((name) => name.startsWith(".building") || name.endsWith(".part"));
}

function sha256(bytes: Buffer): string {
  return createHash("sha256").update(bytes).digest("hex");
}

/** mulberry32: the same numbers for the same seed. */
function makeRandom(start: number): () => number {
  let state = start;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}
