// cutover simulate [PLAN|DIR]
import type { Command } from "commander";
import { ExitCode, UsageError } from "../errors.ts";
import { examples, type Options, optionalText, type Register } from "./command.ts";
import { renderFailure, renderSimulated } from "./render-simulation.ts";
import { saveSimulation } from "./save-simulation.ts";

export function addSimulate(program: Command, register: Register): void {
  const command = program
    .command("simulate")
    .argument(
      "[source]",
      "a directory of documents, or what `cutover plan --json` wrote (default: fleets from the seed)",
    )
    .option("--seed <n>", "the first seed; the same seed gives the same world, always", "1")
    .option("--seeds <n>", "how many worlds, one a seed", "1")
    .option("--hosts <n>", "so many hosts instead of a number from the seed")
    .option("--faults <kinds>", "only these, separated by commas; `none` for a world without any (default: all)")
    .option("--report <file>", "write what was found there as well, with the date")
    .summary("Prove promises in simulated worlds")
    .description(
      "Run the planner, the engine and its journal against simulated hosts, clocks, links and crashes, and check the promises " +
        "after every event. Needs no host and no git, and changes nothing",
    )
    .addHelpText(
      "after",
      examples(
        ["cutover simulate --seeds 1000", "a thousand small fleets with everything that may go wrong"],
        ["cutover simulate --seed 4711", "one world again, after a failure named its seed"],
        ["cutover simulate --hosts 10000", "one large fleet, and how long it took"],
        ["cutover simulate releases --faults reboot,cut", "the releases of your documents, with these faults only"],
        ["cutover plan --json > plan.json; cutover simulate plan.json --seeds 200", "a plan before it runs"],
      ),
    );
  register(command, async ({ output, services, signal }, { args, options }) => {
    const { simulate } = await import("../app/simulate.ts");
    const firstSeed = wholeNumber(options, "seed") ?? 1;
    const seeds = wholeNumber(options, "seeds") ?? 1;
    const hosts = wholeNumber(options, "hosts");
    const begun = performance.now();
    const seconds = () => (performance.now() - begun) / 1_000;
    let told = 0;
    const result = await simulate({
      source: args[0],
      firstSeed,
      seeds,
      hosts,
      faults: faultWords(options),
      onSeed(progress) {
        if (seconds() - told >= 10) {
          told = seconds();
          output.print([renderSimulated(progress, told)]);
        }
        return !signal.aborted;
      },
    });
    const { failure, ...progress } = result;
    const report = optionalText(options, "report");
    if (report !== undefined)
      await saveSimulation(report, {
        ...result,
        firstSeed,
        at: new Date(),
        seconds: seconds(),
        version: services.version,
      });
    signal.throwIfAborted();
    output.print([renderSimulated(progress, seconds()), ...(failure === undefined ? [] : renderFailure(failure))]);
    output.document({ firstSeed, ...progress, seconds: seconds(), failure: failure ?? null });
    return failure === undefined ? ExitCode.done : ExitCode.bug;
  });
}

function faultWords(options: Options): readonly string[] | undefined {
  const text = optionalText(options, "faults");
  if (text === "none") return [];
  return text?.split(",").map((word) => word.trim());
}

function wholeNumber(options: Options, name: string): number | undefined {
  const text = optionalText(options, name);
  if (text === undefined) return undefined;
  if (!/^[1-9][0-9]{0,11}$/.test(text))
    throw new UsageError(`--${name} is a whole number from 1, not ${text}`, "cutover help simulate");
  return Number(text);
}
