// GitHub, as its published description has it: one comment whatever happens, bounded patience, and a token that no error shows.
import assert from "node:assert/strict";
import { test } from "node:test";
import { inspect } from "node:util";
import type { ForgeLimits } from "../../src/adapters/forges/forge-http.ts";
import { github } from "../../src/adapters/forges/github.ts";
import { systemClock } from "../../src/adapters/system-clock.ts";
import { postReview } from "../../src/app/post-review.ts";
import type { ForgePort } from "../../src/ports.ts";
import { planMarker } from "../../src/status/review-markdown.ts";
import { actionsBot, type FakeGithub, tokenUser, withGithub } from "../support/openapi-github.ts";
import { releaseReview, reviewOf, smallWorld } from "../support/review-input.ts";

const token = "ghp_canary-canary-0123456789";
/** Short pauses; the server of these tests compiles the parts of its description as it is asked, which takes seconds on a busy machine. */
const fast: Partial<ForgeLimits> = { firstPauseMs: 5, answerMs: 60_000, withinMs: 300_000 };
const body = (text: string) => `${planMarker}\n${text}`;

function forgeOf({ api }: FakeGithub, limits: Partial<ForgeLimits> = fast, secret = token): ForgePort {
  return github({ api, repository: "shop/releases", token: secret, clock: systemClock, limits });
}

/** Runs `work` and then asks the description: no request and no answer may contradict it. */
function withSound(
  options: { workflow?: boolean },
  work: (github: FakeGithub, forge: ForgePort) => Promise<void>,
): Promise<void> {
  return withGithub({ token, ...options }, async (server) => {
    await work(server, forgeOf(server));
    assert.deepEqual(server.violations, []);
    assert.ok(server.requests.length > 0);
  });
}

