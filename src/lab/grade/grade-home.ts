// A controller's home for one grade: made by `init`, with keys of its own, but with the user's release keys in its Trust and the
// user's artifact repository. Everything is real; nothing of the user's own home is touched.
import { readFile, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { parse, stringify } from "yaml";
import { type Controller, withLease } from "../../app/controller.ts";
import { enrolHost } from "../../app/enrol-host.ts";
import type { GradeSubject } from "../../app/grade-subject.ts";
import { initRelease } from "../../app/init.ts";
import type { PassResult } from "../../app/pass-result.ts";
import { reconcile } from "../../app/reconcile.ts";
import { retryVersion } from "../../app/run-control.ts";
import { makeUnwellVersion } from "../../app/unwell-version.ts";
import type { JournalEvent } from "../../model/run-event.ts";
import type { PublishedRelease } from "../../model/transfer.ts";
import { Trust } from "../../model/trust.ts";
import type { LabHost } from "../lab.ts";
import { mustRun } from "../run-program.ts";

const PASS_WITHIN_MS = 600_000;

type KeyMakerPort = Parameters<typeof initRelease>[1]["keyMaker"];

/** What the command line has adapters for. */
export interface GradeServices {
  keyMaker(): Promise<KeyMakerPort>;
  controllerSshKey(configPath: string): Promise<string>;
  openController(configPath: string): Promise<{ readonly controller: Controller; close(): Promise<void> }>;
}

export interface GradeHome {
  /** Releases the version and brings it out; returns what the journal got, and what came of it. */
  release(version: string, signal: AbortSignal): Promise<Released>;
  /** Releases a version that fails its health check and has to be taken back; leaves nothing quarantined. */
  releaseUnwell(signal: AbortSignal): Promise<Released & { readonly version: string }>;
}

export interface Released {
  readonly events: readonly JournalEvent[];
  readonly pass: PassResult;
}

/** `directory` must not exist. Enrols the host. */
export async function makeGradeHome(
  { subject, host, directory }: { subject: GradeSubject; host: LabHost; directory: string },
  services: GradeServices,
): Promise<GradeHome> {
  const keyMaker = await services.keyMaker();
  const { config, work } = await initRelease(directory, { keyMaker });
  await replaceIn(config, /^artifacts:.*$/m, `artifacts: ${JSON.stringify(subject.artifacts)}`);
  const trust = Trust.parse(parse(await readFile(join(directory, "trust.yaml"), "utf8")));
  const own = await labKeys({ trust, directory, threshold: subject.trust.threshold, keyMaker });
  const releaseKeys = [...subject.trust.releaseKeys, ...own.map(({ publicKey }) => publicKey)];
  const believed = { ...trust, releaseKeys, threshold: subject.trust.threshold };
  const widened = stringify(believed);
  for (const file of [join(directory, "trust.yaml"), join(work, "releases", "trust.yaml")])
    await writeFile(file, widened);
  const all = [{ contract: subject.contract, version: "" }, ...subject.beside];
  const isWhole = host.prefix === "";
  const { entry } = await enrolHost({
    host: { name: host.name, address: host.address, port: host.port, ...(isWhole ? {} : { user: host.user }) },
    shell: (script) => host.run(["sh", "-s"], { input: script }),
    mode: isWhole ? "system" : "user",
    ...(isWhole
      ? {}
      : { stateDirectory: host.stateDirectory, prefix: host.prefix, authorizedKeysFile: host.authorizedKeysFile }),
    bases: [...new Set(all.map(({ contract }) => dirname(contract.root)))],
    serviceAddress: host.address,
    hostKeys: host.hostKeys,
    components: all.map(({ contract }) => contract.name),
    trust: believed,
    controllerSshKey: await services.controllerSshKey(config),
  });
  const push = async (name: string, document: unknown): Promise<void> => {
    await writeFile(join(work, "releases", name), stringify(document));
  };
  await push("fleet.yaml", { apiVersion: "cutover/v1", kind: "Fleet", hosts: [entry] });
  for (const { contract } of all) await push(`${contract.name}.yaml`, contract);
  let unwell: PublishedRelease | undefined;
  const bringOut = async (
    version: string,
    signal: AbortSignal,
    { forgive }: { forgive: boolean },
  ): Promise<Released> => {
    const components = all.map(({ contract, version: own }) => ({ name: contract.name, version: own || version }));
    await push("release.yaml", { apiVersion: "cutover/v1", kind: "Release", name: "graded", components });
    const git = (...args: string[]) => mustRun(["git", "-C", work, ...args]);
    await git("add", "--all");
    await git("commit", "--quiet", "--message", `${subject.contract.name} ${version}`);
    await git("push", "--quiet", "origin", "HEAD:main");
    const events: JournalEvent[] = [];
    const watcher = { onEvent: (event: JournalEvent) => void events.push(event), onBytes: () => {} };
    const opened = await services.openController(config);
    const controller = withUnwell(opened.controller, unwell);
    const bounded = AbortSignal.any([signal, AbortSignal.timeout(PASS_WITHIN_MS)]);
    try {
      const pass = await withLease(controller, { takeOver: false, signal: bounded }, (lease, held) =>
        reconcile({ controller, lease, watcher, signal: held }),
      );
      // Its tree is that of a version which comes again.
      const act = { by: "cutover grade", reason: "it was meant to fail" };
      if (forgive && pass.results[0]?.outcome === "rolled-back")
        await retryVersion(controller, { component: subject.contract.name, ...act });
      return { events, pass };
    } finally {
      await opened.close();
    }
  };
  return {
    release: (version, signal) => bringOut(version, signal, { forgive: false }),
    async releaseUnwell(signal) {
      unwell ??= await withController(services, config, ({ signer }) =>
        makeUnwellVersion(subject.release, { keys: own.map(({ path }) => path), signer }),
      );
      const { version } = unwell;
      return { version, ...(await bringOut(version, signal, { forgive: true })) };
    },
  };
}

interface LabKey {
  readonly path: string;
  readonly publicKey: string;
}

/** As many release keys of the lab's own as have to sign a version; the first is the one that `init` made. */
async function labKeys(input: {
  readonly trust: Pick<Trust, "releaseKeys">;
  readonly directory: string;
  readonly threshold: number;
  readonly keyMaker: KeyMakerPort;
}): Promise<readonly LabKey[]> {
  const first = { path: join(input.directory, "keys", "release"), publicKey: input.trust.releaseKeys[0] ?? "" };
  const keys = [first];
  while (keys.length < input.threshold) {
    const path = `${first.path}-${keys.length + 1}`;
    keys.push({ path, publicKey: await input.keyMaker.generate({ path, comment: "cutover grade" }) });
  }
  return keys;
}

/** Reads the user's artifacts, and beside them the one version that is nowhere published. */
function withUnwell(controller: Controller, unwell: PublishedRelease | undefined): Controller {
  if (unwell === undefined) return controller;
  const { artifacts } = controller;
  const isMeant = (component: string, version: string) => component === unwell.component && version === unwell.version;
  return {
    ...controller,
    artifacts: {
      ...artifacts,
      release: async (component, version) =>
        isMeant(component, version) ? unwell : artifacts.release(component, version),
    },
  };
}

async function withController<T>(
  services: GradeServices,
  config: string,
  body: (controller: Controller) => Promise<T>,
): Promise<T> {
  const { controller, close } = await services.openController(config);
  return body(controller).finally(close);
}

async function replaceIn(file: string, what: RegExp, by: string): Promise<void> {
  const text = await readFile(file, "utf8");
  await writeFile(
    file,
    text.replace(what, () => by),
  );
}
