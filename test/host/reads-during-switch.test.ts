// P1 and R12 under a reader that never sleeps: whatever a switch or a way back is doing, `current` is one whole version.
import assert from "node:assert/strict";
import { once } from "node:events";
import { test } from "node:test";
import { Worker } from "node:worker_threads";
import { withPartsHost } from "../support/host-parts.ts";

const leastReads = 500_000;

/** Reads two files through `current` as fast as it can; each must say the version of the directory it was read from. */
const reader = `
  const { parentPort, workerData } = require("node:worker_threads");
  const fs = require("node:fs");
  const flag = new Int32Array(workerData.flag);
  const seen = new Set();
  let reads = 0;
  const wrong = [];
  while (Atomics.load(flag, 0) === 0 && wrong.length === 0) {
    try {
      const version = fs.readlinkSync(workerData.root + "/current").slice("versions/".length);
      for (const name of ["a", "b"]) {
        const text = fs.readFileSync(workerData.root + "/versions/" + version + "/" + name, "utf8");
        if (text !== version) wrong.push(name + " of " + version + " says " + text);
      }
      // Straight through the link, as a program does that knows nothing of versions.
      const text = fs.readFileSync(workerData.root + "/current/a", "utf8");
      if (text !== "v1" && text !== "v2") wrong.push("current/a says " + text);
      seen.add(version);
      reads += 3;
      Atomics.store(flag, 1, reads);
    } catch (error) {
      wrong.push(String(error));
    }
  }
  parentPort.postMessage({ reads, wrong, seen: [...seen].sort() });
`;

test("500,000 reads during switches and ways back see only complete versions (P1, R12)", () =>
  withPartsHost(["dash"], async (host) => {
    const contract = { manager: "none", "switch.strategy": "none" };
    for (const version of ["v1", "v2"]) await host.install(version, { contract, tree: { a: version, b: version } });
    for (const [kind, session] of [
      ["switch", "a"],
      ["confirm", "b"],
      ["commit", "b"],
    ] as const)
      assert.equal((await host.task(kind, "do", { version: "v1", run: "r0", session })).exitCode, 0, kind);
    const flag = new SharedArrayBuffer(8);
    const view = new Int32Array(flag);
    const worker = new Worker(reader, { eval: true, workerData: { flag, root: `${host.base}/web` } });
    const told = once(worker, "message");
    let switches = 0;
    while (Atomics.load(view, 1) < leastReads || switches < 20) {
      const run = `r${++switches}`;
      const there = await host.task("switch", "do", { version: "v2", run, session: "a", options: { deadline: "60" } });
      assert.equal(there.exitCode, 0, there.evidence);
      const back = await host.task("switch", "undo", {
        version: "v2",
        run,
        options: { "trial-run": run, reason: "operator" },
      });
      assert.equal(back.exitCode, 0, back.evidence);
      assert.ok(switches < 2_000, "the reader reads too little");
    }
    Atomics.store(view, 0, 1);
    const [{ reads, wrong, seen }] = (await told) as [{ reads: number; wrong: string[]; seen: string[] }];
    assert.deepEqual(wrong, []);
    assert.ok(reads >= leastReads, `${reads} reads`);
    assert.deepEqual(seen, ["v1", "v2"], "the reader saw both");
  }));
