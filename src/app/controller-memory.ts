// What the controller remembers beyond single runs: the last accepted commit and Trust, quarantines, holds.
// Derived from the journal's `controller` stream, so it survives whatever happens to the process.
import { CutoverError } from "../errors.ts";
import type { EventBody, JournalEvent } from "../model/run-event.ts";
import { decodeTrust, type Trust } from "../model/trust.ts";
import { makeAppender } from "../run/append.ts";
import type { Controller } from "./controller.ts";

export const controllerStream = "controller";

export interface QuarantineEntry {
  readonly component: string;
  readonly version: string;
  readonly tree: string;
  readonly reason: string;
  readonly evidence: string;
  readonly at: number;
}

export interface RefusedCommit {
  readonly commit: string;
  readonly code: string;
  readonly message: string;
  readonly evidence: string;
  readonly at: number;
}

export interface ControllerMemory {
  readonly acceptedCommit: string | undefined;
  readonly trust: Trust;
  /** Keyed by `component@tree`. */
  readonly quarantined: ReadonlyMap<string, QuarantineEntry>;
  /** Host → reason; the key `*` holds the whole fleet. */
  readonly holds: ReadonlyMap<string, string>;
  /** The newest commit, when it was refused after the accepted one came into force. */
  readonly refused: RefusedCommit | undefined;
  /** When an operator asked for another try, by component or `component@version`; the key `*` means all. */
  readonly retries: ReadonlyMap<string, number>;
}

interface Remembering {
  readonly journal: Pick<Controller["journal"], "read">;
  readonly settings: Pick<Controller["settings"], "firstTrust">;
}

/** Reads it afresh: another process may have added a hold a moment ago. */
export async function recall(controller: Remembering): Promise<ControllerMemory> {
  const events = await controller.journal.read(controllerStream);
  const quarantined = new Map<string, QuarantineEntry>();
  const holds = new Map<string, string>();
  const retries = new Map<string, number>();
  let acceptedCommit: string | undefined;
  let refused: RefusedCommit | undefined;
  let trust = controller.settings.firstTrust;
  for (const event of events) {
    if (event.kind === "commit-accepted") {
      acceptedCommit = event.commit;
      refused = undefined;
      trust = decodeTrust(event.trust);
    } else if (event.kind === "commit-refused") refused = event;
    else if (event.kind === "retry-asked") retries.set(retryKey(event), event.at);
    else if (event.kind === "quarantined") quarantined.set(`${event.component}@${event.tree}`, event);
    else if (event.kind === "quarantine-lifted") quarantined.delete(`${event.component}@${event.tree}`);
    else if (event.kind === "held") holds.set(event.host ?? "*", `${event.reason} (${event.by})`);
    else if (event.kind === "resumed") {
      if (event.host === undefined) holds.clear();
      else holds.delete(event.host);
    }
  }
  return { acceptedCommit, trust, quarantined, holds, refused, retries };
}

function retryKey({
  component = "*",
  version,
}: {
  component?: string | undefined;
  version?: string | undefined;
}): string {
  return version === undefined ? component : `${component}@${version}`;
}

const appendTries = 5;

/** Adds to the controller stream, also while another process (`cutover hold` beside `cutover serve`) adds to it. */
export async function remember(
  controller: Pick<Controller, "journal" | "clock">,
  ...bodies: readonly EventBody[]
): Promise<readonly JournalEvent[]> {
  for (let tries = 1; ; tries++) {
    const last = (await controller.journal.read(controllerStream)).at(-1)?.sequence ?? 0;
    try {
      return await makeAppender({ ...controller, stream: controllerStream, last }).append(...bodies);
    } catch (error) {
      const raced = error instanceof CutoverError && error.code === "journal-taken";
      if (!raced || tries === appendTries) throw error;
    }
  }
}
