// GitLab's REST API, version 4: https://docs.gitlab.com/api/rest/. Merge requests are its pull requests, notes their comments.
import { z } from "zod";
import type { CommitStatus, ForgePort } from "../../ports.ts";
import { cut, type ForgeOptions, findOnPages, forgeHttp, segment } from "./forge-http.ts";
import { type ForgeComment, isOurComment, sameText } from "./own-comment.ts";

const User = z.object({ id: z.int() });
const Note = z.object({ id: z.int(), body: z.string(), author: User.nullable(), system: z.boolean().optional() });
const MergeRequest = z.object({ iid: z.int(), web_url: z.string() });
/** Of a source project that is gone GitLab says null. */
const ListedRequest = MergeRequest.extend({ source_project_id: z.int().nullable(), target_project_id: z.int() });
const Status = z.object({ id: z.int(), name: z.string(), status: z.string(), description: z.string().nullish() });

const stateWords: Readonly<Record<CommitStatus["state"], string>> = {
  success: "success",
  failure: "failed",
  pending: "pending",
};

export interface GitlabOptions extends ForgeOptions {
  /** A job's own token (CI_JOB_TOKEN) goes into another header, and may do less: no comments. */
  readonly jobToken?: boolean;
}

export function gitlab(options: GitlabOptions): ForgePort {
  const http = forgeHttp(options, {
    forge: "GitLab",
    tokenVariable: "GITLAB_TOKEN",
    headers: (token) => ({ [options.jobToken === true ? "job-token" : "private-token"]: token }),
  });
  const project = `/projects/${segment(options.repository)}`;
  return {
    name: http.name,
    upsertComment: ({ pull, marker, body }) =>
      http.call("comment", async (send) => {
        const me = User.parse((await send({ method: "GET", path: "/user" })).body).id;
        const request = `${project}/merge_requests/${pull}`;
        const { web_url } = MergeRequest.parse((await send({ method: "GET", path: request })).body);
        const path = `${request}/notes`;
        const query = { sort: "asc", order_by: "created_at", per_page: "100" };
        const found = await findOnPages(
          send,
          { path, query },
          {
            read: (page) => z.array(Note).parse(page),
            wanted: (note) => note.system !== true && isOurComment(asComment(note), { marker, me }),
          },
        );
        const urlOf = (id: number) => `${web_url}#note_${id}`;
        if (found === undefined) {
          const made = await send({ method: "POST", path, body: { body } });
          return { change: "created", url: urlOf(Note.parse(made.body).id) };
        }
        if (sameText(found.body, body)) return { change: "unchanged", url: urlOf(found.id) };
        await send({ method: "PUT", path: `${path}/${found.id}`, body: { body } });
        return { change: "updated", url: urlOf(found.id) };
      }),
    setStatus: (commit, { state, context, description, targetUrl }) =>
      http.call("status", async (send) => {
        // GitLab answers 400 to a state that the status has already.
        const list = { path: `${project}/repository/commits/${segment(commit)}/statuses`, query: { name: context } };
        const said = cut(description, 255);
        const latest = z.array(Status).parse((await send({ method: "GET", ...list })).body);
        const stands = latest.filter(({ name }) => name === context).sort((a, b) => b.id - a.id)[0];
        if (stands?.status === stateWords[state] && (state === "pending" || stands.description === said)) return;
        const link = targetUrl === undefined ? {} : { target_url: targetUrl };
        const body = { state: stateWords[state], name: context, description: said, ...link };
        await send({ method: "POST", path: `${project}/statuses/${segment(commit)}`, body });
      }),
    openPull: ({ branch, base, title, body }) =>
      http.call("pull-request", async (send) => {
        const path = `${project}/merge_requests`;
        const query = { state: "opened", source_branch: branch, target_branch: base, per_page: "100" };
        // A fork's request may come from a branch of the same name; it is a stranger's.
        const open = await findOnPages(
          send,
          { path, query },
          {
            read: (page) => z.array(ListedRequest).parse(page),
            wanted: (request) => request.source_project_id === request.target_project_id,
          },
        );
        if (open === undefined) {
          const fields = { source_branch: branch, target_branch: base, title: cut(title, 255), description: body };
          return MergeRequest.parse((await send({ method: "POST", path, body: fields })).body).web_url;
        }
        const fields = { title: cut(title, 255), description: body };
        await send({ method: "PUT", path: `${path}/${open.iid}`, body: fields });
        return open.web_url;
      }),
  };
}

function asComment({ id, body, author }: z.infer<typeof Note>): ForgeComment {
  return { id, body, authorId: author?.id, bot: false };
}
