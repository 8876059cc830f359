// Traffic away and back (strategy `balancer`, R20): before a batch that switches such hosts, the balancer's own hosts take them
// out of traffic, and put them back when all of the batch is healthy and confirmed: a host that may still revert by itself at
// its deadline has no traffic. Steps of other machines, so they stand around the switch, not in it. Pure.
import { CutoverError, ExitCode } from "../errors.ts";
import type { Balancer } from "../model/component.ts";
import type { Host } from "../model/fleet.ts";
import type { HostWork, PlannedChange, Step } from "../model/plan.ts";
import { type Task, taskId } from "../model/task.ts";
import { compareText, type DifferenceInput, publishedVersion } from "./difference.ts";

export interface BalancerInput extends Pick<DifferenceInput, "release" | "observations" | "published" | "holds"> {
  readonly changes: readonly PlannedChange[];
  /**
   * Who runs the balancers, and how balancers know the hosts; the whole fleet, beyond the release. Without it the steps are those
   * of a plan that is only compared by its hash, which says what is meant and not how.
   */
  readonly fleet?: readonly Pick<Host, "name" | "address" | "components">[] | undefined;
}

/**
 * The steps with `away.N` before each switch step N of which a host needs it, and `back.N` after its confirmation, with the soak of
 * that: what is watched then is a host in traffic. A first install has no traffic yet. Throws a CutoverError when there is no balancer that can do it, or when nobody would be left in traffic.
 */
export function withBalancers(steps: readonly Step[], input: BalancerInput): readonly Step[] {
  const changes = new Map(input.changes.map((change) => [`${change.host}/${change.component}`, change]));
  if (input.fleet === undefined) return steps;
  const balanced = input.changes.filter((change) => balancerOf(change, input) !== undefined);
  if (balanced.length === 0) return steps;
  // Also of a first install, which needs no balancer yet: a name that is nobody's shall not come out with the second release.
  for (const change of balanced) listedHosts(balancerOf(change, input), change, input);
  const gone = new Map<number, readonly HostWork[]>();
  return steps.flatMap((step, index): Step[] => {
    const away = gone.get(step.batch);
    if (step.kind === "confirm" && away !== undefined)
      return [
        { ...step, soakSeconds: 0 },
        { ...trafficStep(step, "back", away), soakSeconds: step.soakSeconds },
      ];
    if (step.kind !== "switch") return [step];
    const leaving = step.work.flatMap(({ groups }) =>
      groups.flat().flatMap((task): Leaving[] => {
        const change = changes.get(`${task.host}/${task.component}`);
        if (task.kind !== "switch" || task.action !== "do" || change?.from === undefined) return [];
        const balancer = balancerOf(change, input);
        return balancer === undefined ? [] : [{ change, balancer }];
      }),
    );
    if (leaving.length === 0) return [step];
    refuseLastOnes(leaving, input);
    const leaves = awayWork(leaving, { ...input, steps, index });
    gone.set(step.batch, leaves);
    return [trafficStep(step, "away", leaves), step];
  });
}

interface Leaving {
  readonly change: PlannedChange;
  readonly balancer: Balancer;
}

function balancerOf({ component, to }: PlannedChange, { published }: BalancerInput): Balancer | undefined {
  const { strategy, balancer } = publishedVersion(published, component, to);
  return strategy === "balancer" ? balancer : undefined;
}

function trafficStep({ phase, batch }: Step, traffic: "away" | "back", away: readonly HostWork[]): Step {
  const turned = (task: Task): Task => ({ ...task, action: traffic === "away" ? "do" : "undo" });
  const work = away.map(({ host, groups }) => ({ host, groups: groups.map((group) => group.map(turned)) }));
  return { id: `${traffic}.${batch}`, kind: "task", traffic, phase, batch, soakSeconds: 0, work };
}

interface StepPlace {
  readonly steps: readonly Step[];
  readonly index: number;
}

/** Each balancer host takes all of them out at the same time; two components that share one host and one task leave once. */
function awayWork(leaving: readonly Leaving[], input: BalancerInput & StepPlace): HostWork[] {
  const addresses = new Map((input.fleet ?? []).map(({ name, address }) => [name, address]));
  const tasks = new Map<string, Task>();
  for (const { change, balancer } of leaving)
    for (const { host, version: to } of balancerHosts(balancer, change, input)) {
      const target = { name: change.host, address: addresses.get(change.host) ?? change.host };
      const task = targetedTask({ host, component: balancer.component, to }, { name: balancer.task }, target);
      tasks.set(task.id, task);
    }
  const byHost = Map.groupBy(
    [...tasks.values()].sort((a, b) => compareText(a.id, b.id)),
    ({ host }) => host,
  );
  return [...byHost].sort(([a], [b]) => compareText(a, b)).map(([host, group]) => ({ host, groups: [group] }));
}

/** The hosts that run the balancer; throws when there are none. */
function listedHosts(
  balancer: Balancer | undefined,
  change: PlannedChange,
  { fleet = [] }: Pick<BalancerInput, "fleet">,
): readonly string[] {
  if (balancer === undefined) return [];
  const { component } = balancer;
  const hosts = fleet.filter(({ components }) => components.includes(component)).map(({ name }) => name);
  if (hosts.length > 0) return hosts;
  throw refused("balancer-missing", change, {
    why: `no host of the Fleet lists ${component}`,
    remedy: `List ${component} at the hosts that balance, or choose another strategy for ${change.component}`,
  });
}

