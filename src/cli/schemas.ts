// cutover schemas
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { Command } from "commander";
import { CutoverError, ExitCode } from "../errors.ts";
import { examples, type Register } from "./command.ts";
import { counted } from "./units.ts";

export function addSchemas(program: Command, register: Register): void {
  const command = program
    .command("schemas")
    .argument("[dir]", "where they are written", "schemas")
    .option("--check", "write nothing; fail when a file is missing or outdated")
    .summary("Write the JSON Schemas of documents")
    .description("Write the JSON Schemas of all documents, for editors and other tools")
    .addHelpText("after", examples(["cutover schemas", "write schemas/*.json"], ["cutover schemas --check", "for CI"]));
  register(command, async ({ output }, { args, options }) => {
    const { checkSchemas, generateSchemas } = await import("../app/schemas.ts");
    const directory = args[0] ?? "schemas";
    await mkdir(directory, { recursive: true });
    if (options.check === true) {
      const outdated = await checkSchemas(directory);
      if (outdated.length > 0) throw outdatedError(directory, outdated);
      output.print([[`${directory} is up to date`]]);
      output.document({ directory, outdated });
      return ExitCode.done;
    }
    const files = Object.entries(generateSchemas());
    for (const [name, text] of files) await writeFile(join(directory, name), text);
    output.print([[`wrote ${counted(files.length, "schema")} to ${directory}`]]);
    output.document({ directory, written: files.map(([name]) => name) });
    return ExitCode.done;
  });
}

function outdatedError(directory: string, outdated: readonly string[]): CutoverError {
  return new CutoverError({
    code: "schemas-outdated",
    message: `${counted(outdated.length, "schema")} in ${directory} is not what the documents' definitions give`,
    evidence: outdated.join("\n"),
    exitCode: ExitCode.changesPending,
    remedy: `cutover schemas ${directory}`,
  });
}
