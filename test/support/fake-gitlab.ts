// A GitLab as far as cutover talks to it: notes, commit statuses, merge requests; a state that stands already is a 400, as there.
import { type ForgeAsked, type ForgeReply, pageOf } from "./fake-forge.ts";

const project = "/api/v4/projects/group%2Freleases";
const projectId = 40;

interface MergeRequest {
  readonly iid: number;
  readonly web_url: string;
  readonly source_branch: string;
  readonly target_branch: string;
  readonly source_project_id: number;
  readonly target_project_id: number;
  readonly title: string;
}

/** One project, `group/releases`, with merge request 3; `reply` is its API for the user with id 7. */
export function fakeGitlab(token: string) {
  const notes: { id: number; body: string; author: { id: number }; system: boolean }[] = [];
  const statuses: { sha: string; id: number; name: string; status: string; description: string }[] = [];
  const requests: MergeRequest[] = [];
  const reply = ({ method, path, query, headers, body }: ForgeAsked): ForgeReply => {
    if (headers["private-token"] !== token && headers["job-token"] !== token)
      return { status: 401, body: { message: "401 Unauthorized" } };
    const place = `${method} ${path.replace(project, "")}`;
    const sha = /\/(?:commits|statuses)\/([^/]+)/.exec(path)?.[1] ?? "";
    const mine = statuses.filter((status) => status.sha === sha);
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
    if (place === `GET /repository/commits/${sha}/statuses`)
      return { status: 200, body: mine.filter(({ name }) => name === query.get("name")).toReversed() };
    if (place === `POST /statuses/${sha}`) {
      const last = mine.findLast(({ name }) => name === body.name);
      if (last?.status === "pending" && body.state === "pending")
        return { status: 400, body: { message: "Cannot transition status" } };
      statuses.push({
        sha,
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
      const { items, headers: links } = pageOf(found, query, Number(query.get("per_page") ?? 20));
      return { status: 200, body: query.get("state") === "opened" ? items : [], headers: links };
    }
    if (place === "POST /merge_requests") {
      const { source_branch = "", target_branch = "", title = "" } = body;
      const made = {
        iid: requests.length + 1,
        web_url: `https://gitlab.example/mr/${requests.length + 1}`,
        source_branch,
        target_branch,
        source_project_id: projectId,
        target_project_id: projectId,
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