function balancerHosts(
  balancer: Balancer,
  change: PlannedChange,
  input: BalancerInput & StepPlace,
): { readonly host: string; readonly version: string }[] {
  const { component, task } = balancer;
  return listedHosts(balancer, change, input).map((host) => {
    const hold = input.holds.get(host);
    if (hold !== undefined)
      throw refused("balancer-held", change, {
        why: `${host}, which runs ${component}, is on hold: ${hold}`,
        remedy: `cutover resume ${host}`,
      });
    const version = versionAt({ host, component }, change, input);
    const known = input.published.get(`${component}@${version}`)?.tasks?.find(({ name }) => name === task);
    if (known?.hasUndo !== true)
      throw refused("balancer-task-missing", change, {
        why: `${component} ${version}, which ${host} runs then, ${known === undefined ? `has no task ${task}` : `has no undo for ${task}`}`,
        remedy: `Release a version of ${component} with the task ${task} first: do and undo`,
      });
    return { host, version };
  });
}

/** What the balancer runs when this step comes. A silent one may have all the traffic, so nothing is done without it (P7). */
function versionAt(
  place: { readonly host: string; readonly component: string },
  change: PlannedChange,
  { steps, index, observations }: BalancerInput & StepPlace,
): string {
  const { host, component } = place;
  const moves = steps.map(({ work }) =>
    work
      .filter((each) => each.host === host)
      .flatMap(({ groups }) => groups.flat())
      .find((task) => task.component === component && task.kind === "switch" && task.action === "do"),
  );
  if (moves[index] !== undefined)
    throw refused("balancer-in-step", change, {
      why: `${component} on ${host} would switch in the same batch`,
      remedy: `Say which goes first, with depends_on in the Release, or release them one after the other`,
    });
  const moved = moves.slice(0, index).findLast((task) => task !== undefined);
  if (moved !== undefined) return moved.version;
  const observation = observations.get(host);
  const seen = observation?.kind === "observed" ? observation.components : [];
  const current = seen.find((each) => each.component === component)?.current;
  if (current !== undefined) return current;
  throw refused("balancer-not-there", change, {
    why: observation?.kind === "observed" ? `${host} runs no version of ${component}` : `${host} does not answer`,
    remedy: `cutover host check ${host}; where it balances no more, take ${component} from its entry in the Fleet`,
  });
}

function refuseLastOnes(leaving: readonly Leaving[], { observations }: BalancerInput): void {
  for (const [component, mine] of Map.groupBy(leaving, ({ change }) => change.component)) {
    const [first] = mine;
    if (first === undefined || first.balancer.hold) continue;
    const gone = new Set(mine.map(({ change }) => change.host));
    const stays = [...observations.values()].some(
      (observation) =>
        observation.kind === "observed" &&
        !gone.has(observation.host) &&
        observation.components.some((seen) => seen.component === component && seen.current !== undefined),
    );
    if (!stays)
      throw refused("last-backend", first.change, {
        why: `no other host that answers runs ${component} while ${[...gone].join(", ")} ${gone.size === 1 ? "is" : "are"} away`,
        remedy:
          "Lower `batch_size` or `canaries` in the Policy, or say `hold: true` where the balancer keeps what arrives waiting",
      });
  }
}

const trafficRefusals = [
  "balancer-missing",
  "balancer-held",
  "balancer-task-missing",
  "balancer-in-step",
  "balancer-not-there",
  "last-backend",
] as const;

/** Whether a plan was refused only because a host cannot be taken out of traffic. */
export function isTrafficRefusal({ code }: Pick<CutoverError, "code">): boolean {
  return (trafficRefusals as readonly string[]).includes(code);
}

function refused(
  code: (typeof trafficRefusals)[number],
  { host, component, to }: PlannedChange,
  { why, remedy }: { readonly why: string; readonly remedy: string },
): CutoverError {
  return new CutoverError({
    code,
    message: `${host} cannot be taken out of traffic for ${component} ${to}`,
    exitCode: ExitCode.refused,
    evidence: why,
    impact: "Nothing was changed on any host",
    remedy,
  });
}

/** Components whose hosts a plan for these versions has to know about, beside its own. */
export function balancersOf(published: Iterable<{ readonly balancer?: Balancer }>): Set<string> {
  return new Set([...published].flatMap(({ balancer }) => (balancer === undefined ? [] : [balancer.component])));
}

/** A task of a balancer about one host, whose name its id ends with. */
export function targetedTask(
  { host, component, to: version }: Pick<PlannedChange, "host" | "component" | "to">,
  { name }: { readonly name: string },
  target: Pick<Host, "name" | "address">,
): Task {
  const options = { name, target: target.name, "target-address": target.address };
  const id = taskId(host, component, `${name}.${target.name}`);
  return { id, host, component, version, kind: "hook", action: "do", options };
}

/** Whom the task of a balancer is about. */
export function targetOf({ options }: Pick<Task, "options">): string | undefined {
  return options.target;
}
