// cutover propose [COMPONENT…]
import type { Command } from "commander";
import { type ProposalPlan, proposedPlans } from "../app/proposal-text.ts";
import type { ProposeInput } from "../app/propose.ts";
import { ExitCode, UsageError } from "../errors.ts";
import type { Review } from "../model/review.ts";
import { renderReviewMarkdown } from "../status/review-markdown.ts";
import { type CommandContext, examples, type Options, optionalText, type Register } from "./command.ts";
import { reportError } from "./render-error.ts";
import { renderProposals } from "./render-proposals.ts";
import { renderReview } from "./render-review.ts";
import { toText } from "./text.ts";

export function addPropose(program: Command, register: Register): void {
  const command = program
    .command("propose")
    .argument("[component...]", "only these components (default: all that have a range)")
    .option("--push", "push the commits, each on a branch of its own; without it they are only shown")
    .option("--together", "one commit for all, not one a component")
    .option(
      "--forge <kind>",
      "with --push: open pull requests on github, gitlab or gitea (default: that of the CI job)",
    )
    .summary("Propose newer versions as commits")
    .description(
      "Propose the newest published version within each `range` of a Release, as a commit with its plan; a person merges",
    )
    .addHelpText(
      "after",
      examples(
        ["cutover propose", "what would be proposed; exits 2 when there is something"],
        ["cutover propose --push", "push a branch cutover/propose-COMPONENT-VERSION for each"],
        ["cutover propose shop --push --forge github", "only shop, with a pull request; the token is GITHUB_TOKEN"],
      ),
    );
  register(command, async (context, { args, options }) => {
    const { output, services, configPath } = context;
    const [{ propose }, { reviewPlan }] = await Promise.all([
      import("../app/propose.ts"),
      import("../app/review-plan.ts"),
    ]);
    const openPull = await pullOpener(context, options);
    const { controller, commitWriter: writer, close } = await services.openController(configPath);
    try {
      const describe: ProposeInput["describe"] = async ({ base, head, ...refs }) =>
        planOf(await reviewPlan({ reviewer: controller, base, head }), refs);
      const choice = { components: args, push: options.push === true, together: options.together === true };
      const proposed = await propose({ controller, writer, describe, ...openPull, ...choice });
      output.print(renderProposals(proposed));
      const failed = proposed.failed.map(({ error, ...named }) => ({ ...named, ...reportError(error) }));
      output.document({ ...proposed, failed });
      const [worst] = proposed.failed.map(({ error }) => error.exitCode).sort((a, b) => b - a);
      if (worst !== undefined) return worst;
      const pending = proposed.proposals.some(({ outcome }) => outcome === "not-pushed");
      return pending ? ExitCode.changesPending : ExitCode.done;
    } finally {
      await close();
    }
  });
}

/** Empty where no forge is meant. Asked before anything is pushed: a token that lacks is said at once. */
async function pullOpener(
  { services, configPath, env }: CommandContext,
  options: Options,
): Promise<Pick<ProposeInput, "openPull">> {
  const kind = optionalText(options, "forge");
  if (kind !== undefined && options.push !== true)
    throw new UsageError("--forge goes with --push", "cutover propose --push --forge github");
  const inJob = ["GITHUB_ACTIONS", "GITLAB_CI", "GITEA_ACTIONS", "FORGEJO_ACTIONS"].some(
    (name) => env[name] === "true",
  );
  if (options.push !== true || (kind === undefined && !inJob)) return {};
  const { forge } = await services.openForge({ configPath, kind, env });
  return { openPull: (pull) => forge.openPull(pull) };
}

function planOf(review: Review, { branch, into }: { branch: string; into: string }): ProposalPlan {
  const named = { ...review, base: { ...review.base, ref: into }, head: { ...review.head, ref: branch } };
  const [, ...lines] = renderReview(named); // the first one names the draft
  return {
    text: toText(lines, { color: false, width: undefined, overflow: "wrap" }).join("\n"),
    markdown: renderReviewMarkdown(named),
    ...proposedPlans(review),
  };
}
