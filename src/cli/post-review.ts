// `cutover plan --head … --post`: the review as the one comment of its pull request, and a status on its commit.
import type { Command } from "commander";
import type { PostedReview } from "../app/post-review.ts";
import { UsageError } from "../errors.ts";
import type { Review } from "../model/review.ts";
import { type CommandContext, type Options, optionalText } from "./command.ts";
import { writeLines } from "./output.ts";
import { styled } from "./text.ts";

export interface PostRequest {
  readonly forge: string | undefined;
  /** Undefined: the CI job knows. */
  readonly pull: number | undefined;
}

export interface PostPlace {
  readonly forge: Awaited<ReturnType<CommandContext["services"]["openForge"]>>["forge"];
  readonly pull: number;
}

export function addPostOptions(command: Command): Command {
  return command
    .option("--post", "with --head: keep it up to date as a comment of the pull request, and set the commit's status")
    .option("--forge <kind>", "with --post: github, gitlab or gitea (default: that of the CI job)")
    .option("--pull <number>", "with --post: the pull or merge request (default: that of the CI job)");
}

/** Undefined without `--post`. Asked before the review is made: what cannot be posted is said at once. */
export function postRequestOf(options: Options): PostRequest | undefined {
  const [forge, pull] = [optionalText(options, "forge"), optionalText(options, "pull")];
  const help = "cutover plan --base REF --head REF --post";
  if (options.post !== true) {
    if (forge !== undefined || pull !== undefined) throw new UsageError("--forge and --pull go with --post", help);
    return undefined;
  }
  if (optionalText(options, "head") === undefined) throw new UsageError("--post wants --head", help);
  if (pull !== undefined && !/^[1-9]\d{0,8}$/.test(pull)) throw new UsageError("--pull is a whole number", help);
  return { forge, pull: pull === undefined ? undefined : Number(pull) };
}

/** Throws LackingError or UsageError when the forge, its token or the pull request cannot be known. */
export async function openForPost(
  { services, configPath, env }: CommandContext,
  { forge: kind, pull: asked }: PostRequest,
): Promise<PostPlace> {
  const { forge, pull: known } = await services.openForge({ configPath, kind, env });
  const pull = asked ?? known;
  if (pull === undefined) throw new UsageError("No CI job says which pull request this is", "add --pull NUMBER");
  return { forge, pull };
}

/** Where it went is said on standard error: standard output is the review alone. */
export async function post(
  { output }: Pick<CommandContext, "output">,
  input: PostPlace & { readonly review: Review },
): Promise<PostedReview> {
  const { postReview } = await import("../app/post-review.ts");
  const posted = await postReview(input);
  const { comment, status } = posted;
  const words = ` ${comment.change} ${comment.url}, ${status.context} is ${status.state}: ${status.description}`;
  if (!output.json) writeLines(output.err, [[styled("posted:", "accent"), words]], output.color);
  return posted;
}
