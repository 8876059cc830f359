// The only place where adapters are constructed and handed to the core.
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { artifactDirectory } from "./adapters/artifact-directory.ts";
import { artifactHttp } from "./adapters/artifact-http.ts";
import { type Environment, findForge, forgeKindOf, pullOf } from "./adapters/forges/find-forge.ts";
import { gitea } from "./adapters/forges/gitea.ts";
import { github } from "./adapters/forges/github.ts";
import { gitlab } from "./adapters/forges/gitlab.ts";
import { gitCommitWriter } from "./adapters/git-commit-writer.ts";
import { gitLease } from "./adapters/git-lease.ts";
import { gitNotes } from "./adapters/git-notes.ts";
import { gitRepository } from "./adapters/git-repository.ts";
import { instanceId } from "./adapters/instance-id.ts";
import { patchTools } from "./adapters/patch-tools.ts";
import { processLock } from "./adapters/process-lock.ts";
import type { RecordedProfile } from "./adapters/profile/record-profile.ts";
import { openSqliteJournal } from "./adapters/sqlite-journal.ts";
import type { LinkTimes } from "./adapters/ssh/connect.ts";
import { readPrivateKey } from "./adapters/ssh/read-private-key.ts";
import { makeSshExecutor } from "./adapters/ssh/ssh-executor.ts";
import { sshKeygenKeyMaker, sshKeygenSigner } from "./adapters/ssh-keygen.ts";
import { systemClock } from "./adapters/system-clock.ts";
import { cron, poll, watchRefs } from "./adapters/triggers.ts";
import type { Controller, ControllerSettings } from "./app/controller.ts";
import type { Reviewer } from "./app/review-plan.ts";
import { type Config, loadConfig, loadTrust } from "./config.ts";
import { LackingError } from "./errors.ts";
import { artifactRepository } from "./package/artifact-repository.ts";
import type { ArtifactStorePort, CommitWriterPort, ExecutorPort, ForgePort, JournalPort, Trigger } from "./ports.ts";

export { localOperatorShell, sshOperatorShell } from "./adapters/operator-shell.ts";
export { patchTools } from "./adapters/patch-tools.ts";
export { makePinoLog } from "./adapters/pino-log.ts";
export { tidyMirror } from "./adapters/tidy-mirror.ts";
export { webhookSecret } from "./config.ts";
export { readHostScript as hostScript } from "./host/join-host-script.ts";

export interface OpenedController {
  readonly controller: Controller;
  readonly commitWriter: CommitWriterPort;
  readonly config: Config;
  close(): Promise<void>;
}

export interface OpenOptions {
  /** Tests wrap the journal to die at a chosen write (F1). */
  readonly wrapJournal?: (journal: JournalPort) => JournalPort;
  /** Tests wrap the executor to hear from hosts when they choose. */
  readonly wrapExecutor?: (executor: ExecutorPort) => ExecutorPort;
  /** How long a silent host is asked again before its outcome is unknown. */
  readonly patienceMs?: number;
  readonly link?: Partial<LinkTimes>;
  /** Stands a timer in the place of every port; the ports themselves without it. */
  readonly timed?: <P extends object>(name: string, port: P) => P;
}

const hostsAtOnce = 100;
const longPatienceMs = 90_000;

/** Reads cutover.yaml and connects everything it names. Nothing is contacted yet. */
export async function openController(
  configPath: string,
  {
    wrapJournal = (journal) => journal,
    wrapExecutor = (executor) => executor,
    patienceMs = longPatienceMs,
    link = {},
    timed = (_name, port) => port,
  }: OpenOptions = {},
): Promise<OpenedController> {
  const config = await loadConfig(configPath);
  const settings = { ...(await settingsOf(config)), patienceMs };
  const privateKey = readPrivateKey(config.keys.ssh);
  const journal = timed("journal", wrapJournal(openSqliteJournal(config.state.journal)));
  const remote = { url: config.repository.url, mirror: config.state.mirror };
  const epoch = await highestEpoch(journal);
  const executor = timed("executor", wrapExecutor(makeSshExecutor({ privateKey, clock: systemClock, link })));
  const controller: Controller = {
    settings,
    clock: systemClock,
    journal,
    repository: timed("repository", gitRepository({ ...remote, ref: config.repository.ref, signer })),
    notes: timed("notes", gitNotes(remote)),
    lease: timed(
      "lease",
      gitLease({ ...remote, knownEpoch: () => epoch, instance: () => instanceId(config.state.instance) }),
    ),
    processLock: processLock({ path: config.state.lock, command: `cutover ${process.argv.slice(2).join(" ")}` }),
    artifacts: timed(
      "artifacts",
      artifactRepository({
        store: timed("artifact store", storeOf(config.artifacts)),
        cacheDirectory: config.state.cache,
        tools: timed("patch tools", patchTools()),
      }),
    ),
    signer: timed("signer", signer),
    executor,
  };
  return {
    controller,
    commitWriter: gitCommitWriter(remote),
    config,
    async close() {
      await executor.close();
      await journal.close();
    },
  };
}

/** The same, with every outside call timed and this process sampled until `recorded` is asked for. */
export async function openProfiledController(
  configPath: string,
): Promise<OpenedController & { recorded(): Promise<RecordedProfile> }> {
  const { startProfile } = await import("./adapters/profile/record-profile.ts");
  const recorder = await startProfile();
  return { ...(await openController(configPath, { timed: recorder.timed })), recorded: recorder.stop };
}

