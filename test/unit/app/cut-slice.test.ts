// What somebody typed behind --slice: a slip is told, with what was probably meant; what is right and has nothing to do is no error.
import assert from "node:assert/strict";
import { test } from "node:test";
import { cutSlice, type SliceWords, sliceTerms } from "../../../src/app/cut-slice.ts";
import { CutoverError } from "../../../src/errors.ts";
import type { Host } from "../../../src/model/fleet.ts";
import { plainProcedure } from "../../../src/model/procedure.ts";
import { makePlan } from "../../../src/plan/make-plan.ts";
import { planInput } from "../../support/plan-input.ts";

const input = planInput({ components: { app: { hosts: ["web1", "web2"] } } });
const hosts = ["web1", "web2"].map((name, index) => ({ name, labels: { site: index === 0 ? "north" : "south" } })) as unknown as Host[]; // biome-ignore format: one line
const words: SliceWords = { hosts, procedure: plainProcedure, releases: [input.release] };
const refused = (text: string) => {
  try {
    return sliceTerms([text], words).length;
  } catch (error) {
    return String(error instanceof Error ? error.message : error);
  }
};

test("a component, host, phase or label that nobody knows is a usage error with the nearest, or the known ones", () => {
  assert.equal(refused("component=ap"), "--slice component=ap: there is no such component; did you mean app?");
  assert.equal(refused("host=web3"), "--slice host=web3: there is no such host; did you mean web1?");
  assert.match(String(refused("phase=everything")), /no such phase; known: .*commit/);
  assert.equal(refused("site=noth"), "--slice site=noth: there is no such site; did you mean north?");
  assert.match(String(refused("component=app,host=db*")), /there is no such host; known: web1, web2$/);
  for (const right of ["component=app", "host=web*,site=south", "phase=commit", "task=anything"])
    assert.equal(refused(right), 1, right);
});

test("the next command is one that goes on: the same with what was meant, or what shows the names", () => {
  const next = (text: string) => {
    try {
      return String(sliceTerms([text], words).length);
    } catch (error) {
      return error instanceof CutoverError ? error.remedy : String(error);
    }
  };
  assert.equal(next("site=noth,task=check"), "cutover plan --slice 'site=north,task=check'");
  assert.equal(next("sites=north,host=web1"), "cutover plan --slice 'site=north,host=web1'");
  for (const text of ["site=moon", "colour=red", "host=db*"]) assert.equal(next(text), "cutover host list", text);
  assert.equal(next("phase=everything"), "cutover plan --book");
  assert.match(String(refused("colour=red")), /no host carries a label colour, they carry site$/);
  assert.doesNotMatch(String(next("web1")), /site|web1/, "no example that may fail here as well");
});

test("a misspelt task is told when its plan is known; one that has nothing to do here is none", () => {
  const plan = makePlan(input);
  const cut = (text: string) => cutSlice({ plan, hosts, terms: sliceTerms([text], words) });
  assert.throws(() => cut("task=swich"), /there is no such task; did you mean switch\?/);
  assert.equal(cut("task=convert"), undefined);
  assert.ok(cut("task=switch"));
});
