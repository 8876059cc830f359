// F4, R10: a link that dies while a payload is on its way, again and again, at offsets drawn from a seed.
import assert from "node:assert/strict";
import { createHash, randomBytes } from "node:crypto";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { putChunkBytes } from "../../src/adapters/ssh/put-payload.ts";
import { withLease } from "../../src/app/controller.ts";
import { reconcile } from "../../src/app/reconcile.ts";
import type { LabHost } from "../../src/lab/lab.ts";
import { descendantsOf, signalProcess } from "../../src/lab/processes.ts";
import type { JournalEvent } from "../../src/model/run-event.ts";
import { until } from "../support/until.ts";
import { loopbackSkip, withLoopbackLab } from "../support/with-lab.ts";
import { withWorld } from "../support/with-world.ts";

const seed = 20261121;
const mebibyte = 2 ** 20;

test(
  `F4, R10: links cut at random offsets while a full artifact and then a patch are sent: both resume, send at most one chunk twice a cut, and no part of a version shows (seed ${seed})`,
  { skip: loopbackSkip, timeout: 1_200_000 },
  (context) =>
    withLoopbackLab(1, (lab) =>
      withWorld(
        lab,
        async (world) => {
          const [host] = lab.hosts;
          assert.ok(host);
          const random = makeRandom(seed);
          const [blob, more] = [randomBytes(12 * mebibyte), randomBytes(9 * mebibyte)];
          await world.publishWeb("1.0.0", {}, { tree: { blob } });
          await world.publishWeb("2.0.0", {}, { tree: { blob, more } });
          const walk = [
            { version: "1.0.0", cuts: 6, bytes: blob.length, before: [], kind: "full" },
            { version: "2.0.0", cuts: 4, bytes: more.length, before: ["1.0.0"], kind: "patch" },
          ];
          for (const { version, cuts, bytes, before, kind } of walk) {
            await world.pushWeb(version);
            const offsets = Array.from({ length: cuts }, () => Math.floor(random() * bytes * 0.9)).sort(
              (a, b) => a - b,
            );
            const seen = await cutWhileSending(world, { host, offsets, before });
            assert.equal(seen.outcome, "done");
            assert.equal(seen.cuts, cuts);
            assert.equal(seen.kind, kind);
            context.diagnostic(`${kind}: ${seen.sent} bytes sent of a payload of ${seen.total}, ${cuts} cuts`);
            assert.ok(seen.total < bytes + mebibyte, `${kind}: ${seen.total} bytes for ${bytes}`);
            assert.ok(seen.sent >= seen.total, "all of it was sent");
            assert.ok(seen.sent <= seen.total + cuts * putChunkBytes, `${seen.sent} bytes sent for ${seen.total}`);
            assert.equal(seen.there, seen.total, "whoever watches is told what is there");
            assert.deepEqual(versionsOf(host), [...before, version]);
            assert.deepEqual(leftovers(host), []);
          }
          const files = { blob, more };
          for (const [name, bytes] of Object.entries(files))
            assert.equal(sha256(readFileSync(host.pathOf(`${rootOf(host)}/current/${name}`))), sha256(bytes), name);
        },
        { manager: "none", switch: { strategy: "none" }, health: [], env: {} },
      ),
    ),
);

type World = Parameters<Parameters<typeof withWorld>[1]>[0];

interface Cutting {
  readonly host: LabHost;
  /** Of bytes sent, ascending. */
  readonly offsets: readonly number[];
  /** Versions that the host has meanwhile, and no other. */
  readonly before: readonly string[];
}

/** One pass; the link is cut whenever the bytes sent so far pass the next offset: by turns one session, or sshd and all its sessions. */
async function cutWhileSending(world: World, { host, offsets, before }: Cutting) {
  const seen = { sent: 0, there: 0, total: 0, cuts: 0, outcome: "", kind: "" };
  let lastSent = 0;
  let cutting: Promise<void> | undefined;
  const onBytes = ({ sent, there, total }: { sent: number; there: number; total: number }) => {
    seen.sent += sent > lastSent ? sent - lastSent : sent;
    lastSent = sent;
    seen.there = there;
    seen.total = total;
    assert.deepEqual(versionsOf(host), before, "while bytes are on their way");
    const next = offsets[seen.cuts];
    if (next === undefined || seen.sent < next || cutting !== undefined) return;
    seen.cuts += 1;
    cutting = cutLink(host, seen.cuts % 2 === 0).finally(() => {
      cutting = undefined;
      assert.deepEqual(versionsOf(host), before, "after a cut");
    });
  };
  const onEvent = (event: JournalEvent) => {
    if (event.kind === "delivered") seen.kind = event.base === undefined ? "full" : "patch";
  };
  await world.withController((controller) =>
    withLease(controller, { takeOver: false, signal: AbortSignal.timeout(240_000) }, async (lease, signal) => {
      const { results } = await reconcile({ controller, lease, watcher: { onEvent, onBytes }, signal });
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
  const directory = host.pathOf(`${rootOf(host)}/versions`);
  return existsSync(directory) ? readdirSync(directory).sort() : [];
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
