// The comment of a pull request: what must stand in it, in which order, how large it may get, and that foreign text stays text.
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import type { Held } from "../../../src/model/plan.ts";
import type { ReleaseReview, Review, RiskItem } from "../../../src/model/review.ts";
import { commentLimit, planMarker, renderReviewMarkdown } from "../../../src/status/review-markdown.ts";
import { reviewStatus } from "../../../src/status/review-status.ts";
import { largeReview, releaseReview, reviewOf, smallWorld } from "../../support/review-input.ts";

const irreversible: RiskItem = {
  kind: "irreversible",
  component: "database",
  reason: "raises-floor",
  text: "No version below 2.0.0 may run again",
  hosts: ["db1", "db2"],
};
const risky: RiskItem = {
  kind: "risky",
  component: "api",
  reason: "drops-requests",
  text: "It restarts",
  hosts: ["web1"],
};

/** Lines that no reader has to unfold. */
function openText(text: string): string {
  return text.replaceAll(/<details>[\s\S]*?<\/details>/g, "");
}

function rowsOf(text: string, component: string): string[] {
  return text.split("\n").filter((line) => line.startsWith(`| **\`${component}\`**`));
}

test("the marker is the first line, the summary the first thing below it, and one row a component follows", () => {
  const text = renderReviewMarkdown(reviewOf([releaseReview(smallWorld)]));
  const lines = text.split("\n");
  assert.equal(lines[0], planMarker);
  assert.equal(lines[1], "## Plan: 6 hosts change");
  assert.ok(text.indexOf("Where: 6 of 6 hosts, in 5 batches") < text.indexOf("### Release"));
  assert.ok(text.indexOf("How long: about 3 min") < text.indexOf("### Release"));
  assert.ok(text.indexOf("Way back: a failed batch is undone") < text.indexOf("### Release"));
  const [row, ...others] = rowsOf(text, "database");
  assert.deepEqual(others, []);
  for (const cell of [
    "`1.0.0` → `2.0.0`",
    "restart, no grade declared",
    "patch",
    "2: `db1, db2`",
    "2 (no. 1 to 2)",
    "123 kB × 2 = 247 kB",
    "90 s",
  ])
    assert.ok(row?.includes(`| ${cell} |`), `${cell} in ${row}`);
  assert.match(row ?? "", /back to `1\.0\.0`, backup restored; alone after 2 min without confirm/);
  assert.equal(rowsOf(text, "api").length, 1);
});

test("a way over stepping stones stands there whole, with what waits for it and what was rejected (R16)", () => {
  const way = { component: "database", from: "1.0.0", to: "3.0.0", via: ["2.0.0"], hosts: ["db1", "db2"] };
  const rejected = [{ way: "1.0.0 → 3.0.0", why: 'it takes "<img src=x>" only' }];
  const waits = { component: "api", from: "1.0.0", to: "2.0.0", via: [], hosts: ["web1"], rejected: [] };
  const paths = [
    { ...way, bytesPerHost: 1_000, why: "the fewest bytes", rejected },
    { ...waits, bytesPerHost: undefined, why: "", waitsFor: "database" },
  ];
  const review = releaseReview(smallWorld);
  const text = renderReviewMarkdown(reviewOf([{ ...review, plan: { ...review.plan, paths } }]));
  assert.match(text, /- Goes on by itself: `database` to `3\.0\.0` in 2 plans/);
  assert.match(
    text,
    /\| \*\*`database`\*\* \| `1\.0\.0` → `2\.0\.0` → `3\.0\.0` \| `2\.0\.0` \| 2: `db1, db2` \| 1\.0 kB \|/,
  );
  assert.match(text, /\| \*\*`api`\*\* \| `1\.0\.0` → `2\.0\.0` \| waits for `database` \| `web1` \|/);
  assert.doesNotMatch(openText(text), /takes/);
  assert.ok(!text.includes("<img"));
});

test("what is irreversible or risky stands open, above the table, whatever else is folded", () => {
  const review = reviewOf([releaseReview(smallWorld, { risks: [risky, irreversible] })]);
  const open = openText(renderReviewMarkdown(review));
  const places = ["**1 irreversible**, **1 risky**", "raises-floor", "drops-requests", "| component |"];
  const found = places.map((place) => open.indexOf(place));
  assert.ok(
    found.every((at) => at > 0),
    `${found}`,
  );
  assert.deepEqual(
    found,
    [...found].sort((a, b) => a - b),
  );
  assert.match(open, /Requests: dropped by `api`/);
  assert.match(rowsOf(open, "database")[0] ?? "", /\*\*not whole, see above\*\*/);
});

