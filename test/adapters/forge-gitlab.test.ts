// GitLab's notes, statuses and merge requests: one note whatever happens, and no state set twice (it answers 400 to that).
import assert from "node:assert/strict";
import { test } from "node:test";
import { gitlab } from "../../src/adapters/forges/gitlab.ts";
import { systemClock } from "../../src/adapters/system-clock.ts";
import { planMarker } from "../../src/status/review-markdown.ts";
import { withForge } from "../support/fake-forge.ts";
import { fakeGitlab } from "../support/fake-gitlab.ts";

const token = "glpat-canary-0123456789";
const aStatus = { state: "pending", context: "cutover/plan", description: "waits" } as const;

const forgeAt = (api: string, secret = token) =>
  gitlab({
    api: `${api}4`,
    repository: "group/releases",
    token: secret,
    clock: systemClock,
    limits: { firstPauseMs: 5 },
  });

test("the second page's note of ours is replaced; system notes and other people's with the marker are not", async () => {
  const { notes, reply } = fakeGitlab(token);
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
  const { statuses, reply } = fakeGitlab(token);
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
  const { requests, reply } = fakeGitlab(token);
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

test("a fork's request from a branch of the same name, however many, is left alone: ours gets one of its own (T26)", async () => {
  const { requests, reply } = fakeGitlab(token);
  const branch = "cutover/propose-shop-1.2.4";
  for (let iid = 1; iid <= 120; iid++)
    requests.push({
      ...{ iid, web_url: `https://gitlab.example/mr/${iid}`, source_branch: branch, target_branch: "main" },
      ...{ source_project_id: 666, target_project_id: 40, title: "mallory" },
    });
  await withForge(reply, async ({ api }) => {
    const pull = { branch, base: "main", title: "shop 1.2.4", body: "plan" };
    for (const title of ["shop 1.2.4", "again"])
      assert.equal(await forgeAt(api).openPull({ ...pull, title }), "https://gitlab.example/mr/121");
  });
  assert.equal(requests.length, 121);
  assert.deepEqual(
    requests.filter(({ title }) => title !== "mallory").map(({ iid, title }) => [iid, title]),
    [[121, "again"]],
  );
});

test("a job's token goes into its own header, and a refused one is said with its variable (P15)", async () => {
  const { reply } = fakeGitlab(token);
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
