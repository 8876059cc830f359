// A release that git does not ask for any more is not stalled for ever: what of it still runs is said, and nothing else.
import assert from "node:assert/strict";
import { test } from "node:test";
import { keepNames } from "../../../src/app/accept-commit.ts";
import type { Controller } from "../../../src/app/controller.ts";
import { readStatus } from "../../../src/app/read-status.ts";
import type { Status, TargetStatus } from "../../../src/model/status.ts";
import { makeAppender } from "../../../src/run/append.ts";
import { memoryJournal, sleptClock } from "../../support/engine.ts";

const target = (host: string, component: string, version: string | null): TargetStatus => ({ host, component, version, from: null, wanted: "2.0.0", since: 1, outcome: "quarantined" }); // biome-ignore format: one line
const statusOf = (release: string, at: number, ...targets: TargetStatus[]): Status => ({
  ...{ format: "cutover-status/1", release, commit: "0123456789abcdef0123456789abcdef01234567", generation: "g" },
  ...{ planHash: null, run: null, targets, quarantined: [], at, holder: "control", epoch: 1 },
  conditions: [{ type: "Stalled", status: "True", reason: "Quarantined", message: "" }],
});

async function read(statuses: readonly Status[], names?: { hosts: string[]; releases: string[] }) {
  const memory = { journal: memoryJournal(), clock: sleptClock() };
  const named = (list: readonly string[]) => list.map((name) => ({ name }));
  for (const status of statuses)
    await makeAppender({ ...memory, stream: `status/${status.release}`, last: 0 }).append({ kind: "status-made", status }); // biome-ignore format: one line
  if (names !== undefined) {
    // The names before these do not count.
    await keepNames(memory, { hosts: named(["web9"]), releases: named(statuses.map(({ release }) => release)) });
    await keepNames(memory, { hosts: named(names.hosts), releases: named(names.releases) });
    await keepNames(memory, { hosts: named(names.hosts), releases: named(names.releases) });
    assert.equal((await memory.journal.read("fleet")).length, 2, "kept once");
  }
  const settings = { firstTrust: { releaseKeys: [], threshold: 1, controllerKeys: [], commitSigners: [] } };
  const { releases, gone } = await readStatus(memory.journal, settings as unknown as Controller["settings"]);
  return { releases: releases.map(({ release }) => release), gone };
}

const before = statusOf("release", 1, target("web1", "orders", "1.0.0"), target("web1", "shop", "1.0.0"));

test("a release that was renamed leaves the status: the new one speaks for all that it ran", async () => {
  const after = statusOf("shop", 2, target("web1", "orders", "2.0.0"), target("web1", "shop", "2.0.0"));
  const found = await read([before, after], { hosts: ["web1"], releases: ["shop"] });
  assert.deepEqual(found, { releases: ["shop"], gone: [] });
});

test("what of a gone release nobody else speaks for is told of, once, on hosts of the fleet", async () => {
  const older = statusOf("oldest", 0, target("web1", "orders", "0.9.0"), target("web2", "orders", "0.9.0"), target("web3", "orders", "0.9.0"), target("web1", "jobs", null)); // biome-ignore format: one line
  const shop = statusOf("shop", 2, target("web1", "shop", "2.0.0"));
  const found = await read([older, before, shop], { hosts: ["web1", "web2"], releases: ["shop"] });
  assert.deepEqual(found, {
    releases: ["shop"],
    gone: [
      { release: "release", at: 1, left: [{ host: "web1", component: "orders", version: "1.0.0" }] },
      { release: "oldest", at: 0, left: [{ host: "web2", component: "orders", version: "0.9.0" }] },
    ],
  });
});

test("while nobody knows what releases in force ask for, nothing is said of what is left; without names all stand there", async () => {
  assert.deepEqual(await read([before], { hosts: ["web1"], releases: ["shop"] }), { releases: [], gone: [] });
  assert.deepEqual(await read([before]), { releases: ["release"], gone: [] });
});
