// A GitHub that is held to its own word: a local server that keeps comments, statuses and pull requests, and checks every
// request it gets and every answer it gives against GitHub's published OpenAPI description.
import { readFile } from "node:fs/promises";
import { createServer, type IncomingMessage } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { fetchNpmPackage } from "../../src/lab/fetch-npm-package.ts";
import { type OpenApiCheck, openApiCheck } from "./openapi-check.ts";

const file = "generated/api.github.com.json";
let check: Promise<OpenApiCheck> | undefined;

/** The description, fetched once into the user's cache: the package is 385 MB, one file of it is kept. */
export function githubDescription(): Promise<OpenApiCheck> {
  check ??= fetchNpmPackage({
    pinned: {
      package: "@octokit/openapi",
      version: "23.0.2",
      integrity: "sha512-pV8M7L9GY23AybNvTmo2nyjmpmnt6+2sRE/tqr0ZLQcPS4lnw7u5eZGNmwRNkBC3D7gZXbFx5AHzLUVRBXGDhg==",
    },
    keep: { [file]: 0o644 },
  })
    .then((directory) => readFile(join(directory, file), "utf8"))
    .then(openApiCheck);
  return check;
}

export interface SentRequest {
  readonly name: string;
  readonly headers: IncomingMessage["headers"];
  readonly body: unknown;
}
export interface HeldComment {
  readonly id: number;
  body: string;
  readonly user: { readonly id: number; readonly login: string; readonly type: "User" | "Bot" };
}
export interface Trouble {
  readonly status: number;
  readonly headers?: Record<string, string>;
  readonly message?: string;
}

export interface FakeGithub {
  readonly api: string;
  readonly requests: SentRequest[];
  readonly comments: HeldComment[];
  readonly statuses: unknown[];
  readonly pulls: { number: number; head: string; base: string; title: string; body: string; fork?: boolean }[];
  /** What the description has against requests and answers; a sound client leaves it empty. */
  readonly violations: string[];
  /** Asked before each request is done: an answer instead of the real one, or `silence`. */
  trouble: (request: SentRequest, count: number) => Trouble | "silence" | undefined;
}

export const tokenUser = { id: 7, login: "cutover-bot", type: "User" } as const;
export const actionsBot = { id: 41_898_282, login: "github-actions[bot]", type: "Bot" } as const;

/** `token` of a workflow has no user. Every connection is closed when `work` is done. */
export async function withGithub<T>(
  { token, workflow = false }: { readonly token: string; readonly workflow?: boolean },
  work: (github: FakeGithub) => Promise<T>,
): Promise<T> {
  const description = await githubDescription();
  const github: Omit<FakeGithub, "api"> & { api: string } = {
    api: "",
    requests: [],
    comments: [],
    statuses: [],
    pulls: [],
    violations: [],
    trouble: () => undefined,
  };
  const server = createServer(async (request, response) => {
    const text = Buffer.concat(await request.toArray()).toString("utf8");
    const body: unknown = text === "" ? undefined : JSON.parse(text);
    const { method = "GET", url = "/" } = request;
    const operation = description.operation({ method, url, body });
    const sent = { name: operation?.name ?? `${method} ${url}`, headers: request.headers, body };
    github.requests.push(sent);
    if (operation === undefined) github.violations.push(`${method} ${url} is not described`);
    github.violations.push(...(operation?.violations ?? []));
    for (const [header, value] of Object.entries({
      accept: "application/vnd.github+json",
      "x-github-api-version": "2022-11-28",
    }))
      if (request.headers[header] !== value)
        github.violations.push(`${sent.name}: ${header} is ${request.headers[header]}`);
    const trouble = github.trouble(sent, github.requests.length);
    if (trouble === "silence") return;
    const headers: Record<string, string> = { "content-type": "application/json" };
    if (trouble !== undefined) {
      response.writeHead(trouble.status, { ...headers, ...trouble.headers });
      response.end(JSON.stringify({ message: trouble.message ?? "trouble" }));
      return;
    }
    const answer =
      request.headers.authorization === `Bearer ${token}`
        ? answerOf(github, { description, workflow, name: sent.name, operation, body })
        : { status: 401, body: { message: "Bad credentials", documentation_url: "https://docs.github.com/rest" } };
    if (answer.status < 400) github.violations.push(...(operation?.answerViolations(answer.status, answer.body) ?? []));
    response.writeHead(answer.status, { ...headers, ...answer.headers });
    response.end(JSON.stringify(answer.body));
  }).listen(0, "127.0.0.1");
  await new Promise((resolve) => server.once("listening", resolve));
  github.api = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  try {
    return await work(github);
  } finally {
    const closed = new Promise((resolve) => server.close(resolve));
    server.closeAllConnections();
    await closed;
  }
}

