// cutover publish DIR
import { type Command, Option } from "commander";
import { ExitCode, UsageError } from "../errors.ts";
import { examples, type Options, optionalText, type Register, textList, textOption } from "./command.ts";
import { renderPublished } from "./render-published.ts";
import { watchPatches } from "./watch-patches.ts";

export function addPublish(program: Command, register: Register): void {
  const command = program
    .command("publish")
    .argument("<dir>", "the tree to publish, as it shall stand on hosts")
    .summary("Pack, sign and store a version")
    .description("Pack a directory as a version of a component, sign it with the release key, and store it")
    .requiredOption("--component <file>", "the Component document; executables of its tasks in tasks/ beside it")
    .requiredOption("--version <version>", "the name of this version")
    .requiredOption("--release-key <key...>", "private release key; several give several signatures")
    .requiredOption("--artifacts <dir|url>", "the artifact repository")
    .option("--expires-days <days>", "days in which a host may run it for the first time (default: 90)")
    .option("--sequence <number>", "place in the order of versions (default: one above the highest)")
    .option("--floor <sequence>", "security floor: nothing below may be run again once this is committed")
    .option("--amend", "same tree and contract, but new task executables or a new expiry")
    .option("--cosigner <pub...>", "public key files of others who sign it too: their patches are checked and signed")
    .option("--patch-from <count>", "make patches from so many of the last versions (default: 3)")
    .addOption(
      new Option("--effort <effort>", "fast patches within seconds, or the best, within minutes")
        .choices(["fast", "best"])
        .default("fast"),
    )
    .addOption(new Option("--now <seconds>", "source date, for reproducible metadata").env("SOURCE_DATE_EPOCH"))
    .addHelpText(
      "after",
      examples(
        [
          "cutover publish build/ --component releases/shop.yaml --version 1.4.0 --release-key keys/release --artifacts artifacts",
          "sign and store shop 1.4.0 in a directory",
        ],
        [
          "cutover publish build/ --component shop.yaml --version 1.4.1 --release-key keys/release --artifacts https://artifacts.example/cutover --expires-days 30",
          "the same over https, first use within 30 days",
        ],
        [
          "cutover publish build/ --component shop.yaml --version 1.4.0 --release-key mine --artifacts artifacts --cosigner ci.pub",
          "where two keys have to sign: the second signature, also on the patches that the holder of ci.pub made",
        ],
        [
          "cutover publish build/ --component shop.yaml --version 1.4.0 --release-key keys/release --artifacts artifacts --effort best",
          "smaller patches to it from the last three versions, also afterwards",
        ],
      ),
    );
  register(command, async ({ output, services, signal }, { args, options }) => {
    const [{ publish }, { readComponent }, { readPublicKey }] = await Promise.all([
      import("../app/publish.ts"),
      import("../app/read-component.ts"),
      import("../app/read-public-key.ts"),
    ]);
    const { component, bundleDirectory } = await readComponent(textOption(options, "component"));
    const now = wholeNumber(options, "now");
    const numbers = {
      expiresInDays: wholeNumber(options, "expiresDays"),
      sequence: wholeNumber(options, "sequence"),
      floor: wholeNumber(options, "floor"),
    };
    const cosigners = await Promise.all(textList(options, "cosigner").map(readPublicKey));
    const display = watchPatches(output);
    const patches = {
      tools: await services.patchTools(),
      from: wholeNumber(options, "patchFrom") ?? 3,
      effort: options.effort === "best" ? ("best" as const) : ("fast" as const),
      cosigners,
      onProgress: display.onProgress,
      signal,
    };
    const result = await publish({
      patches,
      directory: args[0] ?? ".",
      component,
      version: textOption(options, "version"),
      releaseKeys: textList(options, "releaseKey"),
      store: await services.artifactWriter(textOption(options, "artifacts")),
      signer: await services.signer(),
      now: now === undefined ? Date.now() : now * 1_000,
      ...(bundleDirectory === undefined ? {} : { bundleDirectory }),
      ...(options.amend === true ? { amend: true } : {}),
      ...defined(numbers),
    }).finally(() => display.close());
    output.print(renderPublished(result));
    output.document(result);
    return ExitCode.done;
  });
}

function wholeNumber(options: Options, name: string): number | undefined {
  const text = optionalText(options, name);
  if (text === undefined) return undefined;
  if (!/^\d{1,15}$/.test(text)) {
    const option = name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);
    throw new UsageError(`--${option} is not a whole number from 0 on`, "cutover help publish");
  }
  return Number(text);
}

function defined<T extends object>(values: T): { [K in keyof T]?: Exclude<T[K], undefined> } {
  return Object.fromEntries(Object.entries(values).filter(([, value]) => value !== undefined)) as {
    [K in keyof T]?: Exclude<T[K], undefined>;
  };
}
