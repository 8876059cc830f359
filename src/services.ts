// What commands need from outside, each part loaded when it is first asked for: `cutover help` reads no SSH library.
import { readFileSync } from "node:fs";
import type { OpenedServer, Services } from "./cli/services.ts";

const wiring = () => import("./wiring.ts");

export const services: Services = {
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

function versionOf(packageJson: string): string {
  const { version } = JSON.parse(packageJson) as { readonly version: string };
  return version;
}
