// Which phase of the Procedure moves which change. Pure.
import { CutoverError, ExitCode } from "../errors.ts";
import type { DesiredRelease } from "../model/desired.ts";
import type { PlannedChange } from "../model/plan.ts";
import { isSwitching, type Procedure, type ProcedurePhase } from "../model/procedure.ts";
import { orderEdges } from "./order-edges.ts";

export type LabelsOf = (host: string) => Readonly<Record<string, string>>;

type Place = Pick<PlannedChange, "host" | "component">;

/** The first phase that switches and chooses this change. A procedure that was checked leaves nobody out. */
export function phaseOf({ phases }: Procedure, { host, component }: Place, labelsOf: LabelsOf): ProcedurePhase {
  const found = phases.find((phase) => isSwitching(phase) && chooses(phase, component, () => labelsOf(host)));
  if (found === undefined) throw new Error(`no phase of the procedure switches ${component} on ${host}`);
  return found;
}

function chooses(
  { match = {}, components }: ProcedurePhase,
  component: string,
  labels: () => Readonly<Record<string, string>>,
): boolean {
  if (components !== undefined && !components.includes(component)) return false;
  const wanted = Object.entries(match);
  if (wanted.length === 0) return true;
  const own = labels();
  return wanted.every(([label, value]) => own[label] === value);
}

export interface PhasedChanges {
  readonly phase: ProcedurePhase;
  readonly changes: readonly PlannedChange[];
}

/** Phases that switch, in their order, each with its changes; those without any are left out. */
export function phasesOfChanges(
  procedure: Procedure,
  changes: readonly PlannedChange[],
  labelsOf: LabelsOf,
): PhasedChanges[] {
  const byPhase = Map.groupBy(changes, (change) => phaseOf(procedure, change, labelsOf));
  return procedure.phases.flatMap((phase) => {
    const mine = byPhase.get(phase);
    return mine === undefined ? [] : [{ phase, changes: mine }];
  });
}

/** Throws `procedure-breaks-order`: a component would move in an earlier phase than one that has to go before it. */
export function refuseBrokenOrder(phased: readonly PhasedChanges[], { components }: DesiredRelease): void {
  const firstPhase = new Map<string, number>();
  const lastPhase = new Map<string, number>();
  for (const [index, { changes }] of phased.entries()) {
    for (const { component } of changes) {
      if (!firstPhase.has(component)) firstPhase.set(component, index);
      lastPhase.set(component, index);
    }
  }
  const nameOf = (index: number) => phased[index]?.phase.name ?? "?";
  const broken = orderEdges(components).flatMap(({ before, after }) => {
    const [lower, upper] = [lastPhase.get(before), firstPhase.get(after)];
    if (upper === undefined || lower === undefined || lower <= upper) return [];
    return [`${after} moves in phase ${nameOf(upper)}, and ${before}, which goes before it, in ${nameOf(lower)}`];
  });
  if (broken.length === 0) return;
  throw new CutoverError({
    code: "procedure-breaks-order",
    message: "The Procedure moves components before those that have to go first",
    exitCode: ExitCode.refused,
    evidence: broken.join("\n"),
    impact: "Nothing was changed on any host",
    remedy: "Put that component into the same phase or an earlier one, or change depends_on and consumes",
  });
}
