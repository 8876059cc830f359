// How talking to a forge fails, in words. None of these ever holds a token: evidence comes in redacted.
import { CutoverError } from "../../errors.ts";

/** What a call is for. */
export type ForgeErrand = "comment" | "status" | "pull-request";

interface Consequence {
  /** What stands and what does not, after a call that did nothing. */
  readonly undone: string;
  /** The same when nobody knows whether it did. */
  readonly unknown: string;
  readonly again: string;
  readonly instead: string;
  /** Where to look when the forge knows no such thing. */
  readonly check: string;
}

const review = {
  again: "run the same command again: it finds what is there already",
  instead: "`cutover plan` without --post shows the plan here",
  check: "check the repository, and --pull",
};
const consequences: Readonly<Record<ForgeErrand, Consequence>> = {
  comment: {
    ...review,
    undone: "Neither the comment nor the commit's status was brought up to date",
    unknown: "Whether the comment is up to date is not known; the commit's status was not set",
  },
  status: {
    ...review,
    undone: "The commit's status was not set; the comment beside it is up to date",
    unknown: "Whether the commit's status is set is not known; the comment beside it is up to date",
  },
  "pull-request": {
    undone: "The branch is pushed; its pull request was neither opened nor brought up to date",
    unknown: "The branch is pushed; whether its pull request is open and up to date is not known",
    again: "cutover propose --push: it finds the branch, and the pull request where there is one",
    instead: "open the pull request of the branch by hand",
    check: "check the repository, and that the branch can be seen there",
  },
};

export interface ForgePlace {
  readonly errand: ForgeErrand;
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
  constructor({ name, errand }: ForgePlace, evidence: string, retryAfterMs: number | undefined) {
    super({
      code: "forge-unreachable",
      message: `${name} is busy`,
      disposition: "retry",
      evidence,
      impact: consequences[errand].undone,
      remedy: `later, ${consequences[errand].again}`,
    });
    this.retryAfterMs = retryAfterMs;
  }
}

/** The forge answered, and said no. */
export class ForgeRefusedError extends CutoverError {
  readonly httpStatus: number;
  constructor(details: { message: string; evidence: string; impact: string; remedy: string; httpStatus: number }) {
    super({ code: "forge-refused", ...details });
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

export function forgeUnreachable({ name, errand }: ForgePlace, evidence: string): CutoverError {
  return new CutoverError({
    code: "forge-unreachable",
    message: `Cannot talk to ${name}`,
    disposition: "retry",
    evidence,
    impact: consequences[errand].unknown,
    remedy: consequences[errand].again,
  });
}

export function forgeRefused(
  { name, repository, tokenVariable, errand }: ForgePlace,
  { status, evidence }: { readonly status: number; readonly evidence: string },
): ForgeRefusedError {
  const { undone: impact, instead, check } = consequences[errand];
  const needs = `a token that may write comments, statuses and pull requests of ${repository}`;
  const [message, remedy] =
    status === 401
      ? [`${name} does not accept the token`, `export ${tokenVariable}=… with ${needs}`]
      : status === 403
        ? [`${name} does not let this token do that`, `export ${tokenVariable}=… with ${needs}`]
        : status === 404
          ? [
              `${name} has no such thing, or hides it from this token`,
              `${check}, and that ${tokenVariable} may read it`,
            ]
          : status >= 300 && status < 400
            ? [`${name} has moved`, "name the repository as it is called now: the token is not sent elsewhere"]
            : [`${name} refused`, `read the evidence; ${instead}`];
  return new ForgeRefusedError({ message, impact, evidence, remedy, httpStatus: status });
}
