// cutover propose [COMPONENT…]
import type { Command } from "commander";
import { ExitCode } from "../errors.ts";
import { examples, type Register } from "./command.ts";
import { renderProposals } from "./render-proposals.ts";

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
    const { propose } = await import("../app/propose.ts");
    const { controller, commitWriter: writer, close } = await services.openController(configPath);
    try {
      const choice = { components: args, push: options.push === true, together: options.together === true };
      const proposed = await propose({ controller, writer, ...choice });
      output.print(renderProposals(proposed));
      output.document(proposed);
      const pending = proposed.proposals.some(({ outcome }) => outcome === "not-pushed");
      return pending ? ExitCode.changesPending : ExitCode.done;
    } finally {
      await close();
    }
  });
}
