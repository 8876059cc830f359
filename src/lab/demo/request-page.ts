// One request of the load generator: sent once, never retried, ended by its deadline, told apart by how it failed.
import { type Agent, request as httpRequest } from "node:http";
import type { FailureReason } from "./load-report.ts";
import { parseShopPage } from "./shop-page.ts";

const LARGEST_BODY = 64 * 1024;

export interface PageResult {
  readonly reason: FailureReason | undefined;
  readonly detail: string;
  readonly version: string | undefined;
}

export interface PageRequest {
  readonly address: string;
  readonly port: number;
  readonly path: string;
  readonly agent: Agent;
  readonly timeoutMs: number;
}

/** Always resolves: a failure is a result here. */
export function requestPage(input: PageRequest): Promise<PageResult> {
  return new Promise((resolve) => {
    let version: string | undefined;
    let timedOut = false;
    const end = (reason: FailureReason | undefined, detail: string): void => {
      clearTimeout(timer);
      resolve({ reason, detail, version });
    };
    const broken = (error: NodeJS.ErrnoException): void => {
      if (timedOut) end("timeout", `no answer within ${input.timeoutMs} ms`);
      else end(reasonOf(error), `${error.code ?? "error"}: ${error.message}`);
    };
    const { address: host, port, path, agent } = input;
    const request = httpRequest({ host, port, path, agent, headers: { "user-agent": "cutover-load" } });
    const timer = setTimeout(() => {
      timedOut = true;
      request.destroy(new Error("timeout"));
    }, input.timeoutMs);
    request.on("error", broken);
    request.on("response", (response) => {
      const named = response.headers["shop-version"];
      version = typeof named === "string" ? named : undefined;
      let body = "";
      response.setEncoding("utf8");
      response.on("data", (chunk: string) => {
        body += chunk;
        if (body.length > LARGEST_BODY) request.destroy(new Error("body too large"));
      });
      response.on("error", broken);
      response.on("end", () => {
        const status = response.statusCode ?? 0;
        if (status < 200 || status > 299) end("non-2xx", `${status} ${body.slice(0, 100).trim()}`);
        else if (version === undefined || parseShopPage(body)?.version !== version)
          end("wrong-body", JSON.stringify(body.slice(0, 100)));
        else end(undefined, "");
      });
    });
    request.end();
  });
}

function reasonOf(error: NodeJS.ErrnoException): FailureReason {
  if (error.code === "ECONNRESET" || error.code === "EPIPE" || error.code === "ECONNABORTED") return "reset";
  if (error.code === "ECONNREFUSED") return "refused";
  if (error.code === "ETIMEDOUT") return "timeout";
  return "other";
}
