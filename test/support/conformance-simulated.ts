// The simulated face of a host under test: the same commands, the same answers.
import { HostRefusedError } from "../../src/errors.ts";
import { type EventQueue, makeEventQueue } from "../../src/simulate/event-queue.ts";
import { makeSimHost, observe } from "../../src/simulate/host/sim-host.ts";
import { executables } from "./conformance-commands.ts";
import {
  type ConformanceHost,
  deadlineSeconds,
  eventWords,
  factsOf,
  floorOf,
  type Outcome,
  quiet,
  sequenceOf,
} from "./conformance-outcome.ts";

interface SimSession {
  readonly id: string;
  readonly fence: { readonly run: string; readonly epoch: number; readonly holder: string };
}

export function simulatedHost(): ConformanceHost {
  const queue = makeEventQueue();
  const broken = new Set<string>();
  const host = makeSimHost({
    name: "h1",
    manager: "process",
    queue,
    contract: (_, version) => ({
      sequence: sequenceOf(version),
      floor: floorOf(version),
      deadlineSeconds,
      hasDrain: true,
      hasBackup: true,
      hasHealth: true,
      // The real bundle's service does not run there: data changes by command alone.
      convertsData: false,
      hooks: new Map(executables.map((name) => [name, { hasUndo: name === "convert" || name === "out", at: name === "late" ? "after-switch" : undefined }])), // biome-ignore format: one line
    }),
    failure: (_component, _version, task) => simulatedFailure(broken, task),
    duration: (ms) => ms,
    treeOf: (component, version) => `${component}@${version}`,
    watcher: { onChange: () => {}, onFence: () => {}, onSubmit: () => {}, onTask: () => {} },
  });
  const component = host.component("web");
  const sessions: SimSession[] = [];
  let opened = 0;
  return {
    async act(command) {
      switch (command.kind) {
        case "deliver":
          host.offer({ component: "web", version: command.version, run: command.run, isPatch: false });
          return quiet;
        case "connect": {
          const { run, epoch, holder } = command;
          const fence = { run, epoch, holder };
          return refusable(async () => {
            host.fence(fence);
            sessions.unshift({ id: `session-${++opened}`, fence });
            sessions.splice(3);
            return { answer: "ok", events: [] };
          });
        }
        case "submit": {
          const { session: index, step, groups } = command;
          const session = sessions[index] ?? sessions[0];
          if (session === undefined) return quiet;
          return refusable(async () => {
            const answer = host.submit({ step, groups, fence: session.fence, session: session.id });
            const kept = host.step(session.fence.run, step);
            while (host.stateOf(kept) === undefined && (await queue.next()));
            return { answer, events: kept.events.map(eventWords) };
          });
        }
        case "break":
          if (command.isBroken) broken.add(command.executable);
          else broken.delete(command.executable);
          return quiet;
        case "damage":
          if (component.built.has(command.version)) component.damaged.add(command.version);
          return quiet;
        case "write":
          component.data = command.text;
          return quiet;
        case "drift":
          if (component.built.has(command.version)) component.current = command.version;
          return quiet;
        case "expire":
          if (component.trial !== undefined) Object.assign(component.trial, { deadlineAt: 0 });
          host.guard();
          await pass(queue, 5_000);
          return quiet;
        case "reboot":
          sessions.length = 0;
          host.losePower();
          host.boot();
          if (command.isGuarded) host.guard();
          await pass(queue, 5_000);
          return quiet;
      }
    },
    async facts() {
      // Both faces try no more than once: when a later try comes is no matter of outcomes.
      component.undrainer?.end();
      host.probe(0);
      await pass(queue, 3_000);
      return {
        component: factsOf(observe(component, () => "")),
        isOutOfService: component.isDrained,
        data: component.data,
      };
    },
  };
}

async function refusable(act: () => Promise<Outcome>): Promise<Outcome> {
  try {
    return await act();
  } catch (error) {
    if (!(error instanceof HostRefusedError)) throw error;
    return { answer: `${error.hostCode} ${error.code}`, events: [] };
  }
}

function simulatedFailure(broken: ReadonlySet<string>, task: string) {
  const failed = { exitCode: 71, reason: "task-failed" };
  const names: Readonly<Record<string, string>> = {
    drain: "out",
    undrain: "in",
    "hook:convert": "convert",
    "hook:plain": "plain",
    "hook:late": "late",
  };
  if (task === "health") return broken.has("checkit") ? { exitCode: 71, reason: "unhealthy" } : undefined;
  return broken.has(names[task] ?? "") ? failed : undefined;
}

/** Lets what is due within `ms` happen. */
async function pass(queue: EventQueue, ms: number): Promise<void> {
  const until = queue.now() + ms;
  while ((queue.due() ?? Number.POSITIVE_INFINITY) <= until && (await queue.next()));
}
