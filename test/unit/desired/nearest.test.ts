// What somebody probably meant: names that differ in words, and ids that differ in few letters.
import assert from "node:assert/strict";
import { test } from "node:test";
import { didYouMean, meantId, meantName } from "../../../src/desired/nearest.ts";

test("letters that changed places, a letter too few and one too many are slips; another word is none", () => {
  const known = ["api", "hello", "web1"];
  assert.equal(meantName("pia", known), "api", "no nearer than any other word of three letters");
  assert.equal(meantName("helo", known), "hello");
  assert.equal(meantName("web11", known), "web1");
  assert.equal(meantName("postgres", known), undefined);
  assert.equal(`no such host${didYouMean("web1")}`, "no such host; did you mean web1?");
  assert.equal(`no such host${didYouMean(undefined)}`, "no such host");
});

test("an id is known by its beginning or end, and by one slip; of two that are alike none is meant", () => {
  const runs = ["r20261129-113924-ab12", "r20261129-114051-cd34"];
  assert.equal(meantId("cd34", runs), runs[1]);
  assert.equal(meantId("20261129-113924-ab12", runs), runs[0]);
  assert.equal(meantId("r20261129-113924-ab21", runs), runs[0]);
  assert.equal(meantId("r20261129", runs), undefined);
  assert.equal(meantId("r20261129-115959-ef56", runs), undefined, "another run of that day");
});
