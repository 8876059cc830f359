// cutover plan
import type { Command } from "commander";
import { examples, type Register } from "./command.ts";
import { planExitCode } from "./outcomes.ts";
import { backOffLines } from "./render-back-off.ts";
import { renderError, reportError } from "./render-error.ts";
import { warningLine } from "./render-pass.ts";
import { renderPlan } from "./render-plan.ts";
import { styled } from "./text.ts";

export function addPlan(program: Command, register: Register): void {
  const command = program
    .command("plan")
    .summary("Show what would change; change nothing")
    .description("Show what would change, host by host. Observes; changes nothing. Exits 2 when changes are pending")
    .addHelpText(
      "after",
      examples(
        ["cutover plan", "component by component: versions, hosts, batches, way back"],
        ["cutover plan --json", "the plans as data, with their hashes"],
      ),
    );
  register(command, async ({ output, services, configPath }) => {
    const { planReleases } = await import("../app/plan-releases.ts");
    const opened = await services.openController(configPath);
    try {
      const { commit, plans, observations, backOffs, failed, warnings } = await planReleases({
        controller: opened.controller,
      });
      const totalHosts = plans.length === 1 ? observations.size : undefined;
      output.print([
        [styled(`commit ${commit}`, "faint")],
        ...warnings.map(warningLine),
        ...plans.flatMap((plan) => [
          [],
          ...renderPlan({ plan, totalHosts }),
          ...backOffs.filter(({ release }) => release === plan.release).flatMap(backOffLines),
        ]),
        ...failed.flatMap(({ release, error }) => [
          [],
          [styled(`${release}:`, "strong"), " cannot be planned"],
          ...renderError(reportError(error)),
        ]),
      ]);
      if (plans.length + failed.length === 0) output.print([["no release in the repository"]]);
      // A plan that waits for its next try changes nothing now, like one whose hosts are all left alone.
      const waits = new Set(backOffs.map(({ planHash }) => planHash));
      const sizes = plans.map((plan) => (waits.has(plan.hash) ? { changes: [], held: plan.changes } : plan));
      const exitCode = planExitCode(
        sizes,
        failed.map(({ error }) => error),
      );
      if (exitCode === 2) output.print([[styled("next:", "accent"), " cutover reconcile --once"]]);
      if (exitCode === 4) output.print([[styled("next:", "accent"), " cutover status"]]);
      output.document({
        commit,
        plans,
        backOffs,
        failed: failed.map(({ release, error }) => ({ release, error: reportError(error) })),
        warnings,
        observations: [...observations.values()],
      });
      return exitCode;
    } finally {
      await opened.close();
    }
  });
}
