// The timer that stands in the place of a port: it changes nothing of what it times.
import assert from "node:assert/strict";
import test from "node:test";
import { makeCallTimer } from "../../src/adapters/profile/time-calls.ts";

test("calls, rejections and streams are timed and counted, and answered as without the timer", async () => {
  let at = 0;
  const { timed, times } = makeCallTimer(() => at);
  const port = timed("port", {
    size: 3,
    now: () => ++at,
    async wait(ms: number) {
      at += ms;
      return ms;
    },
    fail: () => Promise.reject(new Error("no")),
    async *stream() {
      yield 1;
      at += 10;
      yield 2;
      at += 100;
    },
  });
  assert.equal(port.size, 3);
  assert.equal(port.now(), 1);
  assert.equal(await port.wait(5), 5);
  await assert.rejects(port.fail(), /no/);
  const heard: number[] = [];
  for await (const each of port.stream()) heard.push(each);
  assert.deepEqual(heard, [1, 2]);
  for await (const _ of port.stream()) break;
  const found = Object.fromEntries(times().map(({ call, count, totalMs, errors }) => [call, [count, totalMs, errors]]));
  assert.deepEqual(found, {
    "port.stream": [2, 110, 0],
    "port.wait": [1, 5, 0],
    "port.now": [1, 1, 0],
    "port.fail": [1, 0, 1],
  });
});
