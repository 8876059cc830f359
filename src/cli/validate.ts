// cutover validate [DIR]
import type { Command } from "commander";
import { ExitCode } from "../errors.ts";
import { examples, type Register } from "./command.ts";
import { renderValidation } from "./render-validation.ts";

export function addValidate(program: Command, register: Register): void {
  const command = program
    .command("validate")
    .argument("[dir]", "directory of the documents", ".")
    .summary("Check release documents")
    .description("Check release documents; print every mistake as file:line:col. Needs no git and no host")
    .addHelpText(
      "after",
      examples(
        ["cutover validate", "the documents in this directory"],
        ["cutover validate releases --json", "for editors and CI: the findings as data"],
      ),
    );
  register(command, async ({ output }, { args }) => {
    const { validateDirectory } = await import("../app/validate.ts");
    const directory = args[0] ?? ".";
    const validation = await validateDirectory(directory);
    const errors = validation.diagnostics.filter(({ severity }) => severity === "error").length;
    output.print(renderValidation(validation, directory));
    const { diagnostics, files } = validation;
    output.document({ valid: errors === 0, files, diagnostics });
    return errors === 0 ? ExitCode.done : ExitCode.usage;
  });
}
