// cutover version
import type { Command } from "commander";
import { ExitCode } from "../errors.ts";
import type { Register } from "./command.ts";

export function addVersion(program: Command, register: Register): void {
  const command = program.command("version").description("Show the versions of cutover and of its Node.js");
  register(command, async ({ output, services }) => {
    output.print([[`cutover ${services.version} (Node.js ${process.versions.node})`]]);
    output.document({ cutover: services.version, node: process.versions.node });
    return ExitCode.done;
  });
}
