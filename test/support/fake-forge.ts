// GitLab and Gitea as far as cutover talks to them, from their documentation: they publish no description to hold it against.
import { createServer, type IncomingHttpHeaders } from "node:http";
import type { AddressInfo } from "node:net";

export interface ForgeAsked {
  readonly method: string;
  /** Decoded per segment by whoever needs it: `%2F` stays. */
  readonly path: string;
  readonly query: URLSearchParams;
  readonly headers: IncomingHttpHeaders;
  readonly body: Readonly<Record<string, string>>;
}
export interface ForgeReply {
  readonly status: number;
  readonly body?: unknown;
  readonly headers?: Record<string, string>;
}

/** A local server that answers by `reply` and remembers what it was asked. Every connection is closed when `work` is done. */
export async function withForge<T>(
  reply: (asked: ForgeAsked) => ForgeReply,
  work: (forge: { readonly api: string; readonly asked: readonly ForgeAsked[] }) => Promise<T>,
): Promise<T> {
  const asked: ForgeAsked[] = [];
  const server = createServer(async (request, response) => {
    const text = Buffer.concat(await request.toArray()).toString("utf8");
    const { pathname: path, searchParams: query } = new URL(request.url ?? "/", "http://server");
    const body = text === "" ? {} : (JSON.parse(text) as ForgeAsked["body"]);
    const one = { method: request.method ?? "", path, query, headers: request.headers, body };
    asked.push(one);
    const answer = reply(one);
    response.writeHead(answer.status, { "content-type": "application/json", ...answer.headers });
    response.end(answer.body === undefined ? "" : JSON.stringify(answer.body));
  }).listen(0, "127.0.0.1");
  await new Promise((resolve) => server.once("listening", resolve));
  try {
    return await work({ api: `http://127.0.0.1:${(server.address() as AddressInfo).port}/api/v`, asked });
  } finally {
    const closed = new Promise((resolve) => server.close(resolve));
    server.closeAllConnections();
    await closed;
  }
}

export interface Page<T> {
  readonly items: readonly T[];
  readonly headers: Record<string, string>;
}

/** The page that was asked for, and the Link header that says whether another one follows. */
export function pageOf<T>(items: readonly T[], query: URLSearchParams, size: number): Page<T> {
  const page = Number(query.get("page") ?? 1);
  const more = items.length > page * size;
  return {
    items: items.slice((page - 1) * size, page * size),
    headers: more ? { link: `<http://elsewhere.example/?page=${page + 1}>; rel="next"` } : {},
  };
}