test("drifted, unreachable and held hosts stand apart, each with its evidence; hosts that wait are counted in their row", () => {
  const world = {
    ...smallWorld,
    observed: { web4: "unreachable", web3: { api: { current: "0.9.0", committed: "1.0.0" } } },
    holds: { db2: "disk is being replaced" },
  } as const;
  const text = renderReviewMarkdown(reviewOf([releaseReview(world)]));
  assert.match(text, /\*\*Drift: 1 host\*\*[^\n]*: `web3`\n[\s\S]*?current is 0\.9\.0, but 1\.0\.0 was committed last/);
  assert.match(text, /\*\*Unreachable: 1 host\*\*[^\n]*: `web4`\n[\s\S]*?no route/);
  assert.match(text, /\*\*Held back: 1 host\*\*[^\n]*: `db2`\n[\s\S]*?disk is being replaced/);
  assert.match(text, /Left alone today: 1 drifted, 1 unreachable, 1 held/);
  assert.match(rowsOf(text, "database")[0] ?? "", /\(1 not today\)/);
});

const trustChange: NonNullable<Review["trustChange"]> = {
  verdict: "refused",
  added: ["release key ssh-ed25519 AAAAmallory"],
  removed: ["threshold 2"],
};

test("a change of the Trust stands open above the summary, with every key; one that nobody may make turns the status red", () => {
  const world = releaseReview(smallWorld);
  const warnings = Array.from({ length: 9 }, (_, line) => {
    return { severity: "warning", file: "a.yaml", line, column: 1, path: "", message: "folded" } as const;
  });
  const open = openText(renderReviewMarkdown(reviewOf([world], { trustChange, warnings })));
  const [, box = ""] = /## Plan: 6 hosts change\n\n(> \[!CAUTION\]\n(?:>.*\n)+)\n- \*\*`shop`\*\*/.exec(open) ?? [];
  assert.match(box, /The Trust changes, and no admin signed that/);
  assert.match(box, /^> - added: `release key ssh-ed25519 AAAAmallory`$/m);
  assert.match(box, /^> - removed: `threshold 2`$/m);
  const refused = reviewStatus(reviewOf([world], { trustChange }));
  assert.deepEqual([refused.state, refused.description], ["failure", "the Trust changes without an admin's signature"]);
  const byAdmin = reviewOf([world], { trustChange: { ...trustChange, verdict: "by-admin" } });
  assert.deepEqual(
    [reviewStatus(byAdmin).state, reviewStatus(byAdmin).description],
    ["success", "the Trust changes, 6 hosts change"],
  );
  assert.match(openText(renderReviewMarkdown(byAdmin)), /\*\*The Trust changes\*\*: an admin signed it/);
  const order = { verdict: "by-admin", added: [], removed: [] } as const;
  assert.match(renderReviewMarkdown(reviewOf([world], { trustChange: order })), /^> - only the order of its entries$/m);
});

test("a contract that changes is counted in its row, its entries named open, their values there to unfold", () => {
  const changes = [
    { key: "switch.strategy", from: "restart", to: "none" },
    { key: "health.1.kind", from: "http", to: undefined },
  ];
  const text = renderReviewMarkdown(
    reviewOf([releaseReview(smallWorld, { contracts: [{ component: "api", from: "1.0.0", to: "2.0.0", changes }] })]),
  );
  assert.match(rowsOf(text, "api")[0] ?? "", /`1\.0\.0` → `2\.0\.0` \(contract: 2 changes\)/);
  assert.doesNotMatch(rowsOf(text, "database")[0] ?? "", /contract/);
  assert.match(openText(text), /\*\*Contract of `api` changes\*\*, .*: `switch\.strategy`, `health\.1\.kind`$/m);
  assert.match(text, /^\| `switch\.strategy` \| `restart` \| `none` \|\n\| `health\.1\.kind` \| `http` \| none \|$/m);
});

