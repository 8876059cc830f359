// The executor port over hosts in memory, for tests of the pure engine. They keep what a real host keeps on disk: the
// epoch, every step by run with its events, what ran how often. Links break where a test says so.
import { HostRefusedError, HostUnreachableError } from "../../src/errors.ts";
import type { Host } from "../../src/model/fleet.ts";
import type { TaskGroup } from "../../src/model/plan.ts";
import type { ClockReading } from "../../src/model/restore-point.ts";
import type { Task, TaskEvent } from "../../src/model/task.ts";
import type { ExecutorPort, Fence } from "../../src/ports.ts";

export type LinkMoment = "deliver" | "before submit" | "after submit" | "event";

export interface HostScript {
  /** True loses the link at this moment. */
  readonly loses?: (host: string, moment: LinkMoment, step: string) => boolean;
  /** A reason word fails the task. */
  readonly fails?: (task: Task) => string | undefined;
  /** Changes what a host tells of a step, as a broken or hostile one would. */
  readonly tells?: (host: string, step: string, events: TaskEvent[]) => TaskEvent[];
  /** Evidence of a task that is done. */
  readonly says?: (task: Task) => string;
  /** Hosts tell their clocks. */
  readonly clock?: (host: string) => ClockReading;
  /** Called at every effect on a host, before it happens. */
  readonly onEffect?: (effect: string) => void;
  /** Awaited before every event is told. */
  readonly gate?: (host: string, step: string) => Promise<void>;
}

export interface InProcessHosts {
  readonly executor: ExecutorPort;
  /** `host run step task action`, in the order in which it ran. */
  readonly ran: string[];
  readonly versions: Map<string, string>;
  readonly committed: Map<string, string>;
  readonly closed: string[];
  script: HostScript;
}

export function inProcessHosts(script: HostScript = {}): InProcessHosts {
  const steps = new Map<string, { readonly payload: string; readonly events: TaskEvent[] }>();
  const epochs = new Map<string, number>();
  const hosts: Omit<InProcessHosts, "executor"> = {
    ran: [],
    versions: new Map(),
    committed: new Map(),
    closed: [],
    script,
  };
  const link = (host: Host, moment: LinkMoment, step: string) => {
    if (hosts.script.loses?.(host.name, moment, step))
      throw new HostUnreachableError(host, new Error(`lost: ${moment}`));
  };
  const fence = (host: Host, { epoch }: Fence) => {
    if (epoch < (epochs.get(host.name) ?? 0)) throw refusal(host, "stale-epoch");
    epochs.set(host.name, epoch);
  };
  const executor: ExecutorPort = {
    probe: () => Promise.reject(new Error("the engine does not probe")),
    async deliver(host, delivery, by, onBytes) {
      hosts.script.onEffect?.(`deliver ${host.name}`);
      link(host, "deliver", "distribute");
      fence(host, by);
      onBytes(delivery.payload.bytes, delivery.payload.bytes);
    },
    async submit(host, step, groups, by) {
      hosts.script.onEffect?.(`submit ${host.name} ${step}`);
      link(host, "before submit", step);
      fence(host, by);
      const key = `${host.name} ${by.run} ${step}`;
      const payload = JSON.stringify(groups);
      const known = steps.get(key);
      if (known && known.payload !== payload) throw refusal(host, "step-differs");
      if (!known) steps.set(key, { payload, events: perform(hosts, key, groups) });
      link(host, "after submit", step);
    },
    async *events(host, step, by) {
      fence(host, by);
      const known = steps.get(`${host.name} ${by.run} ${step}`);
      if (!known) throw refusal(host, "no-such-step");
      for (const event of hosts.script.tells?.(host.name, step, known.events) ?? known.events) {
        await hosts.script.gate?.(host.name, step);
        link(host, "event", step);
        yield event;
      }
    },
    ...(script.clock === undefined
      ? {}
      : {
          clock: async (host, by) => {
            fence(host, by);
            const { clock } = hosts.script;
            if (clock === undefined) throw refusal(host, "bad-request");
            return clock(host.name);
          },
        }),
    async close(host) {
      hosts.script.onEffect?.(`close ${host?.name}`);
      if (host) hosts.closed.push(host.name);
    },
  };
  return Object.assign(hosts, { executor });
}

function refusal(host: Host, reason: string): HostRefusedError {
  return new HostRefusedError({ host: host.name, verb: "submit", hostCode: 75, reason, evidence: "in-process host" });
}

/** Runs the groups to their end at once; a failed task lets its group finish and skips the later ones. */
function perform(hosts: Omit<InProcessHosts, "executor">, key: string, groups: readonly TaskGroup[]): TaskEvent[] {
  const events: TaskEvent[] = [];
  let failed: boolean = false;
  for (const group of groups) {
    const skip: boolean = failed;
    for (const task of group) {
      const reason: string | undefined = skip ? "earlier-failed" : hosts.script.fails?.(task);
      const base = { task: task.id, action: task.action, durationMs: 1, exitCode: 0, evidence: "" };
      if (skip) {
        events.push({ ...base, state: "skipped", reason: "earlier-failed" });
        continue;
      }
      hosts.ran.push(`${key} ${task.id} ${task.action}`);
      events.push({ ...base, state: "running", reason: "started" });
      if (reason === undefined) apply(hosts, task);
      const evidence = reason === undefined ? (hosts.script.says?.(task) ?? "") : "";
      events.push({ ...base, evidence, state: reason === undefined ? "done" : "failed", reason: reason ?? "ok" });
      failed ||= reason !== undefined;
    }
  }
  return events;
}

function apply(hosts: Omit<InProcessHosts, "executor">, task: Task): void {
  const place = `${task.host}/${task.component}`;
  if (task.kind === "switch" && task.action === "do") hosts.versions.set(place, task.version);
  if (task.kind === "switch" && task.action === "undo") hosts.versions.delete(place);
  if (task.kind === "commit") hosts.committed.set(place, task.version);
}
