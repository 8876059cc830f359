// cutover validate [DIR]
import { existsSync } from "node:fs";
import type { Command } from "commander";
import { ExitCode } from "../errors.ts";
import { examples, type Register } from "./command.ts";
import { renderValidation } from "./render-validation.ts";

export function addValidate(program: Command, register: Register): void {
  const command = program
    .command("validate")
    .argument("[dir]", "directory of the documents (default: releases, work/releases, or this directory)")
    .summary("Check release documents")
    .description("Check release documents; print every mistake as file:line:col. Needs no git and no host")
    .addHelpText(
      "after",
      examples(
        ["cutover validate", "in a clone of the release repository, or where cutover init was run"],
        ["cutover validate releases --json", "for editors and CI: the findings as data"],
      ),
    );
  register(command, async ({ output }, { args }) => {
    const { validateDirectory } = await import("../app/validate.ts");
    const directory = args[0] ?? ["releases", "work/releases"].find((path) => existsSync(path)) ?? ".";
    const validation = await validateDirectory(directory);
    const errors = validation.diagnostics.filter(({ severity }) => severity === "error").length;
    output.print(renderValidation(validation, directory));
    const { diagnostics, files } = validation;
    output.document({ valid: errors === 0, files, diagnostics });
    return errors === 0 ? ExitCode.done : ExitCode.usage;
  });
}
