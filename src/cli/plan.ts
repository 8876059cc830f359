// cutover plan
import type { Command } from "commander";
import { examples, type Register } from "./command.ts";
import { planExitCode } from "./outcomes.ts";
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
      const { commit, plans, observations } = await planReleases({ controller: opened.controller });
      const totalHosts = plans.length === 1 ? observations.size : undefined;
      output.print([
        [styled(`commit ${commit}`, "faint")],
        ...plans.flatMap((plan) => [[], ...renderPlan({ plan, totalHosts })]),
      ]);
      if (plans.length === 0) output.print([["no release in the repository"]]);
      const exitCode = planExitCode(plans);
      if (exitCode === 2) output.print([[styled("next:", "accent"), " cutover reconcile --once"]]);
      if (exitCode === 4) output.print([[styled("next:", "accent"), " cutover status"]]);
      output.document({ commit, plans, observations: [...observations.values()] });
      return exitCode;
    } finally {
      await opened.close();
    }
  });
}
