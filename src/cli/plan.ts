// cutover plan
import type { Command } from "commander";
import { ExitCode, UsageError } from "../errors.ts";
import type { Review } from "../model/review.ts";
import { planBook } from "../status/plan-book.ts";
import { renderReviewMarkdown } from "../status/review-markdown.ts";
import { type CommandContext, examples, type Options, optionalText, type Register, textList } from "./command.ts";
import { livePlanExitCode, planExitCode } from "./outcomes.ts";
import { makeOutput } from "./output.ts";
import { showPlanOfRun } from "./plan-of-run.ts";
import { addPostOptions, openForPost, type PostRequest, post, postRequestOf } from "./post-review.ts";
import { backOffLines } from "./render-back-off.ts";
import { bookLines } from "./render-book.ts";
import { renderError, reportError } from "./render-error.ts";
import { openRunLines } from "./render-open-run.ts";
import { warningLine } from "./render-pass.ts";
import { renderPlan } from "./render-plan.ts";
import { approvalLines, renderReview } from "./render-review.ts";
import { styled } from "./text.ts";

const formats = ["text", "markdown", "json"] as const;
type Format = (typeof formats)[number];

export function addPlan(program: Command, register: Register): void {
  const command = program
    .command("plan")
    .option("--base <ref>", "with --head: what the change is to be merged into (default: the followed branch)")
    .option("--head <ref>", "a branch, tag or commit: what merging it would cause, without asking any host")
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
      throw new UsageError("--base wants to know what is to be merged", "cutover plan --base REF --head REF");
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

async function showLivePlan(
  { output, services, configPath }: CommandContext,
  { slices, book }: { readonly slices: readonly string[]; readonly book: boolean },
): Promise<ExitCode> {
  const [{ planReleases }, { readOpenRuns }] = await Promise.all([
    import("../app/plan-releases.ts"),
    import("../app/read-open-runs.ts"),
  ]);
  const opened = await services.openController(configPath);
  try {
    const { commit, plans, missing, observations, backOffs, approvals, failed, warnings } = await planReleases({
      controller: opened.controller,
      slices,
    });
    const totalHosts = plans.length === 1 ? observations.size : undefined;
    output.print([
      [styled(`commit ${commit}`, "faint")],
      ...warnings.map(warningLine),
      ...plans.flatMap((plan) => [
        [],
        ...renderPlan({ plan, totalHosts, missing: missing.get(plan.release) ?? [] }),
        ...(book ? bookLines(planBook({ plan }), { withStates: false }) : []),
        ...approvalLines(approvals.get(plan.release)),
        ...backOffs.filter(({ release }) => release === plan.release).flatMap(backOffLines),
      ]),
      ...failed.flatMap(({ release, error }) => [
        [],
        [styled(`${release}:`, "strong"), " cannot be planned"],
        ...renderError(reportError(error)),
      ]),
    ]);
    const none =
      slices.length === 0 ? "no release in the repository" : "nothing that is to be done is part of this slice";
    if (plans.length + failed.length === 0) output.print([[none]]);
    // A plan that waits for its next try changes nothing now, like one whose hosts are all left alone.
    const unapproved = plans.filter(({ release }) => approvals.get(release)?.kind === "stalled");
    const waits = new Set([...backOffs.map(({ planHash }) => planHash), ...unapproved.map(({ hash }) => hash)]);
    const sizes = plans.map((plan) => (waits.has(plan.hash) ? { ...plan, changes: [], held: plan.changes } : plan));
    const openRuns = await readOpenRuns(opened.controller.journal);
    output.print(openRuns.flatMap(openRunLines));
    const exitCode = livePlanExitCode(sizes, { failed: failed.map(({ error }) => error), openRuns });
    const again = slices.map((text) => ` --slice '${text}'`).join("");
    const canRun = plans.every(({ release }) => (missing.get(release) ?? []).length === 0);
    const isFree = openRuns.length === 0;
    if (exitCode === 2 && canRun && isFree)
      output.print([[styled("next:", "accent"), ` cutover reconcile --once${again}`]]);
    // A plan that waits for approval, and a release that cannot be planned, have said above what comes next.
    if (exitCode === 4 && isFree && unapproved.length + failed.length === 0)
      output.print([[styled("next:", "accent"), " cutover status"]]);
    output.document({
      commit,
      plans,
      ...(slices.length === 0 ? {} : { missing: Object.fromEntries(missing) }),
      backOffs,
      approvals: Object.fromEntries(approvals),
      failed: failed.map(({ release, error }) => ({ release, error: reportError(error) })),
      warnings,
      ...(isFree ? {} : { openRuns }),
      observations: [...observations.values()],
    });
    return exitCode;
  } finally {
    await opened.close();
  }
}
