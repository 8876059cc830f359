// Lets the faults of a scenario strike at their moment. Those that wait for a call or a write are with the network and the
// controllers.
import type { SimHost } from "./host/sim-host.ts";
import type { Fault, Scenario } from "./scenario.ts";
import type { World } from "./world.ts";

interface Struck {
  kill(): void;
  takeOver(silentMs: number): void;
}

export function scheduleFaults(world: World, controllers: Struck): void {
  for (const fault of world.scenario.faults)
    if ("at" in fault) world.queue.after(fault.at, () => strike(world, controllers, fault));
}

/** From here on nothing new goes wrong. */
export function calmAt({ faults }: Scenario): number {
  return Math.max(0, ...faults.map(endOf)) + 1_000;
}

function endOf(fault: Fault): number {
  if (!("at" in fault)) return 0;
  if ("forMs" in fault) return fault.at + fault.forMs;
  if (fault.kind === "reboot") return fault.at + fault.downMs;
  return fault.kind === "takeover" ? fault.at + fault.silentMs : fault.at;
}

type Timed = Extract<Fault, { readonly at: number }>;

function strike(world: World, controllers: Struck, fault: Timed): void {
  const { queue } = world;
  const host = "host" in fault && fault.host !== undefined ? world.hosts.get(fault.host) : undefined;
  world.tell({ kind: "happened", what: JSON.stringify(fault) });
  switch (fault.kind) {
    case "kill":
      controllers.kill();
      return;
    case "takeover":
      controllers.takeOver(fault.silentMs);
      return;
    case "clock-jump":
      world.skewMs += fault.byMs;
      return;
    case "push":
      world.push(fault.component, fault.version);
      return;
    case "black-hole":
      return; // the network knows it
    case "hold":
      world.writeDirectly({ kind: "held", host: fault.host });
      queue.after(fault.forMs, () => world.writeDirectly({ kind: "resumed", host: fault.host }));
      return;
    default:
      if (host !== undefined) strikeHost(world, host, fault);
  }
}

function strikeHost(world: World, host: SimHost, fault: Timed): void {
  const { queue } = world;
  const { truth } = host;
  switch (fault.kind) {
    case "reboot":
      if (!truth.isUp) return;
      host.losePower();
      queue.after(fault.downMs, () => {
        world.tell({ kind: "happened", what: `${truth.name} boots` });
        host.boot();
      });
      return;
    case "disk-full":
      truth.isDiskFull = true;
      queue.after(fault.forMs, () => {
        truth.isDiskFull = false;
      });
      return;
    case "slow":
      truth.slowness = fault.factor;
      queue.after(fault.forMs, () => {
        truth.slowness = 1;
      });
      return;
    case "damage":
      damage(host, fault.component);
      return;
    case "drift":
      drift(world, host, fault.component);
      return;
    default:
      return;
  }
}

/** Of what does not run: a version that does is what the service has open. */
function damage(host: SimHost, name: string): void {
  const component = host.component(name);
  for (const version of component.built)
    if (version !== component.current && version !== component.committed?.version) component.damaged.add(version);
}

function drift(world: World, host: SimHost, name: string): void {
  const component = host.component(name);
  const other = [...component.built].find((version) => version !== component.current);
  if (other === undefined) return;
  world.history.tampered.add(`${host.truth.name} ${name}`);
  component.current = other;
  world.tell({ kind: "changed", host: host.truth, component, what: `current is ${other} by hand` });
}
