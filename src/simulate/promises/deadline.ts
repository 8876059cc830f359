// P8: a host that is not confirmed by its deadline goes back by itself.
import type { HostTruth } from "../host/truth.ts";
import type { PromiseCheck } from "./promise-check.ts";

/** Retries with pauses, a slow host and a full disk fit in. */
const graceMs = 60_000;

export const deadline: PromiseCheck = {
  promise: "P8",
  title: "a trial that nobody confirmed is taken back by the host after its deadline",
  check: ({ now, fact, hosts }) => {
    const touched = fact.kind === "changed" || fact.kind === "task" ? [fact.host] : [];
    const asked = fact.kind === "rested" ? [...hosts.values()] : touched;
    for (const host of asked) {
      const late = overdue(host, now);
      if (late !== undefined) return late;
    }
    return undefined;
  },
};

function overdue(host: HostTruth, now: number): string | undefined {
  if (!host.isUp || host.isDiskFull) return undefined;
  for (const component of host.components.values()) {
    const { trial } = component;
    if (trial?.state !== "armed") continue;
    // Without a service manager nobody watches after a reboot, and the plan says so.
    if (trial.bootId !== host.bootId && host.manager !== "systemd") continue;
    const since = trial.bootId === host.bootId ? trial.deadlineAt : 0;
    if (now - host.bootedAt > since + graceMs)
      return `${host.name}/${component.name} is on trial ${now - host.bootedAt - since} ms after its deadline`;
  }
  return undefined;
}
