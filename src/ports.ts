// Every interface to the outside world, on one page. Adapters implement them, `wiring.ts` hands them to the core.

import type { Host } from "./model/fleet.ts";
import type { Observation } from "./model/observation.ts";
import type { TaskGroup } from "./model/plan.ts";
import type { ClockReading } from "./model/restore-point.ts";
import type { JournalEvent, RunId } from "./model/run-event.ts";
import type { TaskEvent } from "./model/task.ts";
import type { Codec, Delivery, PatchVariant, PayloadFile, PublishedPatch, PublishedRelease } from "./model/transfer.ts";

/** Milliseconds since the epoch, and waiting. Tests and the simulator bring their own. */
export interface Clock {
  now(): number;
  /** Resolves after `ms`, or rejects with the signal's reason when it is aborted first. */
  sleep(ms: number, signal?: AbortSignal): Promise<void>;
}

/** The commit that was fetched, not yet trusted. */
export interface Head {
  /** 40 hex digits. */
  readonly commit: string;
  readonly ref: string;
}

/** A regular file at a commit. Symlinks, submodules and anything else are never followed; `files` throws `unsafe-path` on them. */
export interface RepositoryFile {
  readonly path: string;
  readonly text: string;
  /** Git blob id, so that the plan hash covers content and not the commit. */
  readonly blob: string;
}

/** Read side of a release repository. Never checks anything out. */
export interface ReleaseRepositoryPort {
  /** Brings the configured ref into the local mirror. Throws `git-remote-unreachable` (retry). Keeps the last good state. */
  fetch(): Promise<Head>;
  /** All regular YAML files (.yaml, .yml) under `directory`, sorted by path, each ≤ 256 KiB, at most 2,000. */
  files(commit: string, directory: string): Promise<RepositoryFile[]>;
  /** Which principal signed the commit, by the given signers; throws RefusedError `commit-not-trusted`. */
  verifySignature(commit: string, signers: readonly CommitSigner[]): Promise<{ readonly signer: string }>;
  /** Resolves a branch, tag or commit name from the mirror, also with `~2` or `^` behind it, to a commit id; throws `no-such-ref`. */
  resolve(ref: string): Promise<string>;
  /** The message of a commit. Signed with it: trust it as far as `verifySignature` trusts the commit. */
  message(commit: string): Promise<string>;
  /** The commit and its first parents, newest first, at most `limit`. */
  history(commit: string, limit: number): Promise<string[]>;
  /** True when `ancestor` is reachable from `commit` (a rewritten history is reported, never followed blindly). */
  isAncestor(ancestor: string, commit: string): Promise<boolean>;
}
export interface CommitSigner {
  readonly name: string;
  /** `ssh-ed25519 AAAA…` */
  readonly publicKey: string;
}

/** Status notes under refs/notes/cutover of the release remote. */
export interface NotesPort {
  /** Adds `note` to the note of `commit` and pushes with compare-and-swap; on contention fetches, adds again and retries (bounded). Existing records of other writers survive. */
  publish(commit: string, note: string): Promise<void>;
  /** The note text of a commit as the remote has it, undefined when there is none. */
  read(commit: string): Promise<string | undefined>;
  /** Notes of these commits in their order, from one look at the remote; stops when `visit` returns true. */
  find(commits: readonly string[], visit: (commit: string, note: string) => Promise<boolean>): Promise<void>;
}

/** Proposes commits in the release remote: a branch of ours, never the one that is followed. Nothing is checked out. */
export interface CommitWriterPort {
  /** The tree of `parent` with these files' texts replaced, as a commit by `cutover` in the mirror; no ref moves. Throws `no-such-file` for a file that `parent` has not. */
  write(request: {
    readonly parent: string;
    readonly files: readonly { readonly path: string; readonly text: string }[];
    readonly message: string;
    /** Milliseconds since the epoch, the commit's date. */
    readonly at: number;
  }): Promise<{ readonly commit: string; readonly tree: string }>;
  /** A branch as the last fetch found it; undefined when the remote has none. */
  tip(branch: string): Promise<BranchTip | undefined>;
  /** Compare-and-swap: moves the branch only while it is `expected` (undefined: not there). Throws `git-push-refused`. */
  push(change: {
    readonly branch: string;
    readonly commit: string;
    readonly expected: string | undefined;
  }): Promise<"pushed" | "contended">;
}
export interface BranchTip {
  readonly commit: string;
  readonly tree: string;
  /** Made by `cutover` on one parent: nobody has added anything since. */
  readonly ours: boolean;
}

