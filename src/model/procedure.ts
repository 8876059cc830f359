// Procedure, the "logic book" (R30): the order of phases, and what each one does to which hosts.
import { z } from "zod";
import { ComponentName } from "./names.ts";
import { DocumentName, MatchLabels } from "./release.ts";

/** What a phase may hold. `prepare`, `before-switch`, `after-switch` and `finish` stand for the contract's tasks of that place. */
export const procedureWords = [
  "distribute",
  "build",
  "check",
  "prepare",
  "backup",
  "drain",
  "before-switch",
  "switch",
  "after-switch",
  "health",
  "undrain",
  "confirm",
  "finish",
  "commit",
] as const;
export type ProcedureWord = (typeof procedureWords)[number];

export const ProcedurePhase = z
  .strictObject({
    name: DocumentName,
    tasks: z.array(z.enum(procedureWords)).min(1).max(20).describe("In their order within the phase"),
    match: MatchLabels.optional().describe(
      "Only hosts with these labels; the others take these tasks in a later phase",
    ),
    components: z
      .array(ComponentName)
      .min(1)
      .max(1_000)
      .optional()
      .describe("Only these components; the others take these tasks in a later phase"),
  })
  .meta({ id: "ProcedurePhase" });
export type ProcedurePhase = z.infer<typeof ProcedurePhase>;

export const Procedure = z
  .strictObject({
    apiVersion: z.literal("cutover/v1"),
    kind: z.literal("Procedure"),
    name: DocumentName.default("procedure"),
    phases: z.array(ProcedurePhase).min(1).max(20),
  })
  .meta({ id: "Procedure", description: "The order of phases. One is built in" });
export type Procedure = z.infer<typeof Procedure>;

const switching: readonly ProcedureWord[] = [
  "backup",
  "drain",
  "before-switch",
  "switch",
  "after-switch",
  "health",
  "undrain",
  "confirm",
];
const ahead: readonly ProcedurePhase[] = [
  { name: "distribute", tasks: ["distribute", "build"] },
  { name: "check", tasks: ["check", "prepare"] },
];
const last: ProcedurePhase = { name: "commit", tasks: ["finish", "commit"] };
const tags = { apiVersion: "cutover/v1", kind: "Procedure" } as const;

/** Hosts are told apart by their label `plane`; those without one are the data plane. */
export const builtInProcedure: Procedure = {
  ...tags,
  name: "built-in",
  phases: [
    ...ahead,
    { name: "control-plane", match: { plane: "control" }, tasks: [...switching] },
    { name: "network", match: { plane: "network" }, tasks: [...switching] },
    { name: "data-plane", tasks: [...switching] },
    last,
  ],
};

/** All hosts alike: for ways back, whose order is that of the way there turned round. */
export const plainProcedure: Procedure = {
  ...tags,
  name: "plain",
  phases: [...ahead, { name: "switch", tasks: [...switching] }, last],
};

/** Phases that move hosts onto a version. */
export function isSwitching({ tasks }: Pick<ProcedurePhase, "tasks">): boolean {
  return tasks.includes("switch");
}

/** Pairs that no procedure may turn round: the promises P1, P2 and P4 rest on them. */
const mustPrecede: readonly (readonly [ProcedureWord, ProcedureWord])[] = [
  ["distribute", "build"],
  ["build", "check"],
  ["build", "prepare"],
  ["check", "switch"],
  ["prepare", "switch"],
  ["backup", "before-switch"],
  ["backup", "switch"],
  ["drain", "switch"],
  ["before-switch", "switch"],
  ["switch", "after-switch"],
  ["switch", "health"],
  ["switch", "undrain"],
  ["health", "undrain"],
  ["after-switch", "confirm"],
  ["health", "confirm"],
  ["undrain", "confirm"],
  ["confirm", "finish"],
  ["finish", "commit"],
];

export interface ProcedureProblem {
  readonly path: readonly (string | number)[];
  readonly message: string;
}

/** What is wrong with a procedure beyond its schema: names or tasks twice, some that no host would get, an unsafe order. */
export function checkProcedure(procedure: Procedure): ProcedureProblem[] {
  return [...repeatedNames(procedure), ...wholePhases(procedure), ...switchingPhases(procedure), ...wrongOrder(procedure)]; // biome-ignore format: one line
}

