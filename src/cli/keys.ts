// cutover keys new | show | sign-host
import type { Command } from "commander";
import { ExitCode } from "../errors.ts";
import { examples, optionalText, type Register, textList, textOption } from "./command.ts";
import { renderPublished } from "./render-published.ts";
import { type Line, styled } from "./text.ts";

export function addKeys(program: Command, register: Register): void {
  const keys = program.command("keys").description("Make and show signing keys; sign host.sh with yours");
  addNew(keys, register);
  addShow(keys, register);
  addSignHost(keys, register);
}

function addNew(keys: Command, register: Register): void {
  const command = keys
    .command("new")
    .argument("<name...>", "file names, such as release or controller")
    .option("--dir <dir>", "where the pairs are written", "keys")
    .description("Make ed25519 key pairs NAME and NAME.pub; never overwrites one")
    .addHelpText(
      "after",
      examples([
        "cutover keys new release controller",
        "keys/release for publishing, keys/controller for the controller",
      ]),
    );
  register(command, async ({ output, services }, { args, options }) => {
    const { generateKeys } = await import("../app/keys.ts");
    const keyMaker = await services.keyMaker();
    const pairs = await generateKeys({ directory: textOption(options, "dir"), names: args, keyMaker });
    output.print([
      ...pairs.flatMap(({ privateKeyPath, publicKey }): Line[] => [
        [styled(privateKeyPath, "strong"), "  keep it private; a release key is best kept off this machine"],
        [`  ${publicKey}`],
      ]),
      [styled("next:", "accent"), " put the public lines into the Trust document"],
    ]);
    output.document({ keys: pairs });
    return ExitCode.done;
  });
}

function addShow(keys: Command, register: Register): void {
  const command = keys
    .command("show")
    .argument("<key...>", "private key files")
    .description("Show the public half, as a Trust document lists it")
    .addHelpText("after", examples(["cutover keys show keys/release", "the line for releaseKeys"]));
  register(command, async ({ output, services }, { args }) => {
    const keyMaker = await services.keyMaker();
    const shown: { path: string; publicKey: string }[] = [];
    for (const path of args) shown.push({ path, publicKey: await keyMaker.publicKey(path) });
    output.print(shown.map(({ publicKey }) => [publicKey]));
    output.document({ keys: shown });
    return ExitCode.done;
  });
}

function addSignHost(keys: Command, register: Register): void {
  const command = keys
    .command("sign-host")
    .requiredOption("--release-key <key...>", "private release key; several give several signatures")
    .requiredOption("--artifacts <dir|url>", "the artifact repository")
    .option("--version <version>", "its name (default: the start of its SHA-256)")
    .description("Publish this version's host.sh as component cutover-host, signed with your release key")
    .addHelpText(
      "after",
      examples([
        "cutover keys sign-host --release-key keys/release --artifacts artifacts",
        "needed once for each version of cutover",
      ]),
    );
  register(command, async ({ output, services }, { options }) => {
    const { signHost } = await import("../app/keys.ts");
    const version = optionalText(options, "version");
    const result = await signHost({
      script: await services.hostScript(),
      releaseKeys: textList(options, "releaseKey"),
      store: await services.artifactWriter(textOption(options, "artifacts")),
      signer: await services.signer(),
      now: Date.now(),
      ...(version === undefined ? {} : { version }),
    });
    output.print(renderPublished(result));
    output.document(result);
    return ExitCode.done;
  });
}
