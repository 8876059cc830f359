// cutover host enrol NAME
import type { Command } from "commander";
import { ExitCode, UsageError } from "../errors.ts";
import { examples, type Options, optionalText, type Register, textList, textOption } from "./command.ts";
import { writeLines } from "./output.ts";
import type { Operator } from "./services.ts";
import { styled } from "./text.ts";

export function addHostEnrol(host: Command, register: Register): void {
  const command = host
    .command("enrol")
    .argument("<name>", "name of the host in the Fleet")
    .summary("Make a machine one of yours, with your own credential")
    .description(
      "Make a machine one of yours: with your own credential, never the controller's, install the small stub, host.sh,\n" +
        "your release and controller keys, and the account that the controller logs in to. Safe to repeat.\n" +
        "Prints the host's Fleet entry on standard output.",
    )
    .requiredOption("--address <address>", "where its sshd listens")
    .option("--port <port>", "its port", "22")
    .option("--user <user>", "account that the controller shall use (default: what the host makes: cutover)")
    .option("--fleet <file>", "put the entry into this Fleet document instead of printing it")
    .requiredOption("--base <dir...>", "directories below which components may live")
    .option("--component <name...>", "components that live there")
    .option("--label <name=value...>", "labels that selectors match")
    .option("--operator <user>", "log in as this user, who must be root there", "root")
    .option("--operator-key <file>", "your private key (default: what your ssh configuration and agent offer)")
    .option("--known-hosts <file>", "known_hosts file (default: your own)")
    .option("--local", "enrol this very machine, without SSH")
    .option("--host-key <key...>", "pin these host keys (default: those that the host reports)")
    .option("--self <address>", "what `self` means in health checks (default: 127.0.0.1)")
    .option("--state <dir>", "where cutover keeps its state there (default: /var/lib/cutover)")
    .option("--prefix <dir>", "without root: stands before every path that a contract names")
    .option("--authorized-keys <file>", "without root: the file that gets the controller's key")
    .option("--replace", "take over a machine that is enrolled otherwise, and replace its host.sh")
    .addHelpText(
      "after",
      examples(
        [
          "cutover host enrol web1 --address 10.0.0.11 --base /srv --component shop >> releases/fleet.yaml",
          "as root@10.0.0.11, by your ssh configuration",
        ],
        [
          "cutover host enrol web1 --address 10.0.0.11 --base /srv --operator-key ~/.ssh/admin",
          "with a key that you name",
        ],
      ),
    );
  register(command, async ({ output, services, configPath }, { args, options }) => {
    const [{ enrolHost }, { recall }] = await Promise.all([
      import("../app/enrol-host.ts"),
      import("../app/controller-memory.ts"),
    ]);
    const address = textOption(options, "address");
    const port = portOf(textOption(options, "port"));
    const memory = await services.openJournal(configPath);
    const { trust } = await recall(memory).finally(() => memory.close());
    const result = await enrolHost({
      host: { name: args[0] ?? "", address, port, ...given("user", optionalText(options, "user")) },
      shell: await services.operatorShell(operatorOf(options, { address, port })),
      mode: isUserMode(options) ? "user" : "system",
      bases: textList(options, "base"),
      components: textList(options, "component"),
      labels: labelsOf(textList(options, "label")),
      trust,
      controllerSshKey: await services.controllerSshKey(configPath),
      replace: options.replace === true,
      hostKeys: textList(options, "hostKey"),
      ...given("stateDirectory", optionalText(options, "state")),
      ...given("prefix", optionalText(options, "prefix")),
      ...given("authorizedKeysFile", optionalText(options, "authorizedKeys")),
      ...given("serviceAddress", optionalText(options, "self")),
    });
    const fleetFile = optionalText(options, "fleet");
    if (fleetFile !== undefined) await (await import("../app/add-to-fleet.ts")).addToFleet(fleetFile, result.entry);
    if (output.json) output.document(result);
    else {
      // The entry alone on standard output, so that it can be appended to a file.
      if (fleetFile === undefined) output.out.write(result.yaml.replace(/^/gm, "  ").replace(/ +$/, ""));
      const guard = result.guard === "enabled" ? "boot guard enabled" : "no boot guard";
      writeLines(
        output.err,
        [
          [
            styled(result.changed ? "enrolled:" : "unchanged:", "good"),
            ` ${result.entry.name}, host.sh ${result.hostScript}, ${guard}`,
          ],
          [
            styled("next:", "accent"),
            fleetFile === undefined
              ? " put the entry under hosts: in the Fleet document (or use --fleet FILE), commit and push"
              : ` ${fleetFile} lists it: commit and push`,
          ],
        ],
        false,
      );
    }
    return ExitCode.done;
  });
}

/** What needs no root there: the lab, or a machine of which one is only a user. */
function isUserMode(options: Options): boolean {
  return options.prefix !== undefined || (options.local === true && process.getuid?.() !== 0);
}

function operatorOf(options: Options, { address, port }: { address: string; port: number }): Operator {
  if (options.local === true) return { kind: "local" };
  return {
    kind: "ssh",
    address,
    port,
    user: textOption(options, "operator"),
    ...given("keyPath", optionalText(options, "operatorKey")),
    ...given("knownHostsPath", optionalText(options, "knownHosts")),
  };
}

function given<K extends string>(name: K, value: string | undefined): { readonly [key in K]?: string } {
  return value === undefined ? {} : ({ [name]: value } as { readonly [key in K]: string });
}

function portOf(text: string): number {
  const port = Number(text);
  if (!/^\d{1,5}$/.test(text) || port < 1 || port > 65_535)
    throw new UsageError(`${text} is not a port`, "cutover help host");
  return port;
}

function labelsOf(pairs: readonly string[]): Record<string, string> {
  return Object.fromEntries(
    pairs.map((pair) => {
      const at = pair.indexOf("=");
      if (at < 1) throw new UsageError(`--label ${pair} is not NAME=VALUE`, "cutover help host");
      return [pair.slice(0, at), pair.slice(at + 1)];
    }),
  );
}
