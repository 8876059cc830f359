// cutover init DIR
import type { Command } from "commander";
import { ExitCode } from "../errors.ts";
import { examples, type Register } from "./command.ts";
import { renderInit } from "./render-init.ts";

export function addInit(program: Command, register: Register): void {
  const command = program
    .command("init")
    .argument("<dir>", "a new or empty directory")
    .summary("Start: keys, settings, a release repository")
    .description("Start: keys, cutover.yaml, a release repository and a clone of it, ready to use")
    .addHelpText("after", examples(["cutover init my-releases", "then follow what it says next"]));
  register(command, async ({ output, services }, { args }) => {
    const { initRelease } = await import("../app/init.ts");
    const result = await initRelease(args[0] ?? "", { keyMaker: await services.keyMaker() });
    output.print(renderInit(result));
    output.document(result);
    return ExitCode.done;
  });
}
