// GitLab's notes, statuses and merge requests: one note whatever happens, and no state set twice (it answers 400 to that).
import assert from "node:assert/strict";
import { test } from "node:test";
import { gitlab } from "../../src/adapters/forges/gitlab.ts";
import { systemClock } from "../../src/adapters/system-clock.ts";
import { planMarker } from "../../src/status/review-markdown.ts";
import { type ForgeAsked, type ForgeReply, pageOf, withForge } from "../support/fake-forge.ts";

const token = "glpat-canary-0123456789";
const project = "/api/v4/projects/group%2Freleases";
const aStatus = { state: "pending", context: "cutover/plan", description: "waits" } as const;

function server() {
  const notes: { id: number; body: string; author: { id: number }; system: boolean }[] = [];
  const statuses: { id: number; name: string; status: string; description: string }[] = [];
  const requests: { iid: number; web_url: string; source_branch: string; target_branch: string; title: string }[] = [];
  const reply = ({ method, path, query, headers, body }: ForgeAsked): ForgeReply => {
    if (headers["private-token"] !== token && headers["job-token"] !== token)
      return { status: 401, body: { message: "401 Unauthorized" } };
    const place = `${method} ${path.replace(project, "")}`;
    if (place === "GET /api/v4/user") return { status: 200, body: { id: 7 } };
    if (place === "GET /merge_requests/3")
      return { status: 200, body: { iid: 3, web_url: "https://gitlab.example/mr/3" } };
    if (place === "GET /merge_requests/3/notes") {
      const { items, headers: links } = pageOf(notes, query, Number(query.get("per_page")));
      return { status: 200, body: items, headers: links };
    }
    if (place === "POST /merge_requests/3/notes") {
      const note = { id: notes.length + 1, body: body.body ?? "", author: { id: 7 }, system: false };
      notes.push(note);
      return { status: 201, body: note };
    }
    const note = notes.find(({ id }) => place === `PUT /merge_requests/3/notes/${id}`);
    if (note) return { status: 200, body: Object.assign(note, body) };
    if (place === "GET /repository/commits/abc/statuses")
      return { status: 200, body: statuses.filter(({ name }) => name === query.get("name")).toReversed() };
    if (place === "POST /statuses/abc") {
      const last = statuses.findLast(({ name }) => name === body.name);
      if (last?.status === "pending" && body.state === "pending")
        return { status: 400, body: { message: "Cannot transition status" } };
      statuses.push({
        id: statuses.length + 1,
        name: body.name ?? "",
        status: body.state ?? "",
        description: body.description ?? "",
      });
      return { status: 201, body: {} };
    }
    if (place === "GET /merge_requests") {
      const found = requests.filter(
        (each) =>
          each.source_branch === query.get("source_branch") && each.target_branch === query.get("target_branch"),
      );
      return { status: 200, body: query.get("state") === "opened" ? found : [] };
    }
    if (place === "POST /merge_requests") {
      const { source_branch = "", target_branch = "", title = "" } = body;
      const made = {
        iid: requests.length + 1,
        web_url: "https://gitlab.example/mr/1",
        source_branch,
        target_branch,
        title,
      };
      requests.push(made);
      return { status: 201, body: made };
    }
    const open = requests.find(({ iid }) => place === `PUT /merge_requests/${iid}`);
    if (open) return { status: 200, body: Object.assign(open, body) };
    return { status: 404, body: { message: `404 ${place}` } };
  };
  return { notes, statuses, requests, reply };
}

const forgeAt = (api: string, secret = token) =>
  gitlab({
    api: `${api}4`,
    repository: "group/releases",
    token: secret,
    clock: systemClock,
    limits: { firstPauseMs: 5 },
  });

test("the second page's note of ours is replaced; system notes and other people's with the marker are not", async () => {
  const { notes, reply } = server();
  for (let id = 1; id <= 120; id++) notes.push({ id, body: "talk", author: { id: 99 }, system: false });
  notes[3] = { id: 4, body: `${planMarker}\nmallory`, author: { id: 99 }, system: false };
  notes[4] = { id: 5, body: `${planMarker}\nsystem`, author: { id: 7 }, system: true };
  await withForge(reply, async ({ api }) => {
    const post = (text: string) =>
      forgeAt(api).upsertComment({ pull: 3, marker: planMarker, body: `${planMarker}\n${text}` });
    assert.deepEqual(await post("one"), { change: "created", url: "https://gitlab.example/mr/3#note_121" });
    assert.equal((await post("two")).change, "updated");
    assert.equal((await post("two")).change, "unchanged");
  });
  assert.equal(notes.length, 121);
  assert.equal(notes[120]?.body, `${planMarker}\ntwo`);
  assert.equal(notes[3]?.body, `${planMarker}\nmallory`);
});

test("a state that stands already is not set again; a changed one is, in GitLab's words", async () => {
  const { statuses, reply } = server();
  await withForge(reply, async ({ api }) => {
    const forge = forgeAt(api);
    await forge.setStatus("abc", aStatus);
    await forge.setStatus("abc", aStatus);
    await forge.setStatus("abc", { ...aStatus, state: "failure", description: "broken" });
    await forge.setStatus("abc", aStatus);
  });
  assert.deepEqual(
    statuses.map(({ status }) => status),
    ["pending", "failed", "pending"],
  );
});

test("a merge request for a branch is opened once, and brought up to date later", async () => {
  const { requests, reply } = server();
  await withForge(reply, async ({ api }) => {
    const pull = { branch: "cutover/propose-shop-1.2.4", base: "main", title: "shop 1.2.4", body: "plan" };
    assert.equal(await forgeAt(api).openPull(pull), "https://gitlab.example/mr/1");
    await forgeAt(api).openPull({ ...pull, title: "again" });
  });
  assert.deepEqual(
    requests.map(({ title, source_branch }) => [title, source_branch]),
    [["again", "cutover/propose-shop-1.2.4"]],
  );
});

test("a job's token goes into its own header, and a refused one is said with its variable (P15)", async () => {
  const { reply } = server();
  await withForge(reply, async ({ api, asked }) => {
    const job = gitlab({ api: `${api}4`, repository: "group/releases", token, jobToken: true, clock: systemClock });
    await job.setStatus("abc", aStatus);
    assert.ok(asked.every(({ headers }) => headers["job-token"] === token && headers["private-token"] === undefined));
    await assert.rejects(
      forgeAt(api, "wrong").setStatus("abc", aStatus),
      (error: Error & { code?: string; remedy?: string }) => {
        assert.match(error.remedy ?? "", /GITLAB_TOKEN/);
        return error.code === "forge-refused";
      },
    );
  });
});
