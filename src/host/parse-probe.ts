// The data lines of `probe` become facts and observed components. Hostile input: typed, capped, unknown keys of a newer host.sh are passed over. Pure.
import {
  type HostFacts,
  type HostVersionState,
  type ObservedComponent,
  type UnitOrder,
  unitDirectives,
} from "../model/observation.ts";
import { parseNumber } from "./fields.ts";
import { ProtocolError } from "./protocol-error.ts";

const maxProbeLines = 20_000;
const componentKey = /^component\.([a-z][a-z0-9-]{0,62})\.([a-z-]{1,32})$/;
const version = /^[A-Za-z0-9][A-Za-z0-9._+-]{0,63}$/;
const component = /^[a-z][a-z0-9-]{0,62}$/;
const unit = /^[A-Za-z0-9_][A-Za-z0-9_:.@\\-]{0,254}$/;
const maxUnitOrders = 256;
const states: readonly HostVersionState[] = ["none", "trial", "confirmed", "committed", "reverting", "reverted"];

export interface ParsedProbe {
  readonly facts: HostFacts;
  readonly components: readonly ObservedComponent[];
}

/** Each element is the fields of one data line. Throws ProtocolError. */
export function parseProbe(lines: readonly (readonly string[])[]): ParsedProbe {
  if (lines.length > maxProbeLines) throw new ProtocolError(`a probe has more than ${maxProbeLines} lines`);
  const facts = new Map<string, string>();
  const components = new Map<string, Map<string, string[]>>();
  for (const [key, value, ...more] of lines) {
    if (key === undefined || value === undefined || more.length > 0)
      throw new ProtocolError("a probe line is not KEY VALUE");
    const [, component, name] = componentKey.exec(key) ?? [];
    if (component === undefined || name === undefined) facts.set(key, value);
    else {
      const values = components.get(component) ?? new Map<string, string[]>();
      components.set(component, values.set(name, [...(values.get(name) ?? []), value]));
    }
  }
  return {
    facts: readFacts(facts),
    components: [...components].map(([name, values]) => readComponent(name, values)),
  };
}

function readFacts(facts: ReadonlyMap<string, string>): HostFacts {
  const mode = required(facts, "mode");
  if (mode !== "system" && mode !== "user") throw new ProtocolError("mode is not system or user", mode);
  const tools = [...facts].flatMap(([key, value]) =>
    key.startsWith("tool.") && value === "yes" ? [key.slice(5)] : [],
  );
  const bases = [...facts].flatMap(([key, value]) => (/^base\.\d+$/.test(key) ? [value] : []));
  return {
    ...(bases.length === 0 ? {} : { bases }),
    mode,
    arch: required(facts, "arch"),
    kernel: required(facts, "kernel"),
    glibc: facts.get("glibc"),
    bootId: required(facts, "boot-id"),
    systemd: facts.get("systemd") === "yes",
    tools,
    epoch: parseNumber(required(facts, "epoch"), "epoch"),
    hostScript: required(facts, "host-script"),
  };
}

function readComponent(name: string, values: ReadonlyMap<string, readonly string[]>): ObservedComponent {
  const first = (key: string): string | undefined => values.get(key)?.[0] || undefined;
  const state = first("state") ?? (first("committed") === undefined ? "none" : "committed");
  const known = states.find((one) => one === state);
  if (known === undefined) throw new ProtocolError("a component has an unknown state", state);
  const trialTo = first("trial-to");
  const trialEnds = first("trial-ends");
  const pid = first("pid");
  const drained = first("drained");
  const unitOrder = (values.get("unit-order") ?? []).slice(0, maxUnitOrders).map(unitOrderOf);
  return {
    component: name,
    // `?` is a link that somebody pointed elsewhere: reported as it is, so that it shows as drift.
    current: first("current") === "?" ? "?" : versionOf(first("current")),
    currentTree: digestOf(first("current-tree")),
    committed: versionOf(first("committed")),
    committedTree: digestOf(first("committed-tree")),
    state: known,
    trial:
      trialTo === undefined
        ? undefined
        : {
            from: versionOf(first("trial-from")),
            to: versionOf(trialTo) ?? "",
            run: first("trial-run") ?? "",
            reason: first("trial-reason"),
            ...(trialEnds === undefined ? {} : { endsAt: parseNumber(trialEnds, "trial-ends") * 1000 }),
          },
    built: (values.get("built") ?? []).flatMap((one) => versionOf(one) ?? []),
    sequence: parseNumber(first("sequence") ?? "0", "sequence"),
    floor: parseNumber(first("floor") ?? "0", "floor"),
    active: first("active") === undefined ? undefined : first("active") === "yes",
    pid: pid === undefined ? undefined : parseNumber(pid, "pid"),
    ...(drained === undefined ? {} : { drained }),
    ...(unitOrder.length === 0 ? {} : { unitOrder }),
  };
}

/** `UNIT DIRECTIVE COMPONENT UNIT` */
function unitOrderOf(text: string): UnitOrder {
  const [own = "", word, other = "", otherUnit = "", ...more] = text.split(" ");
  const directive = unitDirectives.find((known) => known === word);
  if (directive === undefined || more.length > 0 || !component.test(other) || !unit.test(own) || !unit.test(otherUnit))
    throw new ProtocolError("an order of units is not UNIT DIRECTIVE COMPONENT UNIT", text);
  return { unit: own, directive, component: other, otherUnit };
}

function required(facts: ReadonlyMap<string, string>, key: string): string {
  const value = facts.get(key);
  if (value === undefined || value === "" || value.length > 256) throw new ProtocolError(`a probe says no ${key}`);
  return value;
}

function versionOf(text: string | undefined): string | undefined {
  if (text !== undefined && !version.test(text)) throw new ProtocolError("a version is not a version", text);
  return text;
}

function digestOf(text: string | undefined): string | undefined {
  if (text !== undefined && !/^sha256:[0-9a-f]{64}$/.test(text))
    throw new ProtocolError("a digest is not a digest", text);
  return text;
}
