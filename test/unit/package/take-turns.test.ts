// However many ask, only so many work; the line moves on whatever becomes of those in front.
import assert from "node:assert/strict";
import { test } from "node:test";
import { patchesAtOnce } from "../../../src/package/patch/effort.ts";
import { takeTurns } from "../../../src/package/patch/take-turns.ts";

function work() {
  const started: string[] = [];
  const gates = new Map<string, PromiseWithResolvers<void>>();
  const job = (name: string) => async () => {
    started.push(name);
    const gate = Promise.withResolvers<void>();
    gates.set(name, gate);
    await gate.promise;
    return name;
  };
  const settled = () => new Promise(setImmediate);
  return { started, job, settled, end: (name: string, error?: Error) => (error ? gates.get(name)?.reject(error) : gates.get(name)?.resolve()) }; // biome-ignore format: one line
}

test("two at once, in the order of asking, also behind one that failed", async () => {
  const { started, job, settled, end } = work();
  const turns = takeTurns(() => 2);
  const [a, b, c] = ["a", "b", "c"].map((name) => turns(job(name)));
  await settled();
  assert.deepEqual(started, ["a", "b"]);
  end("a", new Error("broken"));
  await assert.rejects(a ?? Promise.resolve(), /broken/);
  await settled();
  assert.deepEqual(started, ["a", "b", "c"]);
  end("b");
  end("c");
  assert.deepEqual([await b, await c], ["b", "c"]);
});

test("when there is room for none, one works all the same; room that comes back is used", async () => {
  const { started, job, settled, end } = work();
  let room = 0;
  const turns = takeTurns(() => room);
  const all = ["a", "b", "c"].map((name) => turns(job(name)));
  await settled();
  assert.deepEqual(started, ["a"]);
  room = 2;
  end("a");
  await settled();
  assert.deepEqual(started, ["a", "b", "c"]);
  end("b");
  end("c");
  await Promise.all(all);
  assert.deepEqual([3 * 1024 ** 3, 8 * 1024 ** 3].map(patchesAtOnce), [1, 2]);
});

test("who is asked to stop while waiting leaves the line, and never starts", async () => {
  const { started, job, settled, end } = work();
  const turns = takeTurns(() => 1);
  const stop = new AbortController();
  const a = turns(job("a"));
  const b = turns(job("b"), stop.signal);
  const c = turns(job("c"));
  stop.abort(new Error("enough"));
  await assert.rejects(b, /enough/);
  await assert.rejects(turns(job("d"), stop.signal), /enough/);
  end("a");
  await a;
  await settled();
  end("c");
  await c;
  assert.deepEqual(started, ["a", "c"]);
});
