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
import type { JournalEvent } from "../../model/run-event.ts";
import { Trust } from "../../model/trust.ts";
import type { LabHost } from "../lab.ts";
import { mustRun } from "../run-program.ts";

const PASS_WITHIN_MS = 600_000;

/** What the command line has adapters for. */
export interface GradeServices {
  keyMaker(): Promise<Parameters<typeof initRelease>[1]["keyMaker"]>;
  controllerSshKey(configPath: string): Promise<string>;
  openController(configPath: string): Promise<{ readonly controller: Controller; close(): Promise<void> }>;
}

export interface GradeHome {
  /** Releases the version and brings it out; returns what the journal got, and what came of it. */
  release(
    version: string,
    signal: AbortSignal,
  ): Promise<{ readonly events: JournalEvent[]; readonly pass: PassResult }>;
}

/** `directory` must not exist. Enrols the host. */
export async function makeGradeHome(
  { subject, host, directory }: { subject: GradeSubject; host: LabHost; directory: string },
  services: GradeServices,
): Promise<GradeHome> {
  const { config, work } = await initRelease(directory, { keyMaker: await services.keyMaker() });
  await replaceIn(config, /^artifacts:.*$/m, `artifacts: ${JSON.stringify(subject.artifacts)}`);
  const trust = Trust.parse(parse(await readFile(join(directory, "trust.yaml"), "utf8")));
  const widened = stringify({ ...trust, ...subject.trust });
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
    trust: { ...subject.trust, controllerKeys: trust.controllerKeys },
    controllerSshKey: await services.controllerSshKey(config),
  });
  const push = async (name: string, document: unknown): Promise<void> => {
    await writeFile(join(work, "releases", name), stringify(document));
  };
  await push("fleet.yaml", { apiVersion: "cutover/v1", kind: "Fleet", hosts: [entry] });
  for (const { contract } of all) await push(`${contract.name}.yaml`, contract);
  return {
    async release(version, signal) {
      const components = all.map(({ contract, version: own }) => ({ name: contract.name, version: own || version }));
      await push("release.yaml", { apiVersion: "cutover/v1", kind: "Release", name: "graded", components });
      const git = (...args: string[]) => mustRun(["git", "-C", work, ...args]);
      await git("add", "--all");
      await git("commit", "--quiet", "--message", `${subject.contract.name} ${version}`);
      await git("push", "--quiet", "origin", "HEAD:main");
      const events: JournalEvent[] = [];
      const watcher = { onEvent: (event: JournalEvent) => void events.push(event), onBytes: () => {} };
      const { controller, close } = await services.openController(config);
      const bounded = AbortSignal.any([signal, AbortSignal.timeout(PASS_WITHIN_MS)]);
      const pass = await withLease(controller, { takeOver: false, signal: bounded }, (lease, held) =>
        reconcile({ controller, lease, watcher, signal: held }),
      ).finally(close);
      return { events, pass };
    },
  };
}

async function replaceIn(file: string, what: RegExp, by: string): Promise<void> {
  const text = await readFile(file, "utf8");
  await writeFile(
    file,
    text.replace(what, () => by),
  );
}
