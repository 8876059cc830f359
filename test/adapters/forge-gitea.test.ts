// Gitea and Forgejo: their own comment lists and pull requests; the rest is as with GitHub.
import assert from "node:assert/strict";
import { test } from "node:test";
import { gitea } from "../../src/adapters/forges/gitea.ts";
import { systemClock } from "../../src/adapters/system-clock.ts";
import { planMarker } from "../../src/status/review-markdown.ts";
import { type ForgeAsked, type ForgeReply, pageOf, withForge } from "../support/fake-forge.ts";

const token = "canary0123456789";
const actions = -2;
const repositoryId = 40;

interface Place {
  readonly ref: string;
  readonly repo_id: number;
}

function server({ workflow = false }: { workflow?: boolean } = {}) {
  const comments: { id: number; body: string; html_url: string; user: { id: number } }[] = [];
  const statuses: ForgeAsked["body"][] = [];
  const pulls: { number: number; html_url: string; head: Place; base: Place; title: string }[] = [];
  const reply = ({ method, path, query, headers, body }: ForgeAsked): ForgeReply => {
    if (headers.authorization !== `token ${token}`) return { status: 401, body: { message: "token is required" } };
    const place = `${method} ${path.replace("/api/v1", "").replace("/repos/shop/releases", "")}`;
    if (place === "GET /user")
      return workflow ? { status: 403, body: { message: "no scope" } } : { status: 200, body: { id: 7 } };
    if (place === "GET /issues/3/comments") return { status: 200, body: comments };
    if (place === "POST /issues/3/comments") {
      const made = {
        id: comments.length + 1,
        body: body.body ?? "",
        html_url: "https://gitea.example/c",
        user: { id: workflow ? actions : 7 },
      };
      comments.push(made);
      return { status: 201, body: made };
    }
    const comment = comments.find(({ id }) => place === `PATCH /issues/comments/${id}`);
    if (comment) return { status: 200, body: Object.assign(comment, body) };
    if (place === "POST /statuses/abc") {
      statuses.push(body);
      return { status: 201, body: {} };
    }
    if (place === "GET /pulls") {
      const { items, headers: links } = pageOf(pulls, query, 2);
      return { status: 200, body: items, headers: links };
    }
    if (place === "POST /pulls") {
      const { head = "", base = "", title = "" } = body;
      const made = {
        number: pulls.length + 1,
        html_url: `https://gitea.example/p/${pulls.length + 1}`,
        head: { ref: head, repo_id: repositoryId },
        base: { ref: base, repo_id: repositoryId },
        title,
      };
      pulls.push(made);
      return { status: 201, body: made };
    }
    const pull = pulls.find(({ number }) => place === `PATCH /pulls/${number}`);
    if (pull) return { status: 200, body: Object.assign(pull, body) };
    return { status: 404, body: { message: place } };
  };
  return { comments, statuses, pulls, reply };
}

const forgeAt = (api: string) => gitea({ api: `${api}1`, repository: "shop/releases", token, clock: systemClock });

for (const workflow of [false, true]) {
  test(`posted twice is one comment, ${workflow ? "a workflow's" : "a user's"}; a person's with the marker stays`, async () => {
    const { comments, reply } = server({ workflow });
    comments.push({ id: 1, body: `${planMarker}\nmallory`, html_url: "https://gitea.example/c", user: { id: 99 } });
    await withForge(reply, async ({ api }) => {
      const post = (text: string) =>
        forgeAt(api).upsertComment({ pull: 3, marker: planMarker, body: `${planMarker}\n${text}` });
      assert.equal((await post("one")).change, "created");
      assert.equal((await post("two")).change, "updated");
    });
    assert.deepEqual(
      comments.map(({ body }) => body),
      [`${planMarker}\nmallory`, `${planMarker}\ntwo`],
    );
  });
}

test("a status and a pull request; the open one of the branch is found on a later page", async () => {
  const { statuses, pulls, reply } = server();
  await withForge(reply, async ({ api }) => {
    const forge = forgeAt(api);
    await forge.setStatus("abc", { state: "failure", context: "cutover/plan", description: "broken" });
    for (const branch of ["one", "two", "cutover/propose-three"])
      await forge.openPull({ branch, base: "main", title: branch, body: "" });
    assert.equal(
      await forge.openPull({ branch: "cutover/propose-three", base: "main", title: "again", body: "" }),
      "https://gitea.example/p/3",
    );
  });
  assert.deepEqual(statuses, [{ state: "failure", context: "cutover/plan", description: "broken" }]);
  assert.deepEqual(
    pulls.map(({ title }) => title),
    ["one", "two", "again"],
  );
});

test("a fork's request from a branch of the same name is left alone: ours gets one of its own (T26)", async () => {
  const { pulls, reply } = server();
  const branch = "cutover/propose-three";
  const base = { ref: "main", repo_id: repositoryId };
  pulls.push({
    number: 1,
    html_url: "https://gitea.example/p/1",
    head: { ref: branch, repo_id: 666 },
    base,
    title: "x",
  });
  await withForge(reply, async ({ api }) => {
    for (const title of ["three", "again"])
      assert.equal(await forgeAt(api).openPull({ branch, base: "main", title, body: "" }), "https://gitea.example/p/2");
  });
  assert.deepEqual(
    pulls.map(({ title }) => title),
    ["x", "again"],
  );
});
