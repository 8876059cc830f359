// Talking to a forge: one request with a deadline and a cap, the whole of a call repeated when the forge is busy, every other
// answer an error with its remedy. The token goes into one header and never into a message (P15).
import { ZodError } from "zod";
import { CutoverError, LackingError, UsageError } from "../../errors.ts";
import { quotable } from "../../model/diagnostic.ts";
import type { Clock } from "../../ports.ts";
import { readBody } from "../read-body.ts";
import {
  ForgeBusyError,
  type ForgeErrand,
  type ForgePlace,
  forgeBusy,
  forgeRefused,
  forgeUnreachable,
  isBusy,
} from "./forge-errors.ts";

export interface ForgeOptions {
  /** Root of the API, such as https://api.github.com; https, or http on this machine. */
  readonly api: string;
  /** `owner/name`; with GitLab a project's number or path. */
  readonly repository: string;
  readonly token: string;
  readonly clock: Clock;
  readonly limits?: Partial<ForgeLimits>;
}

export interface ForgeLimits {
  /** Time until one answer is complete. */
  readonly answerMs: number;
  /** Time for one call of the port, repetitions and pauses included. */
  readonly withinMs: number;
  readonly attempts: number;
  /** Doubled each time, unless the forge says how long. */
  readonly firstPauseMs: number;
}

export interface ForgeRequest {
  readonly method: "GET" | "POST" | "PUT" | "PATCH";
  /** Below the API's root, already percent-encoded: use `segment` for what comes from outside. */
  readonly path: string;
  readonly query?: Readonly<Record<string, string>>;
  readonly body?: unknown;
}
export interface ForgeAnswer {
  readonly status: number;
  readonly body: unknown;
  /** Another page follows. */
  readonly more: boolean;
}
export type Send = (request: ForgeRequest) => Promise<ForgeAnswer>;

export interface ForgeHttp {
  /** `GitHub shop/releases` */
  readonly name: string;
  /** Runs `work` again from its start while the forge is busy (429, 5xx), within the limits: it must look before it writes. Errors say what they mean for `errand`. */
  call<T>(errand: ForgeErrand, work: (send: Send) => Promise<T>): Promise<T>;
}

const standardLimits: ForgeLimits = { answerMs: 15_000, withinMs: 60_000, attempts: 4, firstPauseMs: 500 };
const longestPauseMs = 20_000;
/** A page of 100 comments of 65,536 characters is less. */
const maxAnswerBytes = 32 * 1024 * 1024;
const mostPages = 30;

/** Throws LackingError or UsageError for a token or an address that cannot be used. */
export function forgeHttp(options: ForgeOptions, { forge, tokenVariable, headers }: ForgeKindDetails): ForgeHttp {
  const { repository, token, clock } = options;
  const limits = { ...standardLimits, ...options.limits };
  const name = `${forge} ${quotable(repository)}`;
  // fetch would quote a header that it cannot send in its error.
  if (!/^[\x21-\x7e]{1,4096}$/.test(token))
    throw new LackingError(`${tokenVariable} is not a token`, `export ${tokenVariable}=…`);
  const root = apiRoot(options.api, forge);
  const secrets = [token, encodeURIComponent(token)];
  const redact = (text: string) => secrets.reduce((clean, secret) => clean.replaceAll(secret, "[token]"), text);

  async function send(
    request: ForgeRequest,
    { place, signal }: { readonly place: ForgePlace; readonly signal: AbortSignal },
  ): Promise<ForgeAnswer> {
    const url = new URL(`${root}${request.path}`);
    for (const [key, value] of Object.entries(request.query ?? {})) url.searchParams.set(key, value);
    const what = `${request.method} ${url.pathname}`;
    try {
      const response = await fetch(url, {
        method: request.method,
        redirect: "manual",
        signal: AbortSignal.any([signal, AbortSignal.timeout(limits.answerMs)]),
        headers: {
          ...headers(token),
          "user-agent": "cutover",
          ...(request.body === undefined ? {} : { "content-type": "application/json" }),
        },
        ...(request.body === undefined ? {} : { body: JSON.stringify(request.body) }),
      });
      const text = await bodyText(response);
      const { status } = response;
      const evidence = `${what}: HTTP status ${status}${said(redact(text))}`;
      if (isBusy(response)) throw forgeBusy(place, { evidence, headers: response.headers, now: clock.now() });
      if (status >= 300) throw forgeRefused(place, { status, evidence });
      return { status, body: parsed(text), more: /rel="?next"?/.test(response.headers.get("link") ?? "") };
    } catch (cause) {
      if (cause instanceof CutoverError) throw cause;
      throw forgeUnreachable(place, redact(`${what}: ${causeText(cause, limits.answerMs)}`));
    }
  }

  return {
    name,
    async call(errand, work) {
      const place = { errand, name, tokenVariable, repository };
      const signal = AbortSignal.timeout(limits.withinMs);
      const end = clock.now() + limits.withinMs;
      for (let attempt = 1; ; attempt++) {
        try {
          return await work((request) => send(request, { place, signal }));
        } catch (error) {
          if (error instanceof ZodError) throw forgeRefused(place, { status: 200, evidence: unexpected(error) });
          if (!(error instanceof ForgeBusyError)) throw error;
          const pause = error.retryAfterMs ?? limits.firstPauseMs * 2 ** (attempt - 1);
          if (attempt >= limits.attempts || pause > longestPauseMs || clock.now() + pause >= end) throw error;
          await clock.sleep(pause, signal);
        }
      }
    },
  };
}

