// The frame every command stands in: global options on both sides of the command's name, one context, one exit code.
import type { Command } from "commander";
import type { ExitCode } from "../errors.ts";
import { makeOutput, type Output, type Sink, wantsColor } from "./output.ts";
import type { Services } from "./services.ts";

export interface CliInput {
  readonly services: Services;
  readonly out: Sink;
  readonly err: Sink;
  readonly env: { readonly [name: string]: string | undefined };
  /** How to start this very cutover again: interpreter and main script. */
  readonly self: readonly string[];
  readonly signal: AbortSignal;
  /** Aborted when whoever read the output is gone: what only shows ends then, what acts goes on. */
  readonly unread: AbortSignal;
}

/** What an action is given besides its arguments. */
export interface CommandContext extends CliInput {
  readonly output: Output;
  readonly configPath: string;
}

export type Options = Readonly<Record<string, unknown>>;
export type Action = (
  context: CommandContext,
  input: { readonly args: readonly string[]; readonly options: Options },
) => Promise<ExitCode>;

/** Turns an Action into what commander calls; keeps the exit code. */
export type Register = (command: Command, action: Action) => Command;

export function makeRegister(input: CliInput, onExitCode: (code: ExitCode) => void): Register {
  return (command, action) =>
    addGlobalOptions(command).action(async () => {
      const { configPath, json, color } = globalOptions(command);
      const output = makeOutput({ ...input, json, color: wantsColor(input.out, input.env, color) });
      onExitCode(await action({ ...input, output, configPath }, { args: command.args, options: command.opts() }));
    });
}

export function addGlobalOptions(command: Command): Command {
  return command
    .option("-c, --config <file>", "the controller's settings (default: ./cutover.yaml)")
    .option("--json", "machine-readable output: one JSON document, or JSON lines for long commands")
    .option("--no-color", "no colours, as NO_COLOR=1");
}

/** Said on either side of the command's name; the inner one wins. */
function globalOptions(command: Command): { configPath: string; json: boolean; color: boolean } {
  const chain: Options[] = [];
  for (let each: Command | null = command; each !== null; each = each.parent) chain.push(each.opts());
  const config = chain.map((options) => options.config).find((value) => typeof value === "string");
  return {
    configPath: typeof config === "string" ? config : "cutover.yaml",
    json: chain.some((options) => options.json === true),
    color: chain.every((options) => options.color !== false),
  };
}

/** Help examples: what to type, and what it does. */
export function examples(...pairs: readonly (readonly [string, string])[]): string {
  const width = Math.max(...pairs.map(([command]) => command.length));
  const rows = pairs.map(([command, meaning]) =>
    width > 72 ? `  # ${meaning}\n  ${command}` : `  ${command.padEnd(width)}  ${meaning}`,
  );
  return `\nExamples:\n${rows.join("\n")}`;
}

/** An option that must be there as text; commander has checked that it was given. */
export function textOption(options: Options, name: string): string {
  const value = options[name];
  if (typeof value !== "string") throw new Error(`option ${name} is not declared as a required text`);
  return value;
}

export function optionalText(options: Options, name: string): string | undefined {
  const value = options[name];
  return typeof value === "string" ? value : undefined;
}

export function textList(options: Options, name: string): string[] {
  const value = options[name];
  return Array.isArray(value) ? value.filter((each) => typeof each === "string") : [];
}
