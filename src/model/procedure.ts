// Procedure, the "logic book" (R30): the order of phases and the task kinds each one holds. Checked here, not yet executed.
import { z } from "zod";
import { DocumentName } from "./release.ts";
import { type TaskKind, taskKinds } from "./task.ts";

export const ProcedurePhase = z
  .strictObject({
    name: DocumentName,
    tasks: z.array(z.enum(taskKinds)).min(1).max(20).describe("Task kinds in their order within the phase"),
  })
  .meta({ id: "ProcedurePhase" });

export const Procedure = z
  .strictObject({
    apiVersion: z.literal("cutover/v1"),
    kind: z.literal("Procedure"),
    name: DocumentName.default("procedure"),
    phases: z.array(ProcedurePhase).min(1).max(20),
  })
  .meta({ id: "Procedure", description: "The order of phases. One is built in" });
export type Procedure = z.infer<typeof Procedure>;

export const builtInProcedure: Procedure = {
  apiVersion: "cutover/v1",
  kind: "Procedure",
  name: "built-in",
  phases: [
    { name: "distribute", tasks: ["distribute", "build"] },
    { name: "check", tasks: ["check"] },
    { name: "switch", tasks: ["backup", "drain", "hook", "switch", "health"] },
    { name: "confirm", tasks: ["confirm"] },
    { name: "commit", tasks: ["commit"] },
  ],
};

/** Pairs that no procedure may turn round: the promises P1, P2 and P4 rest on them. */
const mustPrecede: readonly (readonly [TaskKind, TaskKind])[] = [
  ["distribute", "build"],
  ["build", "check"],
  ["check", "switch"],
  ["backup", "switch"],
  ["drain", "switch"],
  ["switch", "health"],
  ["switch", "confirm"],
  ["health", "confirm"],
  ["confirm", "commit"],
];

export interface ProcedureProblem {
  readonly path: readonly (string | number)[];
  readonly message: string;
}

/** What is wrong with a procedure beyond its schema: repeated names, a task kind missing or twice, an unsafe order. */
export function checkProcedure(procedure: Procedure): ProcedureProblem[] {
  const problems: ProcedureProblem[] = [];
  const names = new Set<string>();
  const places = new Map<TaskKind, number>();
  let place = 0;
  for (const [index, phase] of procedure.phases.entries()) {
    if (names.has(phase.name))
      problems.push({ path: ["phases", index, "name"], message: `two phases are called ${phase.name}` });
    names.add(phase.name);
    for (const [taskIndex, kind] of phase.tasks.entries()) {
      if (places.has(kind))
        problems.push({ path: ["phases", index, "tasks", taskIndex], message: `${kind} is there twice` });
      else places.set(kind, place++);
    }
  }
  const missing = taskKinds.filter((kind) => !places.has(kind));
  if (missing.length > 0) problems.push({ path: ["phases"], message: `no phase holds ${missing.join(", ")}` });
  for (const [first, second] of mustPrecede) {
    const [before, after] = [places.get(first), places.get(second)];
    if (before !== undefined && after !== undefined && before > after) {
      problems.push({ path: ["phases"], message: `${first} must come before ${second}` });
    }
  }
  return problems;
}