export interface ForgeKindDetails {
  readonly forge: "GitHub" | "GitLab" | "Gitea";
  readonly tokenVariable: string;
  readonly headers: (token: string) => Readonly<Record<string, string>>;
}

/** The first item that `wanted` takes, page after page; undefined when there is none. Throws past 30 pages rather than guess. */
export async function findOnPages<T>(
  send: Send,
  request: Omit<ForgeRequest, "method">,
  { read, wanted }: { readonly read: (body: unknown) => readonly T[]; readonly wanted: (item: T) => boolean },
): Promise<T | undefined> {
  for (let page = 1; page <= mostPages; page++) {
    const query = { ...request.query, page: String(page) };
    const { body, more } = await send({ ...request, method: "GET", query });
    const found = read(body).find(wanted);
    if (found !== undefined || !more) return found;
  }
  throw new CutoverError({
    code: "forge-refused",
    message: `${request.path} has more than ${mostPages} pages, too many to look through`,
    impact: "Nothing was written: it might be there already",
    remedy: "close pull requests that nobody needs; a comment is found again in a new pull request",
  });
}

/** One path segment, whatever is in it. */
export function segment(text: string): string {
  const encoded = encodeURIComponent(text);
  return encoded === "." || encoded === ".." ? encoded.replaceAll(".", "%2E") : encoded;
}

/** `owner/name` as two path segments. */
export function ownerPath(repository: string): string {
  const [owner = "", name = "", ...rest] = repository.split("/");
  if (owner === "" || name === "" || rest.length > 0)
    throw new UsageError(`${quotable(repository)} is not a repository: expected OWNER/NAME`);
  return `/repos/${segment(owner)}/${segment(name)}`;
}

/** Characters, with a sign where some are missing. */
export function cut(text: string, maxCharacters: number): string {
  const characters = [...text];
  return characters.length <= maxCharacters ? text : `${characters.slice(0, maxCharacters - 1).join("")}…`;
}

/** A token on an open network is everybody's. */
function apiRoot(api: string, forge: string): string {
  const url = URL.parse(api);
  const local = url !== null && ["127.0.0.1", "[::1]", "localhost"].includes(url.hostname);
  if (url === null || !(url.protocol === "https:" || (local && url.protocol === "http:")) || url.username !== "")
    throw new UsageError(`The address of ${forge}'s API must be https:// without a login in it`);
  return url.href.replace(/[?#].*$/, "").replace(/\/+$/, "");
}

async function bodyText({ body }: Response): Promise<string> {
  if (body === null) return "";
  const parts: Uint8Array[] = [];
  const tooLarge = () => new Error(`an answer of more than ${maxAnswerBytes} bytes`);
  // The request's own signal is its deadline; the floor on speed is for bodies that may take longer.
  const limits = { maxBytes: maxAnswerBytes, tooLarge, slowestBytesPerSecond: 0, windowMs: 60_000, abort: () => {} };
  for await (const chunk of readBody(body, limits)) parts.push(chunk);
  return Buffer.concat(parts).toString("utf8");
}

function parsed(text: string): unknown {
  if (text === "") return undefined;
  try {
    return JSON.parse(text);
  } catch {
    throw new Error("an answer that is not JSON");
  }
}

/** What the forge said about it, when it is a short sentence. */
function said(text: string): string {
  try {
    const body: unknown = JSON.parse(text);
    const message = typeof body === "object" && body !== null && "message" in body ? body.message : undefined;
    const shown = typeof message === "string" ? message : message === undefined ? "" : JSON.stringify(message);
    return shown === "" ? "" : `, ${quotable(shown, 300)}`;
  } catch {
    return "";
  }
}

function unexpected(error: ZodError): string {
  const [issue] = error.issues;
  return `an answer of another form than documented: ${quotable(issue?.path.join(".") ?? "")} ${quotable(issue?.message ?? "", 200)}`;
}

function causeText(cause: unknown, answerMs: number): string {
  if (cause instanceof Error && cause.name === "TimeoutError") return `no whole answer within ${answerMs} ms`;
  const inner = cause instanceof Error && cause.cause instanceof Error ? cause.cause : cause;
  return quotable(inner instanceof Error ? inner.message : String(inner), 300);
}
