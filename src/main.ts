#!/usr/bin/env node
// The process: arguments in, exit code out. The first signal asks the command to stop, the second one ends it at once.
import { readFileSync } from "node:fs";
import { enableCompileCache } from "node:module";
import { fileURLToPath } from "node:url";
import type { OpenedServer, Services } from "./cli/services.ts";

const [major = 0, minor = 0] = process.versions.node.split(".").map(Number);
if (major < 24 || (major === 24 && minor < 11)) {
  process.stderr.write(`error: cutover needs Node.js 24.11 or newer, this is ${process.versions.node}\n`);
  process.exit(69);
}

// Half of a command's time would go into compiling. It is kept beside the code: who can write there can change the code as well,
// which is not so of a shared temporary directory. Where nobody may write, nothing is kept.
enableCompileCache(fileURLToPath(new URL("../node_modules/.cache/compiled", import.meta.url)));
const { runCli } = await import("./cli/cli.ts");

// `npm run -s cutover` starts in the checkout; paths are meant from where the person stands.
if (process.env.npm_lifecycle_event === "cutover" && process.env.INIT_CWD) process.chdir(process.env.INIT_CWD);

const stop = new AbortController();
for (const name of ["SIGINT", "SIGTERM"] as const) {
  process.on(name, () => {
    if (stop.signal.aborted) process.exit(name === "SIGINT" ? 130 : 143);
    stop.abort(name);
  });
}
// `cutover reconcile | head`: nobody reads on, so nothing more is said. The work goes on and ends with its own exit code.
const unread = new AbortController();
process.stdout.on("error", (error: NodeJS.ErrnoException) => {
  if (error.code !== "EPIPE") process.exit(74);
  unread.abort();
});

const wiring = () => import("./wiring.ts");

const services: Services = {
  version: versionOf(readFileSync(new URL("../package.json", import.meta.url), "utf8")),
  openController: async (configPath) => (await wiring()).openController(configPath),
  openProfiledController: async (configPath) => (await wiring()).openProfiledController(configPath),
  openReviewer: async (configPath) => (await wiring()).openReviewer(configPath),
  openForge: async (input) => (await wiring()).openForge(input),
  openServer,
  openJournal: async (configPath) => (await wiring()).openJournal(configPath),
  async operatorShell(operator) {
    const { localOperatorShell, sshOperatorShell } = await wiring();
    return operator.kind === "local" ? localOperatorShell : sshOperatorShell(operator);
  },
  async controllerSshKey(configPath) {
    const { keyMaker, openController } = await wiring();
    const { config, close } = await openController(configPath);
    await close();
    return keyMaker.publicKey(config.keys.ssh);
  },
  artifactWriter: async (spec) => (await wiring()).artifactWriter(spec),
  signer: async () => (await wiring()).signer,
  patchTools: async () => (await wiring()).patchTools(),
  keyMaker: async () => (await wiring()).keyMaker,
  hostScript: async () => (await wiring()).hostScript(),
};

process.exitCode = await runCli(process.argv.slice(2), {
  services,
  out: sinkOf(process.stdout),
  err: sinkOf(process.stderr),
  env: process.env,
  self: [process.execPath, fileURLToPath(import.meta.url)],
  signal: stop.signal,
  unread: unread.signal,
});

async function openServer(configPath: string): Promise<OpenedServer> {
  const [{ serveController }, { makePinoLog, openController, tidyMirror, triggersOf, webhookSecret }] =
    await Promise.all([import("./server/serve-controller.ts"), wiring()]);
  const { controller, commitWriter, config, close } = await openController(configPath);
  const secret = await webhookSecret(config).catch(async (error: unknown) => {
    await close();
    throw error;
  });
  return {
    controller,
    commitWriter,
    close,
    log: makePinoLog("info"),
    async serve(input) {
      const { mirror } = config.state;
      await tidyMirror({ mirror }).then(
        (tidied) => input.log.info("mirror-tidied", { ...tidied }),
        (error: unknown) => input.log.warn("mirror-not-tidied", { message: String(error) }),
      );
      const triggers = triggersOf(config, (error) => input.log.warn("watch-failed", { message: String(error) }));
      await serveController({ ...input, controller, listen: config.listen, triggers, webhookSecret: secret });
    },
  };
}

function sinkOf(stream: NodeJS.WriteStream) {
  return {
    get isTTY() {
      return stream.isTTY === true;
    },
    get columns() {
      return stream.columns || undefined;
    },
    get rows() {
      return stream.rows || undefined;
    },
    write: (text: string) => void stream.write(text),
  };
}

function versionOf(packageJson: string): string {
  const { version } = JSON.parse(packageJson) as { readonly version: string };
  return version;
}
