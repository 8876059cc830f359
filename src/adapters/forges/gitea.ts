// Gitea's and Forgejo's REST API, version 1: https://docs.gitea.com/api/. Close to GitHub's, but not the same.
import { z } from "zod";
import type { ForgePort } from "../../ports.ts";
import { ForgeRefusedError } from "./forge-errors.ts";
import { cut, type ForgeOptions, findOnPages, forgeHttp, ownerPath, type Send, segment } from "./forge-http.ts";
import { type ForgeComment, isOurComment, sameText } from "./own-comment.ts";

const User = z.object({ id: z.int() });
const Comment = z.object({ id: z.int(), body: z.string(), html_url: z.string(), user: User.nullable() });
const Branch = z.object({ ref: z.string(), repo_id: z.int() });
const Pull = z.object({ number: z.int(), html_url: z.string(), head: Branch, base: Branch });

/** Account of workflows; no person can have it. */
const actionsUserId = -2;

export function gitea(options: ForgeOptions): ForgePort {
  const http = forgeHttp(options, {
    forge: "Gitea",
    tokenVariable: "GITEA_TOKEN",
    headers: (token) => ({ authorization: `token ${token}`, accept: "application/json" }),
  });
  const repository = ownerPath(options.repository);
  return {
    name: http.name,
    upsertComment: ({ pull, marker, body }) =>
      http.call("comment", async (send) => {
        const path = `${repository}/issues/${pull}/comments`;
        const me = await ownId(send);
        const found = await findOnPages(
          send,
          { path, query: { limit: "50" } },
          {
            read: (page) => z.array(Comment).parse(page),
            wanted: (comment) => isOurComment(asComment(comment), { marker, me }),
          },
        );
        if (found === undefined) {
          const made = await send({ method: "POST", path, body: { body } });
          return { change: "created", url: Comment.parse(made.body).html_url };
        }
        if (sameText(found.body, body)) return { change: "unchanged", url: found.html_url };
        await send({ method: "PATCH", path: `${repository}/issues/comments/${found.id}`, body: { body } });
        return { change: "updated", url: found.html_url };
      }),
    setStatus: (commit, { state, context, description, targetUrl }) =>
      http.call("status", async (send) => {
        const link = targetUrl === undefined ? {} : { target_url: targetUrl };
        const body = { state, context, description: cut(description, 255), ...link };
        await send({ method: "POST", path: `${repository}/statuses/${segment(commit)}`, body });
      }),
    openPull: ({ branch, base, title, body }) =>
      http.call("pull-request", async (send) => {
        const path = `${repository}/pulls`;
        const open = await findOnPages(
          send,
          { path, query: { state: "open", limit: "50" } },
          {
            read: (page) => z.array(Pull).parse(page),
            // A fork's request may come from a branch of the same name; it is a stranger's.
            wanted: ({ head, base: into }) => head.ref === branch && into.ref === base && head.repo_id === into.repo_id,
          },
        );
        if (open === undefined) {
          const made = await send({ method: "POST", path, body: { title: cut(title, 255), head: branch, base, body } });
          return Pull.parse(made.body).html_url;
        }
        await send({ method: "PATCH", path: `${path}/${open.number}`, body: { title: cut(title, 255), body } });
        return open.html_url;
      }),
  };
}

/** A workflow's token may not read accounts. */
async function ownId(send: Send): Promise<number | undefined> {
  try {
    return User.parse((await send({ method: "GET", path: "/user" })).body).id;
  } catch (error) {
    if (error instanceof ForgeRefusedError && [403, 404].includes(error.httpStatus)) return undefined;
    throw error;
  }
}

function asComment({ id, body, user }: z.infer<typeof Comment>): ForgeComment {
  return { id, body, authorId: user?.id, bot: user?.id === actionsUserId };
}
