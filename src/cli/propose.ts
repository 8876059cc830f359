// cutover propose [COMPONENT…]
import type { Command } from "commander";
import type { ProposalPlan } from "../app/proposal-text.ts";
import type { ProposeInput } from "../app/propose.ts";
import { ExitCode } from "../errors.ts";
import type { Review } from "../model/review.ts";
import { renderReviewMarkdown } from "../status/review-markdown.ts";
import { examples, type Register } from "./command.ts";
import { renderProposals } from "./render-proposals.ts";
import { renderReview } from "./render-review.ts";
import { toText } from "./text.ts";

export function addPropose(program: Command, register: Register): void {
  const command = program
    .command("propose")
    .argument("[component...]", "only these components (default: all that have a range)")
    .option("--push", "push the commits, each on a branch of its own; without it they are only shown")
    .option("--together", "one commit for all, not one a component")
    .summary("Propose newer versions as commits")
    .description(
      "Propose the newest published version within each `range` of a Release, as a commit with its plan; a person merges",
    )
    .addHelpText(
      "after",
      examples(
        ["cutover propose", "what would be proposed; exits 2 when there is something"],
        ["cutover propose --push", "push a branch cutover/propose-COMPONENT-VERSION for each"],
        ["cutover propose shop --push", "only shop"],
      ),
    );
  register(command, async ({ output, services, configPath }, { args, options }) => {
    const [{ propose }, { reviewPlan }] = await Promise.all([
      import("../app/propose.ts"),
      import("../app/review-plan.ts"),
    ]);
    const { controller, commitWriter: writer, close } = await services.openController(configPath);
    try {
      const describe: ProposeInput["describe"] = async ({ base, head, branch }) =>
        planOf(await reviewPlan({ reviewer: controller, base, head }), branch);
      const choice = { components: args, push: options.push === true, together: options.together === true };
      const proposed = await propose({ controller, writer, describe, ...choice });
      output.print(renderProposals(proposed));
      output.document(proposed);
      const pending = proposed.proposals.some(({ outcome }) => outcome === "not-pushed");
      return pending ? ExitCode.changesPending : ExitCode.done;
    } finally {
      await close();
    }
  });
}

/** A release that nothing changes for needs no approval. */
function planOf(review: Review, branch: string): ProposalPlan {
  const named = { ...review, head: { ...review.head, ref: branch } };
  const [, ...lines] = renderReview(named); // the first one names the draft
  return {
    text: toText(lines, { color: false, width: undefined, overflow: "wrap" }).join("\n"),
    markdown: renderReviewMarkdown(named),
    hashes: review.releases.flatMap(({ plan }) => (plan.changes.length + plan.waiting.length > 0 ? [plan.hash] : [])),
  };
}
