// What commands need from outside, as functions: src/services.ts fills this from wiring, so that no command constructs an adapter.
import type { Controller } from "../app/controller.ts";
import type { enrolHost } from "../app/enrol-host.ts";
import type { generateKeys } from "../app/keys.ts";
import type { postReview } from "../app/post-review.ts";
import type { propose } from "../app/propose.ts";
import type { publish } from "../app/publish.ts";
import type { Reviewer } from "../app/review-plan.ts";
import type { serve } from "../app/serve.ts";
import type { CallTimes, CpuProfile, ProcessTimes } from "../model/profile.ts";

type PublishInput = Parameters<typeof publish>[0];
type KeyMaker = Parameters<typeof generateKeys>[0]["keyMaker"];

export interface OpenedController {
  readonly controller: Controller;
  /** Only `propose` writes commits. */
  readonly commitWriter: Parameters<typeof propose>[0]["writer"];
  close(): Promise<void>;
}

/** Everything that it calls outside is timed, and the process is sampled, from the opening on. */
export interface ProfiledController extends OpenedController {
  /** Ends the recording. Call it once. */
  recorded(): Promise<{
    readonly process: ProcessTimes;
    readonly calls: readonly CallTimes[];
    readonly cpuProfile: CpuProfile;
  }>;
}

type Environment = { readonly [name: string]: string | undefined };
type Forge = Parameters<typeof postReview>[0]["forge"];

type ServeInput = Parameters<typeof serve>[0];
export type Log = ServeInput["log"];
export type PassReport = Parameters<ServeInput["onPass"]>[0];

export interface OpenedServer extends OpenedController {
  /** What the process says about itself, as JSON on standard error. */
  readonly log: Log;
  /** The loop and its HTTP server, until the signal. */
  serve(input: Pick<ServeInput, "log" | "watcher" | "takeOver" | "signal" | "onPass">): Promise<void>;
}

/** For commands that work beside a running `serve`: no git, no host. */
export interface OpenedJournal {
  readonly journal: Controller["journal"];
  readonly clock: Controller["clock"];
  readonly settings: Controller["settings"];
  close(): Promise<void>;
}

export type OperatorShell = Parameters<typeof enrolHost>[0]["shell"];

/** With whose credential a host is enrolled: never the controller's. */
export type Operator =
  | { readonly kind: "local" }
  | {
      readonly kind: "ssh";
      readonly address: string;
      readonly port: number;
      readonly user: string;
      readonly keyPath?: string;
      readonly knownHostsPath?: string;
    };

/** Each loads its adapters when it is first called: `cutover help` reads no SSH library. */
export interface Services {
  readonly version: string;
  openController(configPath: string): Promise<OpenedController>;
  openProfiledController(configPath: string): Promise<ProfiledController>;
  /** For reviews: no private key, no host; a clone in CI will do. */
  openReviewer(configPath: string): Promise<{ readonly reviewer: Reviewer; close(): Promise<void> }>;
  /** The forge that is named, or whose CI job this is; with the pull request of that job. Throws LackingError without one. */
  openForge(input: {
    readonly configPath: string;
    readonly kind: string | undefined;
    readonly env: Environment;
  }): Promise<{ readonly forge: Forge; readonly pull: number | undefined }>;
  openServer(configPath: string): Promise<OpenedServer>;
  openJournal(configPath: string): Promise<OpenedJournal>;
  operatorShell(operator: Operator): Promise<OperatorShell>;
  /** Public half of the key that the controller logs in with. */
  controllerSshKey(configPath: string): Promise<string>;
  /** A directory or an http(s) address. */
  artifactWriter(spec: string): Promise<PublishInput["store"]>;
  signer(): Promise<PublishInput["signer"]>;
  /** The encoders of patches. */
  patchTools(): Promise<NonNullable<PublishInput["patches"]>["tools"]>;
  keyMaker(): Promise<KeyMaker>;
  /** host.sh, joined from its parts. */
  hostScript(): Promise<string>;
}