test("the age of the state and whether it is verified are said; so is a head that nobody trusted signed", () => {
  const verified = renderReviewMarkdown(reviewOf([releaseReview(smallWorld)]));
  assert.match(
    verified,
    /State of the hosts: as of 2026-11-21T11:48:00Z, 12 min old, from a note with a verified signature/,
  );
  assert.match(verified, /signed by `ada`/);
  const forged = releaseReview(smallWorld, { stateProblem: "the note's signature is not by a controller key" });
  const text = openText(
    renderReviewMarkdown(reviewOf([forged], { head: { ref: "topic", commit: "c".repeat(40), signer: undefined } })),
  );
  assert.match(text, /\*\*not verified\*\* for 1 release/);
  assert.match(text, /The state of the hosts is not verified/);
  assert.match(text, /`topic` is not signed by anybody whom the Trust of `main` names/);
  const nothing = releaseReview(smallWorld, { observedAt: undefined, stateProblem: "there is no note" });
  assert.match(renderReviewMarkdown(reviewOf([nothing])), /State of the hosts: \*\*not known\*\*, there is no note/);
});

test("under plan-hash the exact trailer is a line of its own to copy; else the hash stands beside `merging is the approval`", () => {
  const byHash = releaseReview(smallWorld, { approval: "plan-hash" });
  const text = renderReviewMarkdown(reviewOf([byHash]));
  assert.ok(openText(text).split("\n").includes(`Cutover-Plan: ${byHash.plan.hash}`));
  const byMerge = releaseReview(smallWorld);
  assert.ok(
    renderReviewMarkdown(reviewOf([byMerge])).includes(`Plan \`${byMerge.plan.hash}\`: merging is the approval.`),
  );
});

test("what cannot be planned, and what is gone from the repository without being removed, is said open", () => {
  const failed = [
    {
      release: "billing",
      code: "not-published",
      message: "no 3.0.0",
      evidence: "nearest: 2.9.9",
      remedy: "cutover publish",
    },
  ];
  const text = openText(renderReviewMarkdown(reviewOf([], { failed, gone: ["old"] })));
  assert.match(text, /Plan: no host changes, 1 release cannot be planned/);
  assert.match(text, /\*\*`billing`\*\* `not-published`: no 3\.0\.0/);
  assert.match(text, /`old`\. Nothing is removed from any host/);
});

const hostile =
  "@everyone @org/team #1 GH-7 !2 ~label | </td></details> <!-- cutover-plan --> <img src=x onerror=alert(1)> [a](javascript:x) ![i](http://e.vil/p) https://evil.example www.evil.example *b* _i_ `c` ``` \n/close\n# head\n---\n\u202e\u0007";

test("ten thousand hosts, eight components and a thousand pieces of hostile evidence fit, every table row whole (T26)", () => {
  const review = largeReview({ hosts: 10_000, held: 1_000, evidence: (index) => `${index} ${hostile}` });
  const text = renderReviewMarkdown(review);
  assert.ok(text.length < commentLimit, `${text.length}`);
  assert.ok((text.match(/```mermaid[\s\S]*?```/)?.[0].length ?? 1e9) < 2_000);
  assert.match(text, /\*\*Drift: 500 hosts\*\*/);
  assert.match(text, /\*\*Held back: 500 hosts\*\*/);
  assertInert(text);
});

test("no text of a review becomes markup, a mention, a link, a command or a second marker, wherever it stands (T26)", () => {
  for (const text of [hostile, "@everyone", "/close", "1. item", "- item", "> quote", "| a | b |", "```", planMarker]) {
    assertInert(renderReviewMarkdown(withEverywhere(text)));
  }
});

test("random texts of any length neither break the comment's structure nor its limit", () => {
  const piece = fc.oneof(
    fc.string({ unit: "grapheme", maxLength: 80 }),
    fc.constantFrom(hostile, "|", "`", "\\", "<", "@a", "\\|", "\n"),
  );
  const texts = fc.array(piece, { maxLength: 12 }).map((parts) => parts.join(""));
  fc.assert(
    fc.property(texts, (text) => assertInert(renderReviewMarkdown(withEverywhere(text)))),
    { numRuns: 150 },
  );
});

