// What happens in a simulated world, told as it happens: promises are checked at each of these.
import type { Plan } from "../model/plan.ts";
import type { JournalEvent } from "../model/run-event.ts";
import type { Task, TaskEvent } from "../model/task.ts";
import type { PlanInput } from "../plan/make-plan.ts";
import type { Fence } from "../ports.ts";
import type { RunState } from "../run/run-state.ts";
import type { ComponentTruth, HostTruth, StepTruth } from "./host/truth.ts";

export type Fact =
  /** An event is in the journal of that disk. */
  | { readonly kind: "journaled"; readonly disk: string; readonly event: JournalEvent }
  /** A component on a host became another. */
  | { readonly kind: "changed"; readonly host: HostTruth; readonly component: ComponentTruth; readonly what: string }
  | { readonly kind: "fenced"; readonly host: HostTruth; readonly fence: Fence }
  | { readonly kind: "submitted"; readonly host: HostTruth; readonly step: StepTruth }
  | {
      readonly kind: "task";
      readonly host: HostTruth;
      readonly step: StepTruth;
      readonly task: Task;
      readonly event: TaskEvent;
    }
  /** A controller is about to hand a step over. */
  | {
      readonly kind: "sent";
      readonly disk: string;
      readonly host: string;
      readonly step: string;
      readonly fence: Fence;
    }
  | { readonly kind: "planned"; readonly disk: string; readonly input: PlanInput; readonly plan: Plan }
  /** A driver has returned. */
  | {
      readonly kind: "drove";
      readonly disk: string;
      readonly run: string;
      readonly state: RunState;
      readonly events: readonly JournalEvent[];
    }
  | { readonly kind: "happened"; readonly what: string }
  /** Nothing is left to do, or too much time has passed. `disk` is that of the controller that has the lease then, where there is one. */
  | { readonly kind: "rested"; readonly why: "in-sync" | "given-up"; readonly disk: string | undefined };

/** One line of the event log: the same seed gives the same lines. */
export function factLine(at: number, fact: Fact): string {
  return `${String(at).padStart(8)} ${words(fact)}`;
}

function words(fact: Fact): string {
  switch (fact.kind) {
    case "journaled":
      return `journal ${fact.disk} ${eventWords(fact.event)}`;
    case "changed":
      return `${fact.host.name} ${fact.component.name}: ${fact.what}`;
    case "fenced":
      return `${fact.host.name} obeys epoch ${fact.fence.epoch} of ${fact.fence.holder} for ${fact.fence.run}`;
    case "submitted":
      return `${fact.host.name} takes ${fact.step.run} ${fact.step.step}`;
    case "task":
      return `${fact.host.name} ${fact.step.run} ${fact.step.step} ${taskWords(fact.event)}`;
    case "sent":
      return `${fact.fence.holder} sends ${fact.fence.run} ${fact.step} to ${fact.host}`;
    case "planned":
      return `plan ${fact.plan.hash.slice(0, 15)} ${fact.plan.changes.map((one) => `${one.host}/${one.component}@${one.to}`).join(" ")} held ${fact.plan.held.map((one) => `${one.host}:${one.reason}`).join(" ")}`;
    case "drove":
      return `${fact.run} is ${fact.state.outcome ?? "open"} ${fact.state.reason}`;
    case "happened":
      return fact.what;
    case "rested":
      return `rest: ${fact.why}`;
  }
}

function taskWords({ task, action, state, reason }: TaskEvent): string {
  return `${task} ${action} ${state} ${reason}`;
}

function eventWords(event: JournalEvent): string {
  const place = `${event.stream}#${event.sequence} ${event.kind}`;
  switch (event.kind) {
    case "run-planned":
      return `${place} ${event.plan.hash.slice(0, 15)}`;
    case "task":
      return `${place} ${event.step} ${taskWords(event.event)}`;
    case "host-ended":
      return `${place} ${event.step} ${event.host} ${event.outcome} ${event.evidence}`;
    default: {
      const { stream: _, sequence: __, at: ___, kind: ____, ...rest } = event;
      return `${place} ${JSON.stringify(rest)}`;
    }
  }
}