interface Asked {
  readonly description: OpenApiCheck;
  readonly workflow: boolean;
  readonly name: string;
  readonly operation: ReturnType<OpenApiCheck["operation"]>;
  readonly body: unknown;
}
interface Answer {
  readonly status: number;
  readonly body: unknown;
  readonly headers?: Record<string, string>;
}

function answerOf(github: Omit<FakeGithub, "api">, { description, workflow, name, operation, body }: Asked): Answer {
  const fields = (body ?? {}) as Record<string, string>;
  const { parameters = {}, query = new URLSearchParams() } = operation ?? {};
  const shown = (comment: HeldComment) => {
    const example = description.example("issue-comment");
    const html_url = `https://github.com/shop/releases/pull/1#issuecomment-${comment.id}`;
    return {
      ...example,
      id: comment.id,
      body: comment.body,
      html_url,
      user: { ...(example.user as object), ...comment.user },
    };
  };
  const shownPull = ({ number, title }: FakeGithub["pulls"][number], example: object) => {
    // The published example of a team lacks a field that the published schema asks for.
    const html_url = `https://github.com/shop/releases/pull/${number}`;
    return { ...example, number, title, html_url, requested_teams: [] };
  };
  /** The published example comes from the repository itself. */
  const withFork = ({ fork }: FakeGithub["pulls"][number], pull: object) => {
    const { head } = pull as { head?: { repo?: object } };
    return fork ? { ...pull, head: { ...head, repo: { ...head?.repo, id: 666 } } } : pull;
  };
  switch (name) {
    case "GET /user":
      if (workflow) return { status: 403, body: { message: "Resource not accessible by integration" } };
      return {
        status: 200,
        body: {
          ...description.example("private-user-response-with-public-and-private-profile-information"),
          ...tokenUser,
        },
      };
    case "GET /repos/{owner}/{repo}/issues/{issue_number}/comments": {
      const size = Number(query.get("per_page") ?? 30);
      const page = Number(query.get("page") ?? 1);
      const more = github.comments.length > page * size;
      const headers = more ? { link: `<https://api.github.com/somewhere?page=${page + 1}>; rel="next"` } : {};
      return { status: 200, body: github.comments.slice((page - 1) * size, page * size).map(shown), headers };
    }
    case "POST /repos/{owner}/{repo}/issues/{issue_number}/comments": {
      const made = {
        id: 1_000 + github.comments.length,
        body: fields.body ?? "",
        user: workflow ? actionsBot : tokenUser,
      };
      github.comments.push(made);
      return { status: 201, body: shown(made) };
    }
    case "PATCH /repos/{owner}/{repo}/issues/comments/{comment_id}": {
      const comment = github.comments.find(({ id }) => String(id) === parameters.comment_id);
      if (comment === undefined) return { status: 404, body: { message: "Not Found" } };
      comment.body = fields.body ?? "";
      return { status: 200, body: shown(comment) };
    }
    case "POST /repos/{owner}/{repo}/statuses/{sha}":
      if ((fields.description ?? "").length > 140) return { status: 422, body: { message: "description is too long" } };
      github.statuses.push({ sha: parameters.sha, ...fields });
      return { status: 201, body: { ...description.example("status"), state: fields.state, context: fields.context } };
    case "GET /repos/{owner}/{repo}/pulls": {
      const [example] = description.example("pull-request-simple-items") as unknown as object[];
      const head = (query.get("head") ?? "").split(":")[1];
      const found = github.pulls.filter((pull) => pull.head === head && pull.base === query.get("base"));
      return { status: 200, body: found.map((pull) => withFork(pull, shownPull(pull, example ?? {}))) };
    }
    case "POST /repos/{owner}/{repo}/pulls": {
      const { head = "", base = "", title = "", body: text = "" } = fields;
      const pull = { number: github.pulls.length + 1, head, base, title, body: text };
      github.pulls.push(pull);
      return { status: 201, body: shownPull(pull, description.example("pull-request")) };
    }
    case "PATCH /repos/{owner}/{repo}/pulls/{pull_number}": {
      const pull = github.pulls.find(({ number }) => String(number) === parameters.pull_number);
      if (pull === undefined) return { status: 404, body: { message: "Not Found" } };
      Object.assign(pull, fields);
      return { status: 200, body: shownPull(pull, description.example("pull-request")) };
    }
    default:
      return { status: 404, body: { message: `Not Found: ${name}` } };
  }
}
