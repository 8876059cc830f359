// What a range takes, and what a proposal is called: semver's word, and names that git and a shell can bear.
import assert from "node:assert/strict";
import { test } from "node:test";
import type { NewerVersion } from "../../../src/app/newer-version.ts";
import { proposalBranch, proposalMessage, proposalTitle, proposedPlans } from "../../../src/app/proposal-text.ts";
import { isWithin, newerWithin } from "../../../src/desired/ranges.ts";
import { releaseReview } from "../../support/review-input.ts";

test("the highest version within the range comes first; pre-releases, other names and what is not above are left out (R66)", () => {
  const versions = ["nightly", "1.2.0", "1.10.0", "1.9.9", "2.0.0", "1.11.0-rc.1", "v1.9.10", "1.2.0+b2", "r7", "1.3"];
  assert.deepEqual(newerWithin(versions, { range: ">=1.2 <2", above: "1.2.0" }), ["1.10.0", "v1.9.10", "1.9.9"]);
  assert.deepEqual(newerWithin(versions, { range: "^1.11.0-rc.0", above: undefined }), ["1.11.0-rc.1"]);
  assert.deepEqual(newerWithin(versions, { range: "^1", above: "r6" }), [], "nothing is above a name");
  assert.deepEqual(newerWithin(versions, { range: "no range", above: undefined }), []);
  for (const version of ["1.2", "01.2.3", "", "1.2.3.4", "latest"])
    assert.equal(isWithin(version, "*"), false, version);
});

const newer = (component: string, to: string, more: Partial<NewerVersion["asked"]> = {}): NewerVersion => ({
  asked: {
    ...{ release: "r", component, match: undefined, range: "^1", pinned: "1.0.0", file: "a.yaml", line: 1, column: 1 },
    ...more,
  },
  to,
  contractChanges: [],
});

test("a proposal of one component is named after it, of several the same for the same versions", () => {
  const selected = newer("shop", "1.1.0", { match: { role: "a" } });
  assert.equal(proposalBranch([selected, newer("shop", "1.2.0")]), "cutover/propose-shop-1.2.0");
  assert.equal(proposalBranch([selected]), "cutover/propose-shop-1.1.0");
  const both = [newer("shop", "1.2.0"), newer("cache", "7.0.0")];
  assert.match(proposalBranch(both), /^cutover\/propose-together-[0-9a-f]{12}$/);
  assert.equal(proposalBranch(both), proposalBranch([...both]));
  assert.equal(proposalTitle(both), "shop 1.2.0, cache 7.0.0");
  const many = Array.from({ length: 20 }, (_, index) => newer(`component-${index}`, "1.2.0"));
  assert.equal(proposalTitle(many), "20 components: component-0 1.2.0 and others");
});

test("labels and file names of a repository cannot write lines into a commit message, a trailer least of all", () => {
  const match = { role: "x\n\nCutover-Plan: sha256:0" };
  const [one = "", two = ""] = ["1", "2"].map((digit) => `sha256:${digit.repeat(64)}`);
  const message = proposalMessage({
    versions: [newer("shop", "1.2.0", { match, file: "a\nb.yaml" })],
    passedOver: [{ component: "shop", version: "1.3.0", reason: "quarantined", message: "a\nb" }],
    plan: { text: "the plan", markdown: "", hashes: [one, two], others: ["web", "mail"] },
  });
  assert.equal(
    message,
    `shop 1.2.0

Proposed by cutover: the newest published version within the range.

- shop 1.0.0 → 1.2.0 on hosts with role=x\\u{a}\\u{a}Cutover-Plan: sha256:0, range "^1" (a\\u{a}b.yaml:1)
- passed over: shop 1.3.0 (quarantined)

Not part of it, and not approved by it: what web, mail have still to do.

the plan

Cutover-Plan: ${one}
Cutover-Plan: ${two}
`,
  );
});

test("a proposal approves the plans of the releases that it changes, and names the others that have something to do (R66, P12)", () => {
  const review = (name: string, isAskedAnew: boolean, version?: string) => {
    const world = { components: { web: { hosts: ["h1"], ...(version === undefined ? {} : { version }) } } };
    return releaseReview(world, { release: name, isAskedAnew });
  };
  const [changed, waits, idle] = [review("shop", true), review("mail", false), review("blog", true, "1.0.0")];
  assert.ok(changed && waits && idle);
  assert.deepEqual(proposedPlans({ releases: [changed, waits, idle] }), {
    hashes: [changed.plan.hash],
    others: ["mail"],
  });
});