function repeatedNames({ phases }: Procedure): ProcedureProblem[] {
  return phases.flatMap(({ name, tasks }, index) => [
    ...(phases.findIndex((phase) => phase.name === name) < index
      ? [{ path: ["phases", index, "name"], message: `two phases are called ${name}` }]
      : []),
    ...tasks.flatMap((word, place) =>
      tasks.indexOf(word) < place
        ? [{ path: ["phases", index, "tasks", place], message: `${word} is there twice` }]
        : [],
    ),
  ]);
}

/** What is not part of switching concerns all hosts at once, so it stands once, and chooses nobody. */
function wholePhases({ phases }: Procedure): ProcedureProblem[] {
  const whole = procedureWords.filter((word) => !switching.includes(word));
  const problems: ProcedureProblem[] = [];
  for (const [index, phase] of phases.entries()) {
    const held = phase.tasks.filter((word) => whole.includes(word));
    if (isSwitching(phase) && held.length > 0)
      problems.push({
        path: ["phases", index, "tasks"],
        message: `${held.join(", ")} cannot be in a phase that switches`,
      });
    if (held.length > 0 && hasSelector(phase))
      problems.push({ path: ["phases", index], message: `${held.join(", ")} is for all hosts; match and components choose among those of a switch` }); // biome-ignore format: one line
    for (const word of held)
      if (phases.findIndex(({ tasks }) => tasks.includes(word)) < index)
        problems.push({
          path: ["phases", index, "tasks", phase.tasks.indexOf(word)],
          message: `${word} is there twice`,
        });
  }
  for (const [index, { tasks }] of phases.entries())
    if (tasks.includes("distribute") !== tasks.includes("build"))
      problems.push({ path: ["phases", index, "tasks"], message: "distribute and build belong into one phase: a host that refuses a patch gets the full artifact in the same step" }); // biome-ignore format: one line
  const missing = whole.filter((word) => !phases.some(({ tasks }) => tasks.includes(word)));
  if (missing.length > 0) problems.push({ path: ["phases"], message: `no phase holds ${missing.join(", ")}` });
  return problems;
}

/** Each holds everything that a switch needs, and the last one takes whoever is left. */
function switchingPhases({ phases }: Procedure): ProcedureProblem[] {
  const problems: ProcedureProblem[] = [];
  const places = phases.flatMap((phase, index) => (isSwitching(phase) ? [index] : []));
  if (places.length === 0) problems.push({ path: ["phases"], message: "no phase holds switch" });
  for (const [index, phase] of phases.entries()) {
    const missing = switching.filter((word) => !phase.tasks.includes(word));
    if (isSwitching(phase) && missing.length > 0)
      problems.push({
        path: ["phases", index, "tasks"],
        message: `a phase that switches also holds ${missing.join(", ")}`,
      });
    const stray = phase.tasks.filter((word) => switching.includes(word));
    if (!isSwitching(phase) && stray.length > 0)
      problems.push({
        path: ["phases", index, "tasks"],
        message: `${stray.join(", ")} belongs into a phase that switches`,
      });
    const isLast = index === places.at(-1);
    if (isLast && hasSelector(phase))
      problems.push({ path: ["phases", index], message: "the last phase that switches takes all hosts that are left, so it has neither match nor components" }); // biome-ignore format: one line
    if (isSwitching(phase) && !isLast && !hasSelector(phase))
      problems.push({ path: ["phases", index], message: "no host is left for the phases after this one; it needs match or components" }); // biome-ignore format: one line
  }
  return problems;
}

function hasSelector({ match, components }: ProcedurePhase): boolean {
  return match !== undefined || components !== undefined;
}

/** Every phase with the first word comes before every one with the second, or is the same one. */
function wrongOrder({ phases }: Procedure): ProcedureProblem[] {
  const places = (word: ProcedureWord) =>
    phases.flatMap(({ tasks }, index) => (tasks.includes(word) ? [{ index, place: tasks.indexOf(word) }] : []));
  return mustPrecede.flatMap(([first, second]) => {
    const turned = places(first).some((a) =>
      places(second).some((b) =>
        switching.includes(first) && switching.includes(second)
          ? a.index === b.index && a.place > b.place
          : a.index > b.index || (a.index === b.index && a.place > b.place),
      ),
    );
    return turned ? [{ path: ["phases"], message: `${first} must come before ${second}` }] : [];
  });
}