test("a review posted twice is one comment and a status on its head, every request as GitHub's description has it", () =>
  withSound({}, async (server, forge) => {
    const review = reviewOf([releaseReview(smallWorld)]);
    const first = await postReview({ forge, pull: 3, review });
    assert.equal(first.comment.change, "created");
    const second = await postReview({ forge, pull: 3, review: { ...review, at: review.at + 60_000 } });
    assert.equal(second.comment.change, "updated");
    assert.equal(
      (await postReview({ forge, pull: 3, review: { ...review, at: review.at + 60_000 } })).comment.change,
      "unchanged",
    );
    assert.equal(server.comments.length, 1);
    assert.match(server.comments[0]?.body ?? "", /^<!-- cutover-plan -->\n## Plan: 6 hosts change\n/);
    assert.deepEqual(server.statuses[0], {
      sha: "b".repeat(40),
      state: "success",
      context: "cutover/plan",
      description: "6 hosts change",
      target_url: first.comment.url,
    });
  }));

test("our comment is found on the second page; nobody else's with the same marker is touched", () =>
  withSound({}, async (server, forge) => {
    const stranger = { id: 99, login: "mallory", type: "User" } as const;
    for (let id = 1; id <= 150; id++)
      server.comments.push({ id, body: id === 5 ? body("mine") : `talk ${id}`, user: stranger });
    server.comments[7] = { id: 8, body: body("by a bot"), user: actionsBot };
    server.comments[120] = { id: 121, body: `quoting ${planMarker}`, user: tokenUser };
    server.comments[130] = { id: 131, body: `${planMarker}\r\nold`, user: tokenUser };
    assert.equal((await forge.upsertComment({ pull: 3, marker: planMarker, body: body("new") })).change, "updated");
    assert.equal(server.comments[130]?.body, body("new"));
    assert.equal(server.comments[4]?.body, body("mine"));
    assert.equal(server.comments[7]?.body, body("by a bot"));
    assert.equal(server.comments.length, 150);
  }));

test("a workflow's token, which has no user, replaces the comment of its bot and no person's", () =>
  withSound({ workflow: true }, async (server, forge) => {
    server.comments.push({ id: 1, body: body("by mallory"), user: { id: 99, login: "mallory", type: "User" } });
    const post = (text: string) => forge.upsertComment({ pull: 3, marker: planMarker, body: body(text) });
    assert.equal((await post("one")).change, "created");
    assert.equal((await post("two")).change, "updated");
    assert.deepEqual(
      server.comments.map((comment) => comment.body),
      [body("by mallory"), body("two")],
    );
  }));

test("503, 429 and a rate limit are tried again, and a comment made under a lost answer is not made twice", () =>
  withSound({}, async (server, forge) => {
    const answers: ReturnType<FakeGithub["trouble"]>[] = [
      { status: 503 },
      { status: 429, headers: { "retry-after": "0" } },
      { status: 403, headers: { "x-ratelimit-remaining": "0", "x-ratelimit-reset": "1" } },
    ];
    server.trouble = () => answers.shift();
    await forge.upsertComment({ pull: 3, marker: planMarker, body: body("one") });
    assert.equal(server.comments.length, 1);
    // The second comment's POST is done, but its answer is a 502.
    server.comments.length = 0;
    let lost = false;
    server.trouble = ({ name, body: sent }) => {
      if (lost || !name.startsWith("POST")) return undefined;
      lost = true;
      server.comments.push({ id: 77, body: (sent as { body: string }).body, user: tokenUser });
      return { status: 502 };
    };
    assert.equal((await forge.upsertComment({ pull: 3, marker: planMarker, body: body("two") })).change, "unchanged");
    assert.equal(server.comments.length, 1);
  }));

test("a forge that stays busy, or asks for more patience than a job has, is given up within bounds", () =>
  withGithub({ token }, async (server) => {
    server.trouble = () => ({ status: 503 });
    const forge = forgeOf(server);
    await assert.rejects(forge.setStatus("a".repeat(40), aStatus), { code: "forge-unreachable", disposition: "retry" });
    assert.equal(server.requests.length, 4);
    server.trouble = () => ({ status: 429, headers: { "retry-after": "3600" } });
    await assert.rejects(forge.setStatus("a".repeat(40), aStatus), { code: "forge-unreachable" });
    assert.equal(server.requests.length, 5);
  }));

test("a pull request of a fork in the same organisation is left alone: ours gets one of its own (T26)", () =>
  withSound({}, async (server, forge) => {
    const pull = { branch: "cutover/propose-shop-1.2.4", base: "main", title: "shop 1.2.4", body: "plan" };
    const { branch: head, base } = pull;
    server.pulls.push({ number: 1, head, base, title: "mallory", body: "", fork: true });
    for (const title of ["shop 1.2.4", "again"]) assert.match(await forge.openPull({ ...pull, title }), /\/pull\/2$/);
    assert.deepEqual(
      server.pulls.map(({ title }) => title),
      ["mallory", "again"],
    );
  }));

test("what a failure leaves behind, and what to type next, is said of the comment, the status or the pull request it was for", () =>
  withGithub({ token }, async (server) => {
    const pull = { branch: "cutover/propose-shop-1.2.4", base: "main", title: "shop 1.2.4", body: "plan" };
    const calls: [RegExp, RegExp, (forge: ForgePort) => Promise<unknown>][] = [
      [/^Neither the comment nor/, /--post/, (forge) => forge.upsertComment({ pull: 3, marker: planMarker, body: "" })],
      [/^The commit's status was not set/, /--post/, (forge) => forge.setStatus("a".repeat(40), aStatus)],
      [/^The branch is pushed; its pull request/, /by hand/, (forge) => forge.openPull(pull)],
    ];
    for (const [impact, remedy, call] of calls) {
      server.trouble = () => ({ status: 422 });
      await assert.rejects(call(forgeOf(server)), { code: "forge-refused", impact, remedy });
      server.trouble = () => ({ status: 503 });
      await assert.rejects(call(forgeOf(server, { ...fast, attempts: 1 })), { code: "forge-unreachable", impact });
    }
  }));

test("401, 403 and 404 are said at once with what to do, and no error shows the token, even when the forge echoes it (P15)", () =>
  withGithub({ token }, async (server) => {
    const remedies = {
      401: /GITHUB_TOKEN/,
      403: /GITHUB_TOKEN/,
      404: /--pull/,
      422: /cutover plan/,
      302: /not sent elsewhere/,
    };
    for (const [status, remedy] of Object.entries(remedies)) {
      server.requests.length = 0;
      server.trouble = () => ({
        status: Number(status),
        message: `you sent ${token} \u001b[31m`,
        headers: { location: "http://127.0.0.1:1/" },
      });
      const error: unknown = await forgeOf(server)
        .setStatus("a".repeat(40), aStatus)
        .catch((caught: unknown) => caught);
      assert.ok(error instanceof Error && "code" in error && "remedy" in error && "evidence" in error);
      assert.equal(error.code, "forge-refused", status);
      assert.match(String(error.remedy), remedy);
      assert.match(String(error.evidence), new RegExp(`HTTP status ${status}`));
      assert.doesNotMatch(inspect(error, { depth: 10, showHidden: true }), /canary|\p{Cc}\[31m/u);
      assert.equal(server.requests.length, 1);
    }
    server.trouble = () => undefined;
    await assert.rejects(
      forgeOf(server, fast, "wrong").setStatus("a".repeat(40), aStatus),
      /does not accept the token/,
    );
  }));

test("a token with a line break, and an address without TLS, are refused before anything is sent or shown (P15)", () => {
  const options = { repository: "shop/releases", clock: systemClock };
  assert.throws(
    () => github({ ...options, api: "https://api.github.com", token: `${token}\nx: y` }),
    (error: Error) => {
      assert.doesNotMatch(inspect(error, { depth: 10 }), /canary/);
      return "code" in error && error.code === "lacking";
    },
  );
  for (const api of ["http://forge.example", "ftp://x", "https://user:pw@forge.example", "nonsense"])
    assert.throws(() => github({ ...options, api, token }), { code: "usage" }, api);
});

test("a forge that never answers costs one deadline", () =>
  withGithub({ token }, async (server) => {
    server.trouble = () => "silence";
    const started = Date.now();
    const forge = forgeOf(server, { answerMs: 1_000 });
    await assert.rejects(forge.setStatus("a".repeat(40), aStatus), { code: "forge-unreachable" });
    assert.ok(Date.now() - started < 30_000, "half of what it has for all its tries");
    assert.equal(server.requests.length, 1);
  }));

test("a pull request for a branch is opened once; later it gets the new title and text", () =>
  withSound({}, async (server, forge) => {
    const pull = { branch: "cutover/propose-shop-1.2.4", base: "main", title: "shop 1.2.4", body: "plan" };
    const url = await forge.openPull(pull);
    assert.equal(await forge.openPull({ ...pull, title: "shop 1.2.4 again", body: "new plan" }), url);
    assert.deepEqual(server.pulls, [
      { number: 1, head: pull.branch, base: "main", title: "shop 1.2.4 again", body: "new plan" },
    ]);
  }));

test("a status description of any length fits", () =>
  withSound({}, async (server, forge) => {
    await forge.setStatus("a".repeat(40), { ...aStatus, description: "x".repeat(500) });
    assert.equal(server.statuses.length, 1);
  }));

test("the check notices a wrong path, query, body and answer", async () => {
  await withGithub({ token }, async (server) => {
    const send = (path: string, init: RequestInit = {}) =>
      fetch(`${server.api}${path}`, { ...init, headers: { authorization: `Bearer ${token}` } });
    await send("/repos/shop/releases/issues/1/comment");
    await send("/repos/shop/releases/pulls?status=open");
    await send("/repos/shop/releases/pulls?state=all-of-them");
    await send("/repos/shop/releases/issues/one/comments");
    await send("/repos/shop/releases/statuses/abc", {
      method: "POST",
      body: JSON.stringify({ state: "green", colour: 1 }),
    });
    const found = server.violations.filter((line) => !/accept|x-github-api-version/.test(line)).join("\n");
    for (const wrong of [
      /issues\/1\/comment is not described/,
      /unknown query status/,
      / state .*allowed values/,
      /issue_number .*must be integer/,
      /body \/state/,
      /unknown field colour/,
    ])
      assert.match(found, wrong);
  });
});

const aStatus = { state: "success", context: "cutover/plan", description: "fine" } as const;
