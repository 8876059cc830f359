// The command line as one function: arguments in, exit code out. Every error ends here, in one place and one form.
import { Command, CommanderError } from "commander";
import { CutoverError, ExitCode, UsageError } from "../errors.ts";
import { addGlobalOptions, type CliInput, makeRegister, type Register } from "./command.ts";
import { addGate } from "./gate.ts";
import { addGrade } from "./grade.ts";
import { addHost } from "./host.ts";
import { addInit } from "./init.ts";
import { addKeys } from "./keys.ts";
import { addLab } from "./lab.ts";
import { makeOutput, wantsColor, writeLines } from "./output.ts";
import { addPlan } from "./plan.ts";
import { addPropose } from "./propose.ts";
import { addPublish } from "./publish.ts";
import { addReconcile } from "./reconcile.ts";
import { renderError, reportError } from "./render-error.ts";
import { renderFirstSteps } from "./render-first-steps.ts";
import { addRollback } from "./rollback.ts";
import { addHold, addResume, addRetry } from "./run-control.ts";
import { addSchemas } from "./schemas.ts";
import { addServe } from "./serve.ts";
import { addSimulate } from "./simulate.ts";
import { addStatus } from "./status.ts";
import { addStep } from "./step.ts";
import { addTask } from "./task.ts";
import { addValidate } from "./validate.ts";
import { addVersion } from "./version.ts";

type AddCommand = (program: Command, register: Register) => void;

/** In the order in which one needs them. */
const commandGroups: readonly (readonly [string, readonly AddCommand[]])[] = [
  ["Start:", [addInit, addKeys, addHost]],
  ["Release:", [addValidate, addPublish, addPropose, addPlan, addReconcile, addServe, addStatus]],
  ["By hand:", [addTask, addStep, addGate, addRollback, addRetry, addHold, addResume]],
  ["Beside it:", [addSimulate, addGrade, addLab, addSchemas, addVersion]],
];

/** Never throws and never exits: what went wrong is printed, with the next command, and becomes the exit code. */
export async function runCli(argv: readonly string[], input: CliInput): Promise<number> {
  let exitCode: ExitCode = ExitCode.done;
  const program = makeProgram(
    input,
    makeRegister(input, (code) => {
      exitCode = code;
    }),
  );
  try {
    const asked = spelledOut(argv);
    if (asked.length === 0) {
      writeLines(input.out, renderFirstSteps(), wantsColor(input.out, input.env, true));
      return ExitCode.done;
    }
    await program.parseAsync([...asked], { from: "user" });
    return exitCode;
  } catch (error) {
    const named = commandsNamed(program, argv);
    return explain(meantByCommander(error, named), {
      argv,
      commandWords: named.map((command) => command.name()),
      input,
    });
  }
}

/** `--version` is a command here, since `publish` has an option of that name; `help keys new` is `keys new --help`. */
function spelledOut(argv: readonly string[]): readonly string[] {
  if (argv.length === 1 && (argv[0] === "--version" || argv[0] === "-V")) return ["version"];
  return argv[0] === "help" && argv.length > 2 ? [...argv.slice(1), "--help"] : argv;
}

function makeProgram(input: CliInput, register: Register): Command {
  const program = addGlobalOptions(new Command("cutover"))
    .description("GitOps releases for Linux hosts: push a release to git, every host follows, or goes back by itself")
    .usage("COMMAND [ARGUMENTS]")
    .enablePositionalOptions()
    .showSuggestionAfterError()
    .exitOverride()
    .configureOutput({
      writeOut: (text) => input.out.write(text),
      writeErr: () => {},
      getOutHelpWidth: () => (input.out.isTTY ? Math.max(40, input.out.columns ?? 80) : 100),
      getOutHasColors: () => false,
    })
    .helpCommand("help [COMMAND]", "Show what a command does, with examples")
    .addHelpText(
      "after",
      "\nExit codes: 0 done, 2 changes pending, 3 rolled back, 4 stuck, 5 refused, 64 usage, 69 lacking here, 70 our bug",
    );
  for (const [heading, commands] of commandGroups) {
    program.commandsGroup(heading);
    for (const add of commands) add(program, register);
  }
  for (const command of program.commands) inheritSettings(command, program);
  return program;
}

/** Commands made with `program.command` have these; those one level deeper (`keys new`) need them too. */
function inheritSettings(command: Command, parent: Command): void {
  command.copyInheritedSettings(parent);
  for (const child of command.commands) inheritSettings(child, command);
}

function explain(
  error: unknown,
  {
    argv,
    commandWords,
    input,
  }: { readonly argv: readonly string[]; readonly commandWords: readonly string[]; readonly input: CliInput },
): number {
  if (error instanceof CommanderError && error.exitCode === 0) return ExitCode.done;
  const stopped = input.signal.aborted && !(error instanceof CutoverError);
  const report = stopped ? stoppedReport(input.signal.reason, commandWords) : reportError(error);
  if (argv.includes("--json")) {
    makeOutput({ ...input, json: true, color: false }).jsonLine({ error: report });
  } else {
    const color = wantsColor(input.err, input.env, !argv.includes("--no-color"));
    writeLines(input.err, renderError(report), color);
  }
  if (report.exitCode === ExitCode.bug && input.env.CUTOVER_DEBUG === "1" && error instanceof Error) {
    input.err.write(`${JSON.stringify(error.stack)}\n`);
  }
  return report.exitCode;
}

/** `task` and `run` of `task run db1/orders/convert`: what stands in front of the arguments. */
function commandsNamed(program: Command, argv: readonly string[]): readonly Command[] {
  const named: Command[] = [];
  for (const word of argv) {
    const found = (named.at(-1) ?? program).commands.find((command) => command.name() === word);
    if (found !== undefined) named.push(found);
  }
  return named;
}

/** Says what a person meant to type; commander knows the nearest word. */
function meantByCommander(error: unknown, named: readonly Command[]): unknown {
  if (!(error instanceof CommanderError) || error.exitCode === 0) return error;
  const help = ["cutover help", ...named.map((command) => command.name())].join(" ");
  const [first = "", hint = ""] = error.message.replace(/^error: /, "").split("\n");
  if (error.code === "commander.help") {
    const known = named.at(-1)?.commands.map((command) => command.name()) ?? [];
    return new UsageError(`${help.replace(" help", "")} wants one of its commands: ${known.join(", ")}`, help);
  }
  const near = /Did you mean (?:one of )?([^?]+)\?/.exec(hint)?.[1];
  return new UsageError(near === undefined ? first : `${first}; the nearest is ${near}`, help);
}

function stoppedReport(reason: unknown, commandWords: readonly string[]) {
  const name = typeof reason === "string" ? reason : "SIGTERM";
  const stopped = { code: "stopped", message: `stopped by ${name}`, exitCode: name === "SIGINT" ? 130 : 143 };
  const command = commandWords.join(" ");
  if (command === "grade" || command === "lab demo")
    return {
      ...stopped,
      impact: "Its lab is taken down again, and nothing of yours was touched",
      next: `cutover help ${command}`,
    };
  return {
    ...stopped,
    impact: "A run in progress stays open; hosts on trial go back by themselves at their deadline",
    next: "cutover status",
  };
}
