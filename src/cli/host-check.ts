// cutover host check [NAME…], cutover host list
import type { Command } from "commander";
import { ExitCode } from "../errors.ts";
import { examples, type Register } from "./command.ts";
import { awaitedLines, renderHosts } from "./render-hosts.ts";
import { tableLines } from "./table.ts";

export function addHostCheck(host: Command, register: Register): void {
  const command = host
    .command("check")
    .argument("[name...]", "hosts of the fleet (default: all)")
    .description("Ask hosts for their facts and versions over SSH; changes nothing. Exits 4 when one does not answer")
    .addHelpText(
      "after",
      examples(["cutover host check", "the whole fleet"], ["cutover host check web3 --json", "one host, as data"]),
    );
  register(command, async ({ output, services, configPath }, { args }) => {
    const { checkHosts, runsAwaiting } = await import("../app/check-hosts.ts");
    const { controller, close } = await services.openController(configPath);
    try {
      const observations = await checkHosts({ controller, ...(args.length === 0 ? {} : { names: args }) });
      const awaited = await runsAwaiting(
        controller,
        observations.map(({ host }) => host),
      );
      output.print([...renderHosts(observations), ...awaitedLines(awaited, observations)]);
      output.document({ hosts: observations, ...(awaited.length === 0 ? {} : { awaited }) });
      return observations.every(({ kind }) => kind === "observed") ? ExitCode.done : ExitCode.stuck;
    } finally {
      await close();
    }
  });
}

export function addHostList(host: Command, register: Register): void {
  const command = host
    .command("list")
    .description("The fleet as the newest trusted commit has it; contacts no host")
    .addHelpText("after", examples(["cutover host list", "names, addresses, components"]));
  register(command, async ({ output, services, configPath }) => {
    const { readNewest } = await import("../app/read-newest.ts");
    const { controller, close } = await services.openController(configPath);
    try {
      const { hosts } = (await readNewest(controller)).loaded.desired;
      const rows = hosts.map(({ name, address, port, user, components, labels }) => [
        { text: name, style: "strong" as const },
        { text: `${user}@${address}:${port}` },
        { text: components.join(", ") },
        {
          text: Object.entries(labels)
            .map(([label, value]) => `${label}=${value}`)
            .join(" "),
        },
      ]);
      output.print(tableLines(["host", "address", "components", "labels"], rows));
      output.document({ hosts });
      return ExitCode.done;
    } finally {
      await close();
    }
  });
}