/** The right to write, held in refs/cutover/lease of the release remote. */
export interface LeasePort {
  /** Compare-and-swap. Throws RefusedError `lease-held` (names holder and age) unless it is ours, expired, or `takeOver` is set. Every acquisition raises the epoch by one. */
  acquire(request: {
    readonly holder: string;
    readonly takeOver: boolean;
    readonly now: number;
    readonly ttlMs: number;
  }): Promise<Lease>;
  /** Throws `lease-lost` when somebody else took over. */
  renew(lease: Lease, now: number): Promise<Lease>;
  /** Gives it up; a second call or a lost lease is not an error. */
  release(lease: Lease): Promise<void>;
}
export interface Lease {
  readonly holder: string;
  readonly epoch: number;
  readonly ttlMs: number;
  /** Object id of the lease ref, for compare-and-swap. */
  readonly object: string;
}

/** One controller process a state directory: two of them would go by one name, so that the lease could not tell them apart. */
export interface ProcessLockPort {
  /** Throws RefusedError `serve-running` or `lease-held` that names the other process. Ends with the process, however that ends. */
  acquire(): Promise<{ release(): Promise<void> }>;
}

/** Bytes done of bytes to do, for whoever watches. `done` may pass a `total` that was estimated. */
export type OnProgress = (progress: { readonly what: string; readonly done: number; readonly total: number }) => void;

/** Reads an artifact repository: a directory, or the same over http(s). */
export interface ArtifactRepositoryPort {
  /** Throws `not-published` (stall) naming the nearest versions. Bytes are size-capped; nothing is trusted yet. */
  release(component: string, version: string): Promise<PublishedRelease>;
  /** The full payload of a tree digest, in the codec asked for; downloaded or transcoded once and cached. */
  payload(tree: string, codec: Codec): Promise<PayloadFile>;
  /** Published versions of a component, newest sequence first. */
  versions(component: string): Promise<string[]>;
  /** The signed list of what leads to a tree, text and signatures as they are (the caller verifies); undefined when there is none. */
  transfers(tree: string): Promise<{ readonly text: string; readonly signatures: string } | undefined>;
  /** A published patch to `to`, digest-checked and cached. Throws `artifact-incomplete`, `artifact-corrupt`. */
  patch(to: string, patch: PublishedPatch): Promise<PayloadFile>;
  /** Makes the patch of a pair that nobody published, from both full artifacts, and keeps it; asked twice at once, it is made once. */
  makePatch(pair: {
    readonly from: string;
    readonly to: string;
    readonly variant: PatchVariant;
    readonly onProgress?: OnProgress;
    readonly signal?: AbortSignal;
  }): Promise<PayloadFile>;
  /** One payload out of several patches, each from where the one before ends. */
  chain(stages: readonly { readonly patch: PayloadFile; readonly to: string }[]): Promise<PayloadFile>;
}

/** Where an artifact repository keeps its bytes: a directory, or the same over http(s). Paths are those of package/layout.ts. */
export interface ArtifactStorePort {
  /** For messages, without credentials. */
  readonly name: string;
  /** Undefined when there is nothing. Throws `artifact-too-large` past `maxBytes`, `artifacts-unreachable` (retry). */
  read(path: string, maxBytes: number): Promise<string | undefined>;
  /** Copies to the local file `target`, by rename; false when there is nothing. Stops at the first byte past `maxBytes`. */
  download(input: { readonly path: string; readonly target: string; readonly maxBytes: number }): Promise<boolean>;
  /** Replaces atomically. */
  write(path: string, text: string): Promise<void>;
  upload(path: string, source: string): Promise<void>;
}

/** Programs that encode what differs between two files. */
export type PatchTool = "zstd" | "bsdiff";

/** Runs the encoders of patches. Every call has a deadline and leaves no file behind when it fails. */
export interface PatchToolPort {
  /** Which of them are installed here; asked once. */
  installed(): Promise<readonly PatchTool[]>;
  /** Packs `input` into the new file `output`, against `reference` if there is one. The same bytes in give the same bytes out. Throws `patch-tool-failed`. */
  zstd(input: {
    readonly input: string;
    readonly output: string;
    readonly reference?: string;
    /** 1 to 22. */
    readonly level: number;
    /** A decoder needs this many bytes as a power of two, beside the reference. */
    readonly windowLog: number;
    /** Bytes of `input` read so far. */
    readonly onRead?: (bytes: number) => void;
    readonly signal?: AbortSignal;
  }): Promise<void>;
  /** What `bspatch` turns `reference` into `input` with. Throws `patch-tool-failed`. */
  bsdiff(input: {
    readonly reference: string;
    readonly input: string;
    readonly output: string;
    readonly signal?: AbortSignal;
  }): Promise<void>;
}

/** OpenSSH signatures over exact bytes. */
export interface SignerPort {
  /** Armored SSHSIG. */
  sign(input: { readonly keyPath: string; readonly namespace: string; readonly data: string }): Promise<string>;
  /** How many distinct keys of `allowedKeys` signed `data`; unknown, wrong-namespace or broken signatures count nothing. */
  verify(input: {
    readonly allowedKeys: readonly string[];
    readonly namespace: string;
    readonly data: string;
    readonly signatures: string;
  }): Promise<{ readonly keys: readonly string[] }>;
}