test("hundreds of releases are cut at whole lines, and the comment says that it is not whole", () => {
  const risks = Array.from({ length: 40 }, (_, index) => ({ ...irreversible, component: `part-${index}` }));
  const releases = Array.from({ length: 300 }, (_, index) =>
    releaseReview(smallWorld, { release: `shop-${index}`, risks }),
  );
  const text = renderReviewMarkdown(reviewOf(releases));
  assert.ok(text.length < commentLimit, `${text.length}`);
  assert.match(
    text,
    /Too much for one comment: the rest is not shown\*\*, risks included\. All of it: `cutover plan --base/,
  );
  assertInert(text);
});

/** The same foreign text in every field that a commit, a host or a signer's name can reach. */
function withEverywhere(text: string): Review {
  const release = releaseReview(smallWorld);
  const held: Held[] = (["drifted", "unreachable", "held", "in-trial", "quarantined"] as const).map((reason) => ({
    host: text,
    component: text,
    reason,
    evidence: text,
  }));
  const rename = <T extends { readonly component: string }>(entry: T): T => ({
    ...entry,
    component: text,
    from: text,
    to: text,
  });
  const hostileRelease: ReleaseReview = {
    ...release,
    release: text,
    plan: {
      ...release.plan,
      held,
      changes: release.plan.changes.map(rename),
      transfers: (release.plan.transfers ?? []).map((entry) => ({
        ...rename(entry),
        path: "chain",
        via: [text],
        why: text,
      })),
    },
    stateProblem: text,
    risks: [
      { ...irreversible, component: text, reason: text, text, hosts: [text] },
      { ...risky, text },
    ],
    estimates: release.estimates.map((entry) => ({ ...rename(entry), basis: text })),
  };
  return reviewOf([hostileRelease], {
    base: { ref: text, commit: text },
    head: { ref: text, commit: text, signer: text },
    gone: [text],
    failed: [{ release: text, code: text, message: text, evidence: text, remedy: text }],
    warnings: [{ severity: "warning", file: text, line: 1, column: 1, path: text, message: text }],
  });
}

/** What a reader of Markdown would take for structure is exactly what the renderer writes itself. */
function assertInert(text: string): void {
  assert.ok(text.length < commentLimit, `${text.length} characters`);
  assert.equal(text.split(planMarker).length, 2, "one marker");
  assert.doesNotMatch(text, /[@\\*_]{3,}|@|\\/, "no mention, no backslash");
  const withoutOurs = text
    .replace(planMarker, "")
    .replaceAll(/<\/?(?:details|summary|code)>|<br\/>/g, "")
    .replaceAll(/^> ?/gm, "")
    .replaceAll("-->", "");
  assert.doesNotMatch(withoutOurs, /[<>]/, "no HTML but details, summary and code");
  assert.doesNotMatch(text, /\]\(|https?:\/\/|www\.[a-z]/i, "no link");
  assert.doesNotMatch(text, /[^\P{Cc}\n]|[\u202a-\u202e\u2066-\u2069]/u, "no control or bidirectional character");
  let fenced = false;
  let columns: number | undefined;
  for (const line of text.split("\n")) {
    if (line.startsWith("```")) {
      assert.match(line, /^```(mermaid|text)?$/);
      fenced = !fenced;
    } else if (!fenced) {
      assert.match(
        line,
        /^$|^(<!-- cutover-plan -->|##|> |>$|-? *- |\||\*\*|<\/?details>|Plan |Made |No host|\d[\d,]* more )/,
        line,
      );
      assert.equal((line.replaceAll(/<\/?code>/g, "").match(/`/g) ?? []).length % 2, 0, `backticks pair: ${line}`);
    }
    const cells: number | undefined = line.startsWith("|") && !fenced ? line.split("|").length - 2 : undefined;
    if (cells !== undefined && columns !== undefined) assert.equal(cells, columns, line);
    columns = cells;
  }
  assert.equal(fenced, false, "fences end");
  assert.equal((text.match(/<details>/g) ?? []).length, (text.match(/<\/details>/g) ?? []).length);
}

test("plan edits stand in the comment with what they do and why, as text only (R36, T26)", () => {
  const edits = [
    { kind: "hold", host: "web1", reason: "<img src=x> @ada" },
    { kind: "gate", name: "look", afterBatch: 1, reason: "someone looks" },
  ] as const;
  const text = renderReviewMarkdown(reviewOf([releaseReview({ ...smallWorld, edits })]));
  assert.match(text, /\*\*Edited by hand: 2 edits\*\*/);
  assert.match(text, /\| `hold` \| web1 stays as it is \| `by-hand` \| /);
  assert.match(text, /\| `gate` \| the run waits after batch 1 of \d \| `by-hand` \| someone looks \|/);
  assert.ok(!text.includes("<img") && !text.includes("@ada"));
});
