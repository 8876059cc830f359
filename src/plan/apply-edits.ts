// Plan edits at work on one plan: those of steps are carried out here, those of intent (holds, exclusions, pins) have been
// before the difference; all are listed with what came of them. Pure.
import type { DesiredRelease } from "../model/desired.ts";
import type { PlannedEdit, Step } from "../model/plan.ts";
import type { NamedEdit } from "../model/plan-edit.ts";
import { editRefused } from "./check-edits.ts";
import { orderProblems, passedTasks } from "./check-order.ts";
import { editSteps } from "./edit-steps.ts";

export interface AppliedEdits {
  readonly steps: readonly Step[];
  /** Undefined when the release has none. */
  readonly edits: readonly PlannedEdit[] | undefined;
}

/** Throws `plan-edit-refused` when something would move before what it depends on. */
export function applyEdits(release: DesiredRelease, steps: readonly Step[]): AppliedEdits {
  if (release.edits === undefined) return { steps, edits: undefined };
  const edited = editSteps(steps, release.edits);
  const moves = release.edits.some(({ kind }) => kind === "move");
  const broken = moves ? [...orderProblems(edited.steps, release.components), ...passedTasks(steps, edited.steps)] : [];
  if (broken.length > 0) throw editRefused(release.name, broken);
  const edits = release.edits.map((edit) => ({
    ...edit,
    effect: edited.effects.get(edit) ?? intentEffect(edit, release),
  }));
  return { steps: edited.steps, edits };
}

function intentEffect(edit: NamedEdit, { components }: DesiredRelease): string {
  switch (edit.kind) {
    case "hold":
      return `${edit.host}${edit.component === undefined ? "" : ` ${edit.component}`} stays as it is`;
    case "exclude":
      return `${edit.component} on ${edit.host} is no part of the release`;
    case "pin": {
      const targets = components.find(({ name }) => name === edit.component)?.targets ?? [];
      const pinned = targets.filter(
        ({ host, version, insteadOf }) =>
          insteadOf !== undefined && version === edit.version && (edit.host ?? host) === host,
      );
      const instead = [...new Set(pinned.map(({ insteadOf }) => insteadOf))].sort().join(" and ");
      const [first] = pinned;
      if (first === undefined) return `the release asks for ${edit.component} ${edit.version} there anyway`;
      const where = pinned.length === 1 ? first.host : `${pinned.length} hosts`;
      return `${where} ${pinned.length === 1 ? "gets" : "get"} ${edit.component} ${edit.version} instead of ${instead}`;
    }
    default:
      return "";
  }
}
