// What the demo knows of the controller: its event stream, kept, and questions to it. Waiting is on events, never on time alone.
import { CutoverError } from "../../errors.ts";
import type { JournalEvent, RunOutcome } from "../../model/run-event.ts";

export interface EventLog {
  add(event: JournalEvent): void;
  /** Every wait ends with this error. */
  fail(message: string): void;
  until(condition: () => boolean, what: string): Promise<void>;
  /** Waits for the run that a commit caused to end; throws when it ended otherwise. */
  runOf(commit: string, outcome: RunOutcome): Promise<void>;
  runsOf(commit: string): number;
  bytesOf(commit: string): number;
  /** How many versions went to hosts as patches, and how many whole. */
  deliveriesOf(commit: string): { readonly patches: number; readonly whole: number };
  /** Hosts on which a switch was done for the commit's runs, in order. */
  switchedHosts(commit: string): string[];
  quarantined(component: string, version: string): boolean;
  countPass(): void;
  /** Passes of the controller that have ended so far. */
  passes(): number;
  /** Switches of the service, there and back, whose journaled evidence does not name both processes and versions. */
  switchesWithoutPids(): string[];
}

const longestWaitMs = 180_000;

export function makeEventLog(onEvent: (event: JournalEvent) => void, signal: AbortSignal): EventLog {
  const events = new Map<string, JournalEvent>();
  let failure: Error | undefined;
  let passes = 0;
  let wake = () => {};
  signal.addEventListener("abort", () => wake(), { once: true });
  const all = () => [...events.values()];
  const runs = (commit: string) =>
    all().flatMap((event) => (event.kind === "run-planned" && event.commit === commit ? [event.stream] : []));
  const ofRuns = (commit: string) => all().filter((event) => runs(commit).includes(event.stream));
  const switches = (list: JournalEvent[]) =>
    list.flatMap((event) =>
      event.kind === "task" && event.event.state === "done" && /\/switch$/.test(event.event.task) ? [event] : [],
    );

  async function until(condition: () => boolean, what: string): Promise<void> {
    const giveUp = AbortSignal.timeout(longestWaitMs);
    giveUp.addEventListener("abort", () => wake(), { once: true });
    while (!condition()) {
      signal.throwIfAborted();
      if (failure) throw failure;
      if (giveUp.aborted)
        throw new CutoverError({
          code: "demo-failed",
          message: `Waited ${longestWaitMs / 1_000} s for ${what}`,
          evidence: JSON.stringify(all().at(-1)),
        });
      await new Promise<void>((resolve) => {
        wake = resolve;
      });
    }
  }

  return {
    until,
    add(event) {
      if (!events.has(`${event.stream} ${event.sequence}`)) {
        events.set(`${event.stream} ${event.sequence}`, event);
        onEvent(event);
      }
      wake();
    },
    fail(message) {
      failure ??= new CutoverError({ code: "demo-failed", message });
      wake();
    },
    async runOf(commit, outcome) {
      const ended = () =>
        ofRuns(commit)
          .flatMap((event) => (event.kind === "run-ended" ? [event] : []))
          .at(0);
      await until(() => ended() !== undefined, `the run of ${commit.slice(0, 12)}`);
      const end = ended();
      if (end?.outcome !== outcome)
        throw new CutoverError({
          code: "demo-failed",
          message: `The run ended ${end?.outcome}, not ${outcome}`,
          evidence: end?.reason ?? "",
        });
    },
    runsOf: (commit) => runs(commit).length,
    bytesOf: (commit) => ofRuns(commit).reduce((sum, event) => sum + (event.kind === "delivered" ? event.bytes : 0), 0),
    deliveriesOf(commit) {
      const delivered = ofRuns(commit).flatMap((event) => (event.kind === "delivered" ? [event] : []));
      const patches = delivered.filter(({ base }) => base !== undefined).length;
      return { patches, whole: delivered.length - patches };
    },
    switchedHosts: (commit) => [...new Set(switches(ofRuns(commit)).map(({ host }) => host))],
    quarantined: (component, version) =>
      all().some((event) => event.kind === "quarantined" && event.component === component && event.version === version),
    countPass() {
      passes++;
      wake();
    },
    passes: () => passes,
    switchesWithoutPids() {
      const shops = switches(all()).filter(({ event }) => event.task.includes("/shop/"));
      const complete = /old-pid=\S+ new-pid=\S+ from=\S+ to=\S+/;
      if (shops.length === 0) return ["no switch at all"];
      return shops.filter(({ event }) => !complete.test(event.evidence)).map((event) => JSON.stringify(event));
    },
  };
}
