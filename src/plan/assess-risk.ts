// What a reviewer must see before agreeing: steps that cannot be taken back, and steps that may hurt. Pure.
import type { Plan, PlannedChange } from "../model/plan.ts";
import type { RiskItem } from "../model/review.ts";
import { unitOrderText } from "../model/unit-order.ts";
import { stretchesOf } from "./stretches.ts";

/** What a version's signed contract and metadata say that bears on risk. */
export interface VersionTraits {
  readonly component: string;
  readonly version: string;
  readonly sequence: number;
  readonly floor: number;
  readonly strategy: string;
  readonly manager: string;
  readonly hasHealth: boolean;
  /** It answers on the network: ports, sockets, or checks that connect to the host itself. */
  readonly listens: boolean;
  /** Migrations that it contracts: what older versions work on is gone once it is committed. */
  readonly contracts?: readonly string[];
  /** Tasks that a switch runs and that nothing takes back. */
  readonly tasksWithoutUndo: readonly string[];
}

export interface RiskInput {
  readonly plan: Pick<Plan, "changes" | "waiting" | "rollbackPolicy" | "unitOrder" | "slice" | "steps">;
  /** Keyed by `component@version`; versions that hosts come from may be missing. */
  readonly traits: ReadonlyMap<string, VersionTraits>;
}

type Found = Omit<RiskItem, "component" | "hosts"> & { readonly hosts: readonly PlannedChange[] };

/** Irreversible items first, then by component; each with the hosts that it is about. */
export function assessRisk({ plan, traits }: RiskInput): RiskItem[] {
  const moving = [...changesMade(plan), ...plan.waiting]
    .flatMap(stretchesOf)
    .filter(({ from, to, fromTree, toTree }) => from !== to || fromTree !== toTree);
  const seen = new Set(plan.changes);
  const versions = Map.groupBy(moving, ({ component, to }) => `${component}@${to}`);
  const items = [...versions].flatMap(([key, changes]): RiskItem[] => {
    const version = traits.get(key);
    if (version === undefined) return [];
    const found = [
      ...irreversible(version, changes),
      ...contracting(version, { changes, traits }),
      ...rightAway(version, changes),
      ...handingOver(version, { changes, traits }),
      ...wayBack(version, { changes, traits, observed: changes.filter((change) => seen.has(change)) }),
      ...(plan.rollbackPolicy === "manual" ? [manualRollback(changes)] : []),
    ];
    return found
      .filter(({ hosts }) => hosts.length > 0)
      .map((item) => ({ ...item, component: version.component, hosts: hostsOf(item.hosts) }));
  });
  const rank = ({ kind }: RiskItem) => (kind === "irreversible" ? 0 : 1);
  return [...items, ...unitOrderRisks(plan)].sort(
    (a, b) => rank(a) - rank(b) || (a.component < b.component ? -1 : a.component > b.component ? 1 : 0),
  );
}

/** Of a slice that brings and checks only, none: what hurts comes with what it leaves. */
function changesMade({ changes, slice, steps }: RiskInput["plan"]): readonly PlannedChange[] {
  if (slice === undefined) return changes;
  const tasks = steps.flatMap(({ work }) => work.flatMap(({ groups }) => groups.flat()));
  const ours = tasks.filter(({ kind }) => kind !== "distribute" && kind !== "build" && kind !== "check");
  const places = new Set(ours.map(({ host, component }) => `${host}/${component}`));
  return changes.filter(({ host, component }) => places.has(`${host}/${component}`));
}

/** Orders of units that the plan could not keep to. */
function unitOrderRisks({ unitOrder = [] }: RiskInput["plan"]): RiskItem[] {
  return unitOrder.flatMap((finding) => {
    const { kind, component, hosts } = finding;
    if (kind === "respected") return [];
    return { kind: "risky" as const, component, reason: "unit-order", text: unitOrderText(finding), hosts };
  });
}

function irreversible({ component, version, floor, tasksWithoutUndo }: VersionTraits, hosts: Found["hosts"]): Found[] {
  const found: Found[] = tasksWithoutUndo.map((task) => ({
    kind: "irreversible",
    reason: "no-undo",
    text: `task ${task} of ${component} ${version} has no undo: a way back leaves behind what it did`,
    hosts,
  }));
  if (floor === 0) return found;
  const text = `${component} ${version} raises the rollback floor: hosts that commit it refuse every version below sequence ${floor}, for ever`;
  return [{ kind: "irreversible", reason: "raises-floor", text, hosts }, ...found];
}

/** What was contracted before is no news. */
function contracting(
  { component, version, contracts = [] }: VersionTraits,
  { changes, traits }: { readonly changes: Found["hosts"]; readonly traits: RiskInput["traits"] },
): Found[] {
  return contracts.map((migration) => ({
    kind: "irreversible",
    reason: "contracts-migration",
    text: `${component} ${version} contracts the migration ${migration}: once it is committed, no version before it runs again on this data`,
    hosts: changes.filter(({ from }) => !traits.get(`${component}@${from}`)?.contracts?.includes(migration)),
  }));
}

