// init: an empty directory becomes a controller's home with keys, a release repository and a working clone, ready to be used.
import { execFile } from "node:child_process";
import { appendFile, mkdir, readdir, rm, writeFile } from "node:fs/promises";
import { join, resolve } from "node:path";
import { promisify } from "node:util";
import { CutoverError, LackingError, UsageError } from "../errors.ts";
import type { KeyMakerPort } from "../ports.ts";
import { gitConfigText } from "./git-config-text.ts";
import { configText, exampleText, fleetText, ignoreText, trustText } from "./init-texts.ts";
import { generateKeys } from "./keys.ts";
import { generateSchemas } from "./schemas.ts";

export interface InitResult {
  readonly directory: string;
  readonly config: string;
  readonly repository: string;
  /** The clone to edit, commit and push in; its commits are signed. */
  readonly work: string;
  readonly commit: string;
  /** What was written, relative to the directory. */
  readonly written: readonly string[];
}

/** Refuses a directory with anything in it. All or nothing: what was written is removed when a step fails. */
export async function initRelease(
  directory: string,
  { keyMaker }: { readonly keyMaker: KeyMakerPort },
): Promise<InitResult> {
  const home = resolve(directory);
  await mkdir(home, { recursive: true });
  const present = await readdir(home);
  if (present.length > 0)
    throw new UsageError(
      `${home} is not empty: it holds ${present.slice(0, 3).join(", ")}`,
      "cutover init NEW-DIRECTORY",
    );
  try {
    return await writeHome(home, keyMaker);
  } catch (error) {
    for (const name of await readdir(home)) await rm(join(home, name), { recursive: true, force: true });
    throw error;
  }
}

async function writeHome(home: string, keyMaker: KeyMakerPort): Promise<InitResult> {
  const keysDirectory = join(home, "keys");
  const pairs = await generateKeys({
    directory: keysDirectory,
    names: ["release", "controller", "envelope", "operator"],
    keyMaker,
  });
  const key = (name: string) => pairs.find((pair) => pair.name === name)?.publicKey ?? "";
  const trust = trustText({ release: key("release"), envelope: key("envelope"), operator: key("operator") });
  await writeFile(join(keysDirectory, "allowed_signers"), `operator namespaces="git" ${key("operator")}\n`, {
    mode: 0o600,
  });
  const files = { "cutover.yaml": configText(), "trust.yaml": trust, ".gitignore": ignoreText() };
  for (const [name, text] of Object.entries(files)) await writeFile(join(home, name), text);
  await mkdir(join(home, "artifacts"));
  const work = join(home, "work");
  const repository = join(home, "releases.git");
  await makeClone({
    repository,
    work,
    signingKey: join(keysDirectory, "operator"),
    allowedSigners: join(keysDirectory, "allowed_signers"),
  });
  await writeDocuments(work, trust);
  const commit = await commitAndPush(work);
  const written = [...Object.keys(files), "keys", "artifacts", "releases.git", "work"].sort();
  return { directory: home, config: join(home, "cutover.yaml"), repository, work, commit, written };
}

async function makeClone(input: {
  repository: string;
  work: string;
  signingKey: string;
  allowedSigners: string;
}): Promise<void> {
  const { repository, work, signingKey, allowedSigners } = input;
  await git(["init", "--quiet", "--bare", "--initial-branch=main", "--", repository]);
  await git(["init", "--quiet", "--initial-branch=main", "--", work]);
  const settings = {
    "user.name": "operator",
    "user.email": "operator@localhost",
    "user.signingKey": signingKey,
    "gpg.format": "ssh",
    "gpg.ssh.allowedSignersFile": allowedSigners,
    "commit.gpgSign": "true",
    "remote.origin.url": repository,
    "branch.main.remote": "origin",
    "branch.main.merge": "refs/heads/main",
    "notes.displayRef": "refs/notes/cutover*",
  };
  // A pattern, since a plain name that is not there yet would make every fetch fail.
  const fetched = ["+refs/heads/*:refs/remotes/origin/*", "+refs/notes/*:refs/notes/*"];
  const refspecs = fetched.map((refspec) => ["remote.origin.fetch", refspec] as const);
  await appendFile(join(work, ".git", "config"), gitConfigText([...Object.entries(settings), ...refspecs]));
}

async function writeDocuments(work: string, trust: string): Promise<void> {
  await mkdir(join(work, "releases"));
  await mkdir(join(work, "schemas"));
  const modeline = "# yaml-language-server: $schema=../schemas/trust.json\n";
  const files = { "fleet.yaml": fleetText(), "trust.yaml": `${modeline}${trust}`, "example.yaml": exampleText() };
  for (const [name, text] of Object.entries(files)) await writeFile(join(work, "releases", name), text);
  for (const [name, text] of Object.entries(generateSchemas())) await writeFile(join(work, "schemas", name), text);
}

async function commitAndPush(work: string): Promise<string> {
  await git(["-C", work, "add", "--", "releases", "schemas"]);
  await git(["-C", work, "commit", "--quiet", "-m", "Start with an empty fleet and the first Trust"]);
  await git(["-C", work, "push", "--quiet", "origin", "main"]);
  return (await git(["-C", work, "rev-parse", "HEAD"])).trim();
}

/** The person's own git settings stay out, so that the result is the same everywhere. */
async function git(args: readonly string[]): Promise<string> {
  const { PATH, HOME } = process.env;
  const env = {
    PATH,
    HOME,
    LC_ALL: "C",
    GIT_CONFIG_GLOBAL: "/dev/null",
    GIT_CONFIG_NOSYSTEM: "1",
    GIT_TERMINAL_PROMPT: "0",
  };
  try {
    return (await promisify(execFile)("git", args, { env, timeout: 30_000 })).stdout;
  } catch (cause) {
    if (cause instanceof Error && "code" in cause && cause.code === "ENOENT")
      throw new LackingError("git is not installed here", "apt-get install git");
    const evidence = cause instanceof Error && "stderr" in cause ? String(cause.stderr).trim() : String(cause);
    throw new CutoverError({
      code: "git-failed",
      message: `git ${args.find((word) => !word.startsWith("-"))} failed`,
      evidence,
      impact: "What init had written is removed again",
      cause,
    });
  }
}
