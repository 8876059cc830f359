// R5: once nothing goes wrong any more, the world comes to rest: as git asks, or as the plan says why not.
import type { Plan } from "../../model/plan.ts";
import type { History } from "../history.ts";
import type { ComponentTruth, HostTruth } from "../host/truth.ts";
import type { PromiseCheck } from "./promise-check.ts";

export const atRest: PromiseCheck = {
  promise: "R5",
  title: "once nothing goes wrong any more the world comes to rest, as git asks or as the plan says why not",
  check: ({ fact, history, hosts }) => {
    if (fact.kind !== "rested") return undefined;
    if (fact.why === "given-up") return isBeyondRepair(history, hosts) ? undefined : "passes go on and on";
    const plans = plansOf(history, fact.disk);
    const held = plans.flatMap((plan) => plan.held);
    const unseen = held.find(({ host, reason }) => reason === "unreachable" && hosts.get(host)?.isUp);
    if (unseen !== undefined) return `${unseen.host} answers, and counts as unreachable`;
    for (const { name, components } of hosts.values())
      for (const component of components.values()) {
        const open = openOf(component);
        // A release that asks for a quarantined version changes nothing, also not what a hand moved.
        const isStalled = held.some(({ reason }) => reason === "quarantined") && history.tampered.has(`${name} ${component.name}`); // biome-ignore format: one line
        if (open !== undefined && !isStalled && !isTold(plans, name, component.name))
          return `${name}/${component.name} ${open}, and the plan does not say why`;
        if (isCalledDrift(held, name, component.name) && !history.tampered.has(`${name} ${component.name}`))
          return `${name}/${component.name} is called drifted, and no hand was there`;
        // A way back whose old version does not start either, or is not there any more, is tried on by the host for a day, and shown
        // as on trial meanwhile. One that could go has at least pointed `current` back.
        const before = component.trial?.from;
        const isPointedBack = component.current === before || (before !== undefined && !component.built.has(before));
        const isTried = component.trial?.state === "reverting" && component.watcher?.isAlive === true && isPointedBack;
        if (component.trial?.state === "armed" || (component.trial?.state === "reverting" && !isTried))
          return `${name}/${component.name} ${open}`;
        // Of a way back that a host refused, with its disk full say, the run ended stuck and named the host: a person's matter.
        if (
          component.isDrained &&
          !isToldDrained(plans, name, component) &&
          !history.stuckWaysBack.has(`${component.drained?.run} ${name}`)
        )
          return `${name}/${component.name} rests out of service`;
      }
    return undefined;
  },
};

/**
 * The one thing that is tried for ever: somebody pointed `current` elsewhere by hand, and the bytes of what runs there or was
 * committed are damaged. A host replaces no files of a version in use; every try ends stuck with `verify-failed` until a hand
 * points it back.
 */
function isBeyondRepair({ tampered, damageTold }: History, hosts: ReadonlyMap<string, HostTruth>): boolean {
  return [...hosts.values()].some(({ name, components }) =>
    [...components.values()].some(
      ({ name: component, current, committed, damaged }) =>
        [current, committed?.version].some((version) => version !== undefined && damaged.has(version)) &&
        tampered.has(`${name} ${component}`) &&
        damageTold.has(`${name} ${component}`),
    ),
  );
}

/** What is not at its end there. */
function openOf({ trial, current, committed }: ComponentTruth): string | undefined {
  if (trial !== undefined && trial.state !== "reverted") return `rests while ${trial.to} is ${trial.state}`;
  if (current === committed?.version) return undefined;
  return `rests on ${current}, not on ${committed?.version ?? "nothing"}`;
}

type RestingPlan = Pick<Plan, "held" | "waiting">;

/** As the controller that has the lease plans the releases: one that lost it knows less. */
function plansOf({ newest }: History, disk: string | undefined): readonly RestingPlan[] {
  const all = [...newest].filter(([of]) => disk === undefined || of === disk);
  return all.flatMap(([, plans]) => [...plans.values()]);
}

function isTold(plans: readonly RestingPlan[], host: string, component: string): boolean {
  const isOf = (one: { readonly host: string; readonly component: string | undefined }) =>
    one.host === host && (one.component === undefined || one.component === component);
  return plans.some(({ held, waiting }) => held.some(isOf) || waiting.some(isOf));
}

/** A release that is stalled brings nothing back: what keeps it also says what it left out of service. */
function isToldDrained(plans: readonly RestingPlan[], host: string, { name }: ComponentTruth): boolean {
  const isOf = (one: { readonly host: string; readonly component: string }) =>
    one.host === host && one.component === name;
  return plans.some(
    ({ held, waiting }) =>
      waiting.some((one) => isOf(one) && one.drainedBy !== undefined) ||
      held.some((one) => one.host === host && one.evidence.includes(`took ${name} out of service`)),
  );
}

function isCalledDrift(held: Plan["held"], host: string, component: string): boolean {
  return held.some((one) => one.reason === "drifted" && one.host === host && one.component === component);
}
