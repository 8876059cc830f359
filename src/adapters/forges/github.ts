// GitHub's REST API: https://docs.github.com/rest (version 2022-11-28). Tests hold it against the published description.
import { z } from "zod";
import type { ForgePort } from "../../ports.ts";
import { ForgeRefusedError } from "./forge-errors.ts";
import { cut, type ForgeOptions, findOnPages, forgeHttp, ownerPath, type Send, segment } from "./forge-http.ts";
import { type ForgeComment, isOurComment, sameText } from "./own-comment.ts";

const User = z.object({ id: z.int(), type: z.string().optional() });
const Comment = z.object({
  id: z.int(),
  body: z.string().nullish(),
  html_url: z.string(),
  user: User.nullable(),
});
const Pull = z.object({ number: z.int(), html_url: z.string() });
const Repository = z.object({ id: z.int() });
const ListedPull = Pull.extend({
  head: z.object({ repo: Repository.nullable() }),
  base: z.object({ repo: Repository }),
});

export function github(options: ForgeOptions): ForgePort {
  const http = forgeHttp(options, {
    forge: "GitHub",
    tokenVariable: "GITHUB_TOKEN",
    headers: (token) => ({
      authorization: `Bearer ${token}`,
      accept: "application/vnd.github+json",
      "x-github-api-version": "2022-11-28",
    }),
  });
  const repository = ownerPath(options.repository);
  const owner = options.repository.split("/")[0] ?? "";
  return {
    name: http.name,
    upsertComment: ({ pull, marker, body }) =>
      http.call("comment", async (send) => {
        const list = `${repository}/issues/${pull}/comments`;
        const me = await ownId(send);
        const found = await findOnPages(
          send,
          { path: list, query: { per_page: "100" } },
          {
            read: (page) => z.array(Comment).parse(page),
            wanted: (comment) => isOurComment(asComment(comment), { marker, me }),
          },
        );
        if (found === undefined) {
          const made = await send({ method: "POST", path: list, body: { body } });
          return { change: "created", url: Comment.parse(made.body).html_url };
        }
        if (sameText(found.body ?? "", body)) return { change: "unchanged", url: found.html_url };
        const path = `${repository}/issues/comments/${found.id}`;
        const changed = await send({ method: "PATCH", path, body: { body } });
        return { change: "updated", url: Comment.parse(changed.body).html_url };
      }),
    setStatus: (commit, { state, context, description, targetUrl }) =>
      http.call("status", async (send) => {
        const link = targetUrl === undefined ? {} : { target_url: targetUrl };
        const body = { state, context, description: cut(description, 140), ...link };
        await send({ method: "POST", path: `${repository}/statuses/${segment(commit)}`, body });
      }),
    openPull: ({ branch, base, title, body }) =>
      http.call("pull-request", async (send) => {
        const query = { state: "open", head: `${owner}:${branch}`, base, per_page: "100" };
        // An organisation may hold a fork beside the repository; a branch of the same name there is a stranger's.
        const open = await findOnPages(
          send,
          { path: `${repository}/pulls`, query },
          {
            read: (page) => z.array(ListedPull).parse(page),
            wanted: (pull) => pull.head.repo?.id === pull.base.repo.id,
          },
        );
        if (open === undefined) {
          const made = await send({
            method: "POST",
            path: `${repository}/pulls`,
            body: { title, head: branch, base, body },
          });
          return Pull.parse(made.body).html_url;
        }
        await send({ method: "PATCH", path: `${repository}/pulls/${open.number}`, body: { title, body } });
        return open.html_url;
      }),
  };
}

/** A workflow's token belongs to no user, and GitHub answers 403: then comments of bots are the candidates. */
async function ownId(send: Send): Promise<number | undefined> {
  try {
    return User.parse((await send({ method: "GET", path: "/user" })).body).id;
  } catch (error) {
    if (error instanceof ForgeRefusedError && error.httpStatus === 403) return undefined;
    throw error;
  }
}

function asComment({ id, body, user }: z.infer<typeof Comment>): ForgeComment {
  return { id, body: body ?? "", authorId: user?.id, bot: user?.type === "Bot" };
}
