// cutover plan
import type { Command } from "commander";
import { ExitCode, UsageError } from "../errors.ts";
import type { Review } from "../model/review.ts";
import { renderReviewMarkdown } from "../status/review-markdown.ts";
import { type CommandContext, examples, type Options, optionalText, type Register, textList } from "./command.ts";
import { showLivePlan } from "./live-plan.ts";
import { planExitCode } from "./outcomes.ts";
import { makeOutput } from "./output.ts";
import { showPlanOfRun } from "./plan-of-run.ts";
import { addPostOptions, openForPost, type PostRequest, post, postRequestOf } from "./post-review.ts";
import { renderReview } from "./render-review.ts";

const formats = ["text", "markdown", "json"] as const;
type Format = (typeof formats)[number];

export function addPlan(program: Command, register: Register): void {
  const command = program
    .command("plan")
    .option("--base <ref>", "with --head: what the change is to be merged into (default: the followed branch)")
    .option(
      "--head <ref>",
      "a branch, tag or commit (also main~1): what merging it would cause, without asking any host",
    )
    .option("--slice <terms...>", "only this part: phase=, component=, host=, task= or a label; commas: and, again: or")
    .option("--book", "every task in its order, and what runs side by side")
    .option("--run <run>", "the plan that is stored with a run, as its tasks stand")
    .option("--format <format>", "text, json, or with --head also markdown (default: text)")
    .summary("Show what would change; change nothing")
    .description(
      "Show what would change, host by host. Observes; changes nothing. With --head it talks to no host: the state is that of the signed status notes. Exits 2 when changes are pending",
    )
    .addHelpText(
      "after",
      examples(
        ["cutover plan", "component by component: versions, hosts, batches, way back"],
        ["cutover plan --json", "the plans as data, with their hashes"],
        [
          "cutover plan --slice 'phase=control-plane'",
          "a part of it, which can be run alone: reconcile --once --slice …",
        ],
        ["cutover plan --run RUN", "task by task how a run stands, also after its end"],
        ["cutover plan --base origin/main --head HEAD", "in a clone: what merging this branch would cause"],
        ["cutover plan --base BASE --head HEAD --post", "in a CI job: the same as the pull request's one comment"],
      ),
    );
  register(addPostOptions(command), async (context, { options }) => {
    const posting = postRequestOf(options);
    const format = formatOf(options, context.output.json);
    const output =
      format === "json" && !context.output.json ? makeOutput({ ...context.output, json: true }) : context.output;
    const [base, head] = [optionalText(options, "base"), optionalText(options, "head")];
    const slices = textList(options, "slice");
    const run = optionalText(options, "run");
    if (run !== undefined && (head !== undefined || base !== undefined || slices.length > 0))
      throw new UsageError("--run shows the stored plan of one run", `cutover plan --run ${run}`);
    if (run !== undefined) return showPlanOfRun({ ...context, output }, run);
    if (head !== undefined && slices.length > 0)
      throw new UsageError(
        "A review shows the whole plan; --slice is for what would be done now",
        "cutover plan --slice …",
      );
    if (head !== undefined) return showReview({ ...context, output }, { base, head, format, posting });
    if (base !== undefined)
      throw new UsageError("--base wants to know what is to be merged", `cutover plan --base ${base} --head BRANCH`);
    if (format === "markdown")
      throw new UsageError("Markdown is for the review of a change", "cutover plan --head REF --format markdown");
    return showLivePlan({ ...context, output }, { slices, book: options.book === true });
  });
}

function formatOf(options: Options, json: boolean): Format {
  const asked = optionalText(options, "format") ?? (json ? "json" : "text");
  const format = formats.find((each) => each === asked);
  if (format === undefined)
    throw new UsageError(`There is no format ${asked}`, `cutover plan --format ${formats.join("|")}`);
  if (json && format !== "json") throw new UsageError(`--json and --format ${format} exclude each other`);
  return format;
}

interface ReviewRequest {
  readonly base: string | undefined;
  readonly head: string;
  readonly format: Format;
  readonly posting: PostRequest | undefined;
}

async function showReview(context: CommandContext, { base, head, format, posting }: ReviewRequest): Promise<ExitCode> {
  const { output, services, configPath } = context;
  const { reviewPlan } = await import("../app/review-plan.ts");
  const place = posting && (await openForPost(context, posting));
  const { reviewer, close } = await services.openReviewer(configPath);
  try {
    const review = await reviewPlan({ reviewer, base, head });
    if (format === "markdown") output.out.write(renderReviewMarkdown(review));
    else output.print(renderReview(review));
    const posted = place && (await post(context, { ...place, review }));
    output.document(posted === undefined ? review : { ...review, posted });
    return reviewExitCode(review);
  } finally {
    await close();
  }
}

/** What would change once every host answers again counts: nobody is asked here, so nobody can be missing. */
function reviewExitCode({ releases, failed, trustChange }: Review): ExitCode {
  if (failed.length > 0 || trustChange?.verdict === "refused") return ExitCode.refused;
  // A host that is left alone today is no fault of the change under review.
  return planExitCode(releases.map(({ plan }) => ({ changes: [...plan.changes, ...plan.waiting], held: [] })));
}
