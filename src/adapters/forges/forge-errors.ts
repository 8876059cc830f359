// How talking to a forge fails, in words. None of these ever holds a token: evidence comes in redacted.
import { CutoverError } from "../../errors.ts";

export interface ForgePlace {
  /** `GitHub shop/releases` */
  readonly name: string;
  readonly repository: string;
  /** Environment variable that holds the token. */
  readonly tokenVariable: string;
}

/** 429, 5xx, or a rate limit: the forge asks to come back. */
export class ForgeBusyError extends CutoverError {
  /** What the forge asked for; undefined when it said nothing. */
  readonly retryAfterMs: number | undefined;
  constructor({ name }: ForgePlace, evidence: string, retryAfterMs: number | undefined) {
    super({
      code: "forge-unreachable",
      message: `${name} is busy`,
      disposition: "retry",
      evidence,
      impact: "The comment or status was not brought up to date; nothing else changed",
      remedy: "run the same command again later",
    });
    this.retryAfterMs = retryAfterMs;
  }
}

/** The forge answered, and said no. */
export class ForgeRefusedError extends CutoverError {
  readonly httpStatus: number;
  constructor(details: { message: string; evidence: string; remedy: string; httpStatus: number }) {
    const impact = "The comment or status was not brought up to date; nothing else changed";
    super({ code: "forge-refused", impact, ...details });
    this.httpStatus = details.httpStatus;
  }
}

export function isBusy({ status, headers }: Response): boolean {
  const limited = headers.has("retry-after") || headers.get("x-ratelimit-remaining") === "0";
  return status === 429 || status >= 500 || (status === 403 && limited);
}

export function forgeBusy(
  place: ForgePlace,
  { evidence, headers, now }: { readonly evidence: string; readonly headers: Headers; readonly now: number },
): ForgeBusyError {
  const seconds = headers.get("retry-after") ?? "";
  const reset = headers.get("x-ratelimit-remaining") === "0" ? (headers.get("x-ratelimit-reset") ?? "") : "";
  const whole = /^\d{1,10}$/;
  if (whole.test(seconds)) return new ForgeBusyError(place, evidence, Number(seconds) * 1_000);
  if (whole.test(reset)) return new ForgeBusyError(place, evidence, Math.max(0, Number(reset) * 1_000 - now));
  return new ForgeBusyError(place, evidence, undefined);
}

export function forgeUnreachable({ name }: ForgePlace, evidence: string): CutoverError {
  return new CutoverError({
    code: "forge-unreachable",
    message: `Cannot talk to ${name}`,
    disposition: "retry",
    evidence,
    impact: "Whether the comment or status is up to date is not known; nothing else changed",
    remedy: "run the same command again: it finds what is there already",
  });
}

export function forgeRefused(
  { name, repository, tokenVariable }: ForgePlace,
  { status, evidence }: { readonly status: number; readonly evidence: string },
): ForgeRefusedError {
  const needs = `a token that may write comments, statuses and pull requests of ${repository}`;
  const [message, remedy] =
    status === 401
      ? [`${name} does not accept the token`, `export ${tokenVariable}=… with ${needs}`]
      : status === 403
        ? [`${name} does not let this token do that`, `export ${tokenVariable}=… with ${needs}`]
        : status === 404
          ? [
              `${name} has no such thing, or hides it from this token`,
              `check the repository, --pull, and that ${tokenVariable} may read it`,
            ]
          : status >= 300 && status < 400
            ? [`${name} has moved`, "name the repository as it is called now: the token is not sent elsewhere"]
            : [`${name} refused`, "read the evidence; `cutover plan` without --post shows the plan here"];
  return new ForgeRefusedError({ message, evidence, remedy, httpStatus: status });
}
