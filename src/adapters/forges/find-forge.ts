// Which forge, where, and with which token: said by `--forge`, by what a CI job is told, or by the release remote's address.
// Tokens come from the environment alone, so that no command line and no file of ours ever holds one (P15).
import { LackingError, UsageError } from "../../errors.ts";

export const forgeKinds = ["github", "gitlab", "gitea"] as const;
export type ForgeKind = (typeof forgeKinds)[number];

export type Environment = { readonly [name: string]: string | undefined };

export interface FoundForge {
  readonly kind: ForgeKind;
  readonly api: string;
  readonly repository: string;
  readonly token: string;
  /** The token is that of a GitLab job. */
  readonly jobToken: boolean;
}

/** Undefined when neither the caller nor the environment names a forge. Throws LackingError when it is named and something lacks. */
export function findForge(input: {
  readonly kind?: ForgeKind | undefined;
  readonly env: Environment;
  /** Address of the release remote, for machines that are no CI job. */
  readonly remote?: string | undefined;
}): FoundForge | undefined {
  const kind = input.kind ?? kindOf(input.env);
  if (kind === undefined) return undefined;
  const place = placeInJob(kind, input.env) ?? placeOfRemote(kind, input.remote);
  if (place === undefined)
    throw new LackingError(
      `Nothing says which repository on ${kind} is meant`,
      kind === "gitlab"
        ? "export CI_API_V4_URL=… CI_PROJECT_ID=…"
        : "export GITHUB_API_URL=… GITHUB_REPOSITORY=OWNER/NAME",
    );
  return { kind, ...place, ...tokenOf(kind, input.env) };
}

/** The pull (merge) request that a CI job runs for. */
export function pullOf(env: Environment): number | undefined {
  const number = /^refs\/pull\/(\d{1,9})\//.exec(env.GITHUB_REF ?? "")?.[1] ?? env.CI_MERGE_REQUEST_IID;
  return number !== undefined && /^[1-9]\d{0,8}$/.test(number) ? Number(number) : undefined;
}

export function forgeKindOf(text: string): ForgeKind {
  const kind = forgeKinds.find((each) => each === text);
  if (kind === undefined) throw new UsageError(`--forge is one of ${forgeKinds.join(", ")}`, "cutover help plan");
  return kind;
}

/** Gitea's and Forgejo's runners set GitHub's variables as well. */
function kindOf(env: Environment): ForgeKind | undefined {
  if (env.GITEA_ACTIONS === "true" || env.FORGEJO_ACTIONS === "true") return "gitea";
  if (env.GITHUB_ACTIONS === "true") return "github";
  return env.GITLAB_CI === "true" ? "gitlab" : undefined;
}

interface Place {
  readonly api: string;
  readonly repository: string;
}

function placeInJob(kind: ForgeKind, env: Environment): Place | undefined {
  if (kind === "gitlab") return placeFrom(env.CI_API_V4_URL, env.CI_PROJECT_ID);
  // GITHUB_API_URL of a Gitea job is Gitea's own: http://HOST/api/v1.
  return placeFrom(env.GITHUB_API_URL, env.GITHUB_REPOSITORY);
}

function placeFrom(api: string | undefined, repository: string | undefined): Place | undefined {
  return api && repository ? { api, repository } : undefined;
}

/** `git@HOST:OWNER/NAME.git`, `ssh://git@HOST/OWNER/NAME`, `https://HOST/OWNER/NAME.git`. */
function placeOfRemote(kind: ForgeKind, remote = ""): Place | undefined {
  const scp = /^[^@/:]+@([A-Za-z0-9.-]+):(?!\/)(.+)$/.exec(remote);
  const url = scp === null ? URL.parse(remote) : null;
  const host =
    scp?.[1] ?? (url?.protocol === "https:" ? url.host : url?.protocol === "ssh:" ? url.hostname : undefined);
  const repository = (scp?.[2] ?? url?.pathname ?? "").replace(/^\/+|\/+$/g, "").replace(/\.git$/, "");
  if (!host || repository === "") return undefined;
  const api = {
    github: host === "github.com" ? "https://api.github.com" : `https://${host}/api/v3`,
    gitlab: `https://${host}/api/v4`,
    gitea: `https://${host}/api/v1`,
  }[kind];
  return { api, repository };
}

function tokenOf(kind: ForgeKind, env: Environment): { readonly token: string; readonly jobToken: boolean } {
  const names = {
    github: ["GITHUB_TOKEN"],
    gitlab: ["GITLAB_TOKEN", "CI_JOB_TOKEN"],
    gitea: ["GITEA_TOKEN", "GITHUB_TOKEN"],
  }[kind];
  const name = names.find((each) => env[each]);
  const token = name === undefined ? undefined : env[name];
  if (name === undefined || token === undefined)
    throw new LackingError(`There is no token for ${kind}`, `export ${names[0]}=…`);
  return { token, jobToken: name === "CI_JOB_TOKEN" };
}