/**
 * What a review of a change needs, and no more: no private key, no host, no lease. A repository on this machine is read as it
 * is, so that a clone in CI will do; any other is fetched into the mirror.
 */
export async function openReviewer(
  configPath: string,
): Promise<{ readonly reviewer: Reviewer; close(): Promise<void> }> {
  const { repository: place, trust, artifacts, state } = await loadConfig(configPath);
  const { url, ref, directory } = place;
  const readOnly = url.startsWith("/");
  const remote = { url, mirror: readOnly ? gitDirectoryOf(url) : state.mirror, readOnly };
  // On a controller's machine the Trust in force is in its journal; elsewhere there is none.
  const journal = existsSync(state.journal) ? openSqliteJournal(state.journal) : undefined;
  const reviewer: Reviewer = {
    clock: systemClock,
    journal: journal ?? { read: async () => [] },
    repository: gitRepository({ ...remote, ref, signer }),
    notes: gitNotes(remote),
    artifacts: artifactRepository({ store: storeOf(artifacts), cacheDirectory: state.cache, tools: patchTools() }),
    signer,
    settings: { directory, firstTrust: await loadTrust(trust), concurrency: hostsAtOnce },
  };
  return { reviewer, close: async () => journal?.close() };
}

/** A clone keeps its objects in `.git`, a bare repository in itself. */
function gitDirectoryOf(path: string): string {
  const inside = join(path, ".git");
  return existsSync(inside) ? inside : path;
}

/** Where pull requests are: named by `kind`, or by the CI job that this is. Throws LackingError when nothing names a forge. */
export async function openForge({ configPath, kind, env }: OpenForge): Promise<{
  readonly forge: ForgePort;
  readonly pull: number | undefined;
}> {
  const { repository } = await loadConfig(configPath);
  const asked = kind === undefined ? {} : { kind: forgeKindOf(kind) };
  const found = findForge({ ...asked, env, remote: repository.url });
  if (found === undefined)
    throw new LackingError("Nothing says which forge is meant", "add --forge github|gitlab|gitea");
  const make = { github, gitlab, gitea }[found.kind];
  return { forge: make({ ...found, clock: systemClock }), pull: pullOf(env) };
}
interface OpenForge {
  readonly configPath: string;
  readonly kind: string | undefined;
  readonly env: Environment;
}

/** For commands that work beside a running `serve`: no git, no host. */
export async function openJournal(
  configPath: string,
): Promise<Pick<Controller, "journal" | "clock" | "settings"> & { close(): Promise<void> }> {
  const config = await loadConfig(configPath);
  const journal = openSqliteJournal(config.state.journal);
  return { journal, clock: systemClock, settings: await settingsOf(config), close: () => journal.close() };
}

/** What leads to passes: a local repository is watched, any other polled; cron where it is set. */
export function triggersOf(config: Config, onTrouble: (error: unknown) => void): Trigger[] {
  const { url, pollSeconds } = config.repository;
  const triggers = [poll(pollSeconds * 1_000)];
  if (url.startsWith("/")) triggers.push(watchRefs(url, onTrouble));
  if (config.cron !== undefined) triggers.push(cron(config.cron));
  return triggers;
}

/** A directory, or an http(s) address. */
export function artifactWriter(spec: string): ArtifactStorePort {
  return /^https?:\/\//.test(spec) ? artifactHttp({ url: spec }) : artifactDirectory(spec);
}

export const signer = sshKeygenSigner();
export const keyMaker = sshKeygenKeyMaker();

function storeOf(artifacts: Config["artifacts"]): ArtifactStorePort {
  return artifactWriter(artifacts.kind === "url" ? artifacts.url : artifacts.path);
}

async function settingsOf(config: Config): Promise<ControllerSettings> {
  return {
    directory: config.repository.directory,
    firstTrust: await loadTrust(config.trust),
    envelopeKeyPath: config.keys.envelope,
    envelopePublicKey: publicKeyOf(config.keys.envelope),
    holder: config.holder,
    concurrency: hostsAtOnce,
    patienceMs: longPatienceMs,
  };
}

function publicKeyOf(keyPath: string): string {
  try {
    return readFileSync(`${keyPath}.pub`, "utf8").trim().split(" ").slice(0, 2).join(" ");
  } catch {
    throw new LackingError(`There is no public key ${keyPath}.pub`, "cutover keys new controller envelope");
  }
}

/** A lease ref that somebody deleted must not lead back below an epoch that hosts have seen. */
async function highestEpoch(journal: JournalPort): Promise<number> {
  const streams = (await journal.streams("run/")).slice(-newestRuns);
  const newest = streams.at(-1);
  // The newest run was planned last, but any that was still open may have been taken up after that. Only the newest plan is read.
  const taken = [
    ...(newest === undefined ? [] : await journal.read(newest, ["run-planned"])),
    ...(await Promise.all(streams.map((stream) => journal.read(stream, ["run-resumed"])))).flat(),
  ];
  return taken.reduce((highest, event) => Math.max(highest, "epoch" in event ? event.epoch : 0), 0);
}

const newestRuns = 1_000;
