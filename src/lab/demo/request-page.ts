// One request of the demo's load generator: only a whole page of shop is right.
import type { Agent } from "node:http";
import { sendRequest } from "../meter/send-request.ts";
import type { FailureReason } from "./load-report.ts";
import { parseShopPage } from "./shop-page.ts";

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
export async function requestPage(input: PageRequest): Promise<PageResult> {
  const { answer, failure } = await sendRequest({ ...input, client: "cutover-load" });
  if (answer === undefined) {
    const { reason, detail } = failure ?? { reason: "other", detail: "no answer" };
    return { reason, detail, version: undefined };
  }
  const { status, headers, body } = answer;
  const named = headers["shop-version"];
  const version = typeof named === "string" ? named : undefined;
  if (status < 200 || status > 299)
    return { reason: "non-2xx", detail: `${status} ${body.slice(0, 100).trim()}`, version };
  if (version === undefined || parseShopPage(body)?.version !== version)
    return { reason: "wrong-body", detail: JSON.stringify(body.slice(0, 100)), version };
  return { reason: undefined, detail: "", version };
}
