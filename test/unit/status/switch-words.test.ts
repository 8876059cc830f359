// What a plan says of a switch beside its versions: strategy, grade, and how the host leaves service before.
import assert from "node:assert/strict";
import { test } from "node:test";
import { switchWords } from "../../../src/status/switch-words.ts";

test("R18: a plan says when a drain is over, and the longest that it takes", () => {
  const restart = { strategy: "restart", grade: "request-safe" } as const;
  const words = (drain: { until?: string; seconds: number }) => switchWords({ ...restart, drain });
  assert.equal(switchWords(restart), "restart, request-safe");
  assert.equal(words({ seconds: 60 }), "restart, request-safe, drains 60 s at most");
  assert.equal(words({ until: "deadline", seconds: 600 }), "restart, request-safe, drains 10 min at most");
  assert.equal(words({ until: "idle", seconds: 600 }), "restart, request-safe, drains until idle within 10 min");
  assert.equal(words({ until: "03:30Z", seconds: 86_400 }), "restart, request-safe, drains until 03:30Z");
  assert.equal(switchWords({ strategy: "none", drain: { seconds: 5 } }), "none, drains 5.0 s at most");
});
