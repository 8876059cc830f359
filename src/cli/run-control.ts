// cutover hold | resume | retry: an operator's word, kept in the journal with who and why; they work beside `serve`.
import { userInfo } from "node:os";
import type { Command } from "commander";
import { ExitCode, UsageError } from "../errors.ts";
import { type CommandContext, examples, type Options, optionalText, type Register, textOption } from "./command.ts";
import type { OpenedJournal } from "./services.ts";
import { type Line, styled } from "./text.ts";

export interface Actor {
  readonly by: string;
  readonly reason: string;
}

export function addHold(program: Command, register: Register): void {
  const command = addReason(program.command("hold"))
    .argument("[host...]", "hosts that plans shall leave alone")
    .option("--all", "the whole fleet")
    .summary("Leave hosts alone for now")
    .description("Leave hosts alone until they are resumed; a run under way is not touched")
    .addHelpText(
      "after",
      examples(
        ["cutover hold web3 --reason 'disk is being replaced'", "plans leave web3 alone"],
        ["cutover hold --all --reason 'peak hours'", "nothing new starts anywhere"],
      ),
    );
  register(command, async (context, { args, options }) => {
    const { holdHost, requireKnownHosts } = await import("../app/run-control.ts");
    const actor = actorOf(options);
    const hosts = chosenHosts(args, options, "hold");
    await withJournal(context, async (memory) => {
      // All names first: one with a typo holds none of the others.
      await requireKnownHosts(memory, args);
      for (const host of hosts) await holdHost(memory, { host, ...actor });
    });
    context.output.print(
      said("on hold", hosts, actor, `cutover resume ${args.length === 0 ? "--all" : args.join(" ")} --reason …`),
    );
    context.output.document({ held: hosts.map((host) => host ?? "*"), ...actor });
    return ExitCode.done;
  });
}

export function addResume(program: Command, register: Register): void {
  const command = addReason(program.command("resume"))
    .argument("[host...]", "hosts on hold")
    .option("--all", "the whole fleet, and every single hold with it")
    .summary("End a hold")
    .description("End a hold; the next pass brings the hosts up to date")
    .addHelpText("after", examples(["cutover resume web3 --reason 'disk replaced'", "plans take web3 in again"]));
  register(command, async (context, { args, options }) => {
    const { resumeHost } = await import("../app/run-control.ts");
    const actor = actorOf(options);
    const hosts = chosenHosts(args, options, "resume");
    await withJournal(context, async (memory) => {
      for (const host of hosts) await resumeHost(memory, { host, ...actor });
    });
    context.output.print(said("resumed", hosts, actor, "cutover plan"));
    context.output.document({ resumed: hosts.map((host) => host ?? "*"), ...actor });
    return ExitCode.done;
  });
}

export function addRetry(program: Command, register: Register): void {
  const command = addReason(program.command("retry"))
    .argument("[component]", "only this component; COMPONENT@VERSION: only this version of it")
    .summary("Try again what failed")
    .description("Lift a quarantine, and the pause of a plan that failed, so that the next pass tries again")
    .addHelpText(
      "after",
      examples(
        ["cutover retry shop --reason 'the database was down'", "shop may be tried again"],
        ["cutover retry shop@1.4.0 --reason 'port is free now'", "only this version of it"],
      ),
    );
  register(command, async (context, { args, options }) => {
    const { retryVersion, splitVersion } = await import("../app/run-control.ts");
    const actor = actorOf(options);
    const { component, version } = splitVersion(args[0] ?? "");
    const only = { ...(component === "" ? {} : { component }), ...(version === "" ? {} : { version }) };
    if (args[0] !== undefined && (component === "" || (args[0].includes("@") && version === "")))
      throw new UsageError(`${args[0]} names no version`, "cutover retry COMPONENT@VERSION --reason …");
    const { lifted, released } = await withJournal(context, (memory) => retryVersion(memory, { ...only, ...actor }));
    context.output.print([
      ...lifted.map(
        ({ component, version, reason }): Line => [
          styled("lifted:", "good"),
          ` quarantine of ${component} ${version} (${reason})`,
        ],
      ),
      ...released.map(
        ({ release, run, outcome }): Line => [
          styled("lifted:", "good"),
          ` pause of ${release} after run ${run} (${outcome})`,
        ],
      ),
      [styled("next:", "accent"), " cutover reconcile --once, or wait for serve's next pass"],
    ]);
    context.output.document({ lifted, released, ...actor });
    return ExitCode.done;
  });
}

export function addReason(command: Command): Command {
  return command
    .requiredOption("--reason <text>", "why; it is kept and shown")
    .option("--by <name>", "who (default: your user name)");
}

export function actorOf(options: Options): Actor {
  const reason = textOption(options, "reason").trim();
  if (reason === "") throw new UsageError("--reason is empty; whoever reads it later needs one");
  return { by: optionalText(options, "by") ?? userInfo().username, reason };
}

/** Undefined stands for the whole fleet, which has to be asked for by name. */
function chosenHosts(args: readonly string[], options: Options, verb: string): readonly (string | undefined)[] {
  const all = options.all === true;
  if (all === args.length > 0) throw new UsageError(`Name hosts, or say --all`, `cutover ${verb} HOST --reason …`);
  return all ? [undefined] : args;
}

/** For commands that work beside a running `serve`. */
export async function withJournal<T>(
  { services, configPath }: CommandContext,
  work: (memory: OpenedJournal) => Promise<T>,
): Promise<T> {
  const memory = await services.openJournal(configPath);
  try {
    return await work(memory);
  } finally {
    await memory.close();
  }
}

function said(word: string, hosts: readonly (string | undefined)[], { by, reason }: Actor, next: string): Line[] {
  const names = hosts.map((host) => host ?? "the whole fleet").join(", ");
  return [
    [styled(`${word}:`, "good"), ` ${names} (${reason}, ${by})`],
    [styled("next:", "accent"), ` ${next}`],
  ];
}