function rightAway(traits: VersionTraits, hosts: Found["hosts"]): Found[] {
  const { component, version, strategy, hasHealth, listens, manager } = traits;
  const found: Found[] = [];
  if (!hasHealth) {
    const text = `${component} ${version} has no health check: nobody looks whether it works before the next batch goes`;
    found.push({ kind: "risky", reason: "no-health-check", text, hosts });
  }
  if (!listens || (strategy !== "restart" && (strategy !== "none" || manager === "none"))) return found;
  const why =
    strategy === "restart"
      ? "stopped before it is started again: requests that come in between are lost"
      : "not switched by its strategy `none`: whoever restarts it drops its requests";
  const updated = hosts.filter(({ from }) => from !== undefined);
  return [
    ...found,
    { kind: "risky", reason: "drops-requests", text: `${component} listens, and is ${why}`, hosts: updated },
  ];
}

/** What strategies that keep clients connected cannot keep. */
function handingOver(
  { component, version, strategy, listens }: VersionTraits,
  { changes, traits }: { readonly changes: Found["hosts"]; readonly traits: RiskInput["traits"] },
): Found[] {
  const updated = changes.filter(({ from }) => from !== undefined);
  const publishedWithout = (...known: readonly string[]) =>
    updated.filter(({ from }) => {
      const before = traits.get(`${component}@${from}`)?.strategy;
      return before !== undefined && !known.includes(before);
    });
  if (strategy === "signal" || strategy === "reload") {
    const text = `${component} ${version} is switched by signals, and runs in a version that was not published with ${strategy}: where its process does not handle the signal hosts refuse the switch, and where no pid file names its master they stop and start it`;
    return [{ kind: "risky", reason: "cannot-hand-over", text, hosts: publishedWithout(strategy) }];
  }
  if (strategy === "takeover") {
    const unable = publishedWithout("takeover", "exec");
    const cold = `${component} ${version} takes over from a version that was not published with takeover or exec: unless that one can hand its connections over, hosts refuse or fail the switch, and the old one serves on`;
    const final = `${component} ${version} that dies after it took the connections takes them with it: the way back then starts the old version without them`;
    return [
      { kind: "risky", reason: "takeover-is-final", text: final, hosts: updated },
      { kind: "risky", reason: "cannot-hand-over", text: cold, hosts: unable },
    ];
  }
  if (strategy === "exec") {
    const text = `${component} ${version} is switched by a signal, and runs in a version that was not published with exec or takeover: where its process does not handle the signal hosts refuse the switch, until one release with restart has brought a version that does`;
    return [{ kind: "risky", reason: "cannot-hand-over", text, hosts: publishedWithout("exec", "takeover", "signal") }];
  }
  if (strategy !== "reuseport" || !listens) return [];
  const text = `${component} runs twice on one port for a while: connections that the old process has not accepted when it stops are reset where net.ipv4.tcp_migrate_req cannot be set (Linux before 5.14, user mode); the evidence of each switch says which`;
  return [{ kind: "risky", reason: "resets-waiting", text, hosts: updated }];
}

interface WayBack {
  readonly changes: readonly PlannedChange[];
  readonly traits: RiskInput["traits"];
  /** Hosts whose facts are known. */
  readonly observed: readonly PlannedChange[];
}

function wayBack({ component, version, sequence }: VersionTraits, { changes, traits, observed }: WayBack): Found[] {
  const older = changes.filter(({ from }) => (traits.get(`${component}@${from}`)?.sequence ?? 0) > sequence);
  const first = changes.filter(({ from }) => from === undefined);
  const names = [...new Set(older.map(({ from }) => from))].join(", ");
  return [
    {
      kind: "risky",
      reason: "downgrade",
      text: `${component} goes back from ${names} to ${version}, which was published earlier`,
      hosts: older,
    },
    {
      kind: "risky",
      reason: "first-install",
      text: `${component} ${version} is a first install: there is no earlier version to go back to`,
      hosts: first,
    },
    {
      kind: "risky",
      reason: "not-across-reboot",
      text: `a reboot during the trial of ${component} ${version} may leave it in place: no systemd is known there that would take it back`,
      hosts: observed.filter(({ revertsAfterReboot }) => !revertsAfterReboot),
    },
  ];
}

function manualRollback(hosts: Found["hosts"]): Found {
  const text = "rollback_policy is manual: a batch that fails stays as it is until a person decides";
  return { kind: "risky", reason: "manual-rollback", text, hosts };
}

function hostsOf(changes: readonly PlannedChange[]): string[] {
  return [...new Set(changes.map(({ host }) => host))].sort();
}