/** Makes signing keys. The private half never leaves the file. */
export interface KeyMakerPort {
  /** A new ed25519 pair, `path` (0600) and `path`.pub; never overwrites: throws `key-exists`. Gives the public key without comment. */
  generate(input: { readonly path: string; readonly comment: string }): Promise<string>;
  /** The public half of a private key file, without comment. */
  publicKey(path: string): Promise<string>;
}

/** Who is writing, for which run. The host refuses a lower epoch. */
export interface Fence {
  readonly run: RunId;
  readonly epoch: number;
  readonly holder: string;
}

export type OnBytes = (sent: number, there: number) => void;

/** Acts on targets. SSH now; Kubernetes and the simulator later. */
export interface ExecutorPort {
  /** Facts and state, changing nothing. Throws HostUnreachableError, RefusedError `host-key-changed`. */
  probe(host: Host): Promise<Observation>;
  /** Verified documents and payload bytes on the host, resumable; resolves when everything is there. Reports bytes as they go: sent by this call, and on the host by now, earlier calls included. */
  deliver(host: Host, delivery: Delivery, fence: Fence, onBytes: OnBytes): Promise<void>;
  /** Hands all groups of a step over in one message; safe to repeat with the same run and step. Resolves when the host has journaled them, not when they are done. */
  submit(host: Host, step: string, groups: readonly TaskGroup[], fence: Fence): Promise<void>;
  /** Every event of a step on this host, also those from before a lost connection. Ends when the step has ended; throws HostUnreachableError when the link is lost, RefusedError `step-lost` when the host has no result and nobody runs it. `withinMs` bounds the whole listening, whatever the host says meanwhile; leaving early costs the connection. */
  events(host: Host, step: string, fence: Fence, withinMs?: number): AsyncIterable<TaskEvent>;
  /** The host's clock, answered at once over a connection that is kept; absent where targets have none to tell. Throws HostRefusedError where host.sh is too old to know the question. */
  clock?(host: Host, fence: Fence): Promise<ClockReading>;
  /** Closes kept connections: all, those to a host, or those of one run there. That run's next call opens a new one: `confirm` relies on it. */
  close(host?: Host, run?: RunId): Promise<void>;
}

/** Append-only memory of the controller. `append` returns only when the events are on disk (F2). */
export interface JournalPort {
  append(events: readonly JournalEvent[]): Promise<void>;
  /** Events of a stream in order: all, or those of some kinds only (a run of 10,000 hosts has hundreds of thousands). */
  read(stream: string, kinds?: readonly JournalEvent["kind"][]): Promise<JournalEvent[]>;
  /** The newest event of a stream, undefined when there is none. */
  newest(stream: string): Promise<JournalEvent | undefined>;
  /** The newest `count` events of a stream, in order. */
  tail(stream: string, count: number): Promise<JournalEvent[]>;
  /** Streams in order of their first event; `prefix` selects, e.g. `run/`. */
  streams(prefix: string): Promise<string[]>;
  close(): Promise<void>;
}

/** Says that it may be time for a pass; a hint only, the pass finds out by itself. Returns how to stop it. */
export type Trigger = (onHint: (reason: string) => void) => Promise<() => Promise<void>>;

/** What the process says about itself; adapters turn it into pino lines. Never secrets (P15). */
export interface LogPort {
  info(event: string, details?: Readonly<Record<string, unknown>>): void;
  warn(event: string, details?: Readonly<Record<string, unknown>>): void;
  error(event: string, details?: Readonly<Record<string, unknown>>): void;
}

/** Runs a POSIX-sh script on a machine with the operator's own credential. Only enrolment uses it, never the controller. */
export type OperatorShell = (
  script: string,
) => Promise<{ readonly exitCode: number; readonly stdout: string; readonly stderr: string }>;

/**
 * Where pull requests (merge requests) of the release repository live. Every call may be repeated: it looks before it writes.
 * Throws `forge-refused` (401, 403, 404 … with the remedy), `forge-unreachable` (retry); never with the token in it (P15).
 */
export interface ForgePort {
  /** For messages: which forge, which repository; no credentials. */
  readonly name: string;
  /** The one comment of ours that starts with `marker`: made where there is none, else replaced. `body` starts with `marker`. */
  upsertComment(input: { readonly pull: number; readonly marker: string; readonly body: string }): Promise<{
    readonly change: "created" | "updated" | "unchanged";
    readonly url: string;
  }>;
  setStatus(commit: string, status: CommitStatus): Promise<void>;
  /** Address of the open pull request from `branch` to `base`; one that is there already gets this title and body. */
  openPull(input: {
    readonly branch: string;
    readonly base: string;
    readonly title: string;
    readonly body: string;
  }): Promise<string>;
}
export interface CommitStatus {
  readonly state: "success" | "failure" | "pending";
  /** `cutover/plan` */
  readonly context: string;
  /** One line; a forge cuts it where it must. */
  readonly description: string;
  readonly targetUrl?: string;
}
