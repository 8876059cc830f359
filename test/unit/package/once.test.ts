// Asked twice, done once; and what becomes of an answer, a failure, and an entry that was dropped meanwhile.
import assert from "node:assert/strict";
import { test } from "node:test";
import { once } from "../../../src/package/once.ts";

function counted() {
  let calls = 0;
  return { make: async () => ++calls, calls: () => calls };
}

test("who asks at the same time gets the same answer; it is kept for good, or only while it is made", async () => {
  for (const [keep, later] of [
    ["for-good", 1],
    ["while-running", 2],
  ] as const) {
    const known = new Map<string, Promise<number>>();
    const { make } = counted();
    const ask = () => once(known, { key: "a", keep }, make);
    assert.deepEqual(await Promise.all([ask(), ask()]), [1, 1]);
    assert.equal(await ask(), later, keep);
  }
});

test("what failed is asked again at once by whoever hears of it, whichever way answers are kept", async () => {
  for (const keep of ["for-good", "while-running"] as const) {
    const known = new Map<string, Promise<number>>();
    const broken = () => once<number>(known, { key: "a", keep }, () => Promise.reject(new Error("broken")));
    await Promise.all([assert.rejects(broken(), /broken/), assert.rejects(broken(), /broken/)]);
    const again = broken().catch(() => once(known, { key: "a", keep }, async () => 2));
    assert.equal(await again, 2);
  }
});

test("a failure does not drop what was asked for after its own entry was dropped", async () => {
  const known = new Map<string, Promise<number>>();
  const failing = Promise.withResolvers<number>();
  const first = once(known, { key: "a", keep: "for-good" }, () => failing.promise);
  known.clear();
  const second = once(known, { key: "a", keep: "for-good" }, async () => 2);
  failing.reject(new Error("broken"));
  await assert.rejects(first, /broken/);
  assert.equal(known.get("a"), second);
});
