// A review at a terminal: what must be seen comes first, and how old the knowledge is comes with it.
import assert from "node:assert/strict";
import { test } from "node:test";
import { renderReview } from "../../../src/cli/render-review.ts";
import { toText } from "../../../src/cli/text.ts";
import type { ReleaseReview, Review } from "../../../src/model/review.ts";
import { releaseReview, reviewOf, smallWorld } from "../../support/review-input.ts";

function textOf(
  release: Partial<ReleaseReview>,
  review: Partial<Review> = {},
  holds: Record<string, string> = {},
): string {
  const shown = renderReview(reviewOf([releaseReview({ ...smallWorld, holds }, release)], review));
  return toText(shown, { color: false, width: undefined, overflow: "wrap" }).join("\n");
}

test("risks stand below the summary, before any table; the trailer to copy is the last line", () => {
  const risks: ReleaseReview["risks"] = [
    {
      kind: "irreversible",
      component: "api",
      reason: "raises-floor",
      text: "api 2.0.0 raises the floor",
      hosts: ["web1"],
    },
  ];
  const text = textOf({ risks, approval: "plan-hash" });
  assert.match(
    text,
    /^shop: 6 of 6 hosts change, .*\n {2}irreversible: api 2\.0\.0 raises the floor \(web1\)\n {2}component/m,
  );
  assert.match(text, /\nplan (sha256:[0-9a-f]{64})\napproval: .*\n {2}Cutover-Plan: \1$/);
  assert.doesNotMatch(textOf({}), /approval:|Cutover-Plan/);
});

test("hosts that wait are named apart, and the age of the state or what is wrong with it is always there", () => {
  assert.match(textOf({}, {}, { web2: "disk" }), /\n {2}later: web2: meant as well, and part of the plan's hash\n/);
  assert.match(textOf({}), /hosts as reported 12 min ago, 2026-11-21T11:48:00Z, by a signed note/);
  const stateProblem = "the newest note is not signed, and is ignored";
  assert.match(
    textOf({ stateProblem, observedAt: undefined }),
    /\n {2}state: the newest note is not signed, and is ignored\n/,
  );
});

test("a change of the Trust stands on top, and a contract's entries below their release's table", () => {
  const trustChange = { verdict: "refused", added: ["threshold 1"], removed: ["threshold 2"] } as const;
  const changes = [{ key: "switch.strategy", from: "restart", to: "none" }];
  const text = textOf({ contracts: [{ component: "api", from: "1.0.0", to: "2.0.0", changes }] }, { trustChange });
  assert.match(
    text,
    /^main .*\nthe Trust changes: no admin signed that, .*\n {2}\+ threshold 1\n {2}- threshold 2\nsigned by ada\n/,
  );
  assert.match(text, /\n {2}contract changes: api 1\.0\.0 → 2\.0\.0\n {4}switch\.strategy restart → none\n/);
});

test("a head that nobody trusted signed, releases that git lost and documents with errors are said", () => {
  const failed = [
    { release: "", code: "documents-invalid", message: "2 errors", evidence: "a.yaml:1:2", remedy: "cutover validate" },
  ];
  const head = { ref: "pr\u001b[31m", commit: "b".repeat(40), signer: undefined };
  const text = textOf({}, { head, failed, gone: ["old"] });
  assert.match(text, /^not signed by anybody whom the Trust of main names/m);
  assert.match(
    text,
    /^documents: cannot be planned \(documents-invalid\): 2 errors\n {2}\| a\.yaml:1:2\nnext: cutover validate/m,
  );
  assert.match(text, /^not in git any more: old; nothing is removed from any host$/m);
  assert.ok(!text.includes("\u001b"), "what a branch is called reaches no terminal raw (T26)");
});
