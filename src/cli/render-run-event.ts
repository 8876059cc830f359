// One event of a run as the lines it is worth: what piped output prints, and what a live picture prints above itself. Pure.
import type { Plan } from "../model/plan.ts";
import type { JournalEvent } from "../model/run-event.ts";
import { foldHosts } from "../status/fold-hosts.ts";
import { type Failure, type RunProgress, type StepProgress, sentBytes, stepOf } from "./progress.ts";
import { readBack, stepsInForce } from "./read-back.ts";
import { byHandText, isByHand, spokenLines, turnText } from "./render-by-hand.ts";
import { cutLines } from "./render-cut.ts";
import { evidenceLines } from "./render-error.ts";
import { planSummary } from "./render-plan.ts";
import { type Line, type Span, type Style, styled } from "./text.ts";
import { counted, formatBytes, formatCount, formatDuration } from "./units.ts";

export interface EventLines {
  readonly lines: readonly Line[];
  /** Worth its place also above a live picture, which shows everything else itself. */
  readonly lasting: boolean;
}

const nothing: EventLines = { lines: [], lasting: false };
const shortList = { ranges: 6 };
const shortEvidence = 12;
/** Steps of more hosts than this report each tenth. */
const longStep = 50;

/** `progress` has applied the event already. */
export function renderRunEvent(progress: RunProgress, event: JournalEvent): EventLines {
  switch (event.kind) {
    case "run-planned":
      return lasting([
        [styled(`run ${progress.run}`, "strong"), ` for commit ${event.commit.slice(0, 12)}`],
        event.plan.changes.length === 0 && event.plan.steps.length > 0
          ? [`  by hand: ${event.plan.steps.map(byHandText).join(", ")}`]
          : ["  ", ...planSummary({ plan: event.plan })],
        ...sendLines(event.plan),
        [styled(`  plan ${event.plan.hash}`, "faint")],
      ]);
    case "run-resumed":
      return lasting([[styled(`run ${progress.run}`, "strong"), ` goes on where it was, epoch ${event.epoch}`]]);
    case "gate-opened":
      return lasting([
        [styled(`${gateName(progress, event.step)} opened`, "good"), ` by ${event.by}: ${event.reason}`],
      ]);
    case "step-started":
      if (stepOf(progress, event.step).kind === "gate") return lasting(closedGateLines(progress, event.step));
      return passing([startLine(progress, stepOf(progress, event.step))]);
    case "step-ended":
      return passing(endLines(progress, stepOf(progress, event.step)));
    case "step-added":
      return lasting([[styled(event.by, "strong"), ` ${byHandText(event.step)}: ${event.reason}`]]);
    case "host-reopened":
      // Those of a run that goes task by task are the run's own.
      if (event.by === "cutover") return nothing;
      return lasting([[styled(event.by, "strong"), ` ${turnText(progress, event)}: ${event.reason}`]]);
    case "task-skipped":
      return lasting([[styled("skipped:", "warn"), ` ${event.task}, by ${event.by}: ${event.reason}`]]);
    case "amended":
      return lasting([
        [
          styled("amended:", "warn"),
          ` ${event.component} ${event.version} goes on with another task bundle, by ${event.by}`,
        ],
        ...event.changes.map((change): Line => [`  ${change}`]),
        [styled(`  plan ${event.hash}`, "faint")],
      ]);
    case "task":
      if (event.event.state === "done" && isByHand(event.step))
        return lasting(spokenLines(event.event, stepOf(progress, event.step).dry));
      if (event.event.state === "done") return lastingIfAny(cutLines(event));
      if (event.event.state !== "failed") return nothing;
      return failureLines(progress, event.step, event.host);
    case "host-ended":
      if (event.outcome !== "done") return failureLines(progress, event.step, event.host);
      return milestone(stepOf(progress, event.step));
    case "unwell-beside":
      return lasting([besideLine(event)]);
    case "restore-point-taken":
      return lasting([
        [
          styled(`restore point ${event.point.id}`, "good"),
          `: ${counted(event.point.parts.length, "part")} within ${formatDuration(event.point.spreadMs)}`,
        ],
      ]);
    case "restore-point-torn":
      return lasting([
        [styled(`restore point ${event.id} is torn`, "warn"), ", nothing has switched"],
        ...event.problems.slice(0, 6).map(({ text }): Line => [`  ${text}`]),
      ]);
    case "patch-refused":
      return lasting(refusedLines(progress));
    case "quarantined":
      return lasting([
        [
          styled("quarantined", "bad"),
          ` ${event.component} ${event.version}: ${event.reason}; git asking for it changes nothing`,
        ],
      ]);
    case "rollback-started":
      return lasting([[styled("going back", "warn"), ` (${event.scope}, by ${event.by}): ${event.reason}`]]);
    case "run-ended":
      return lasting(summaryLines(progress));
    default:
      return nothing;
  }
}

/** `switch 2 of 5`, `way back 2`, `orders/expand`, `way back of orders/expand`. */
export function stepTitle({ plan }: Pick<RunProgress, "plan">, { id, kind, batch }: StepProgress): string {
  if (kind === "rollback") return wayBackTitle(plan, id, batch);
  if (kind === "gate") return gateName({ plan }, id);
  if (kind === "task") return taskTitle(plan, id);
  if (batch === 0) return kind;
  // Its batches have the numbers of the whole plan.
  if (plan?.slice !== undefined) return `${kind} ${batch}`;
  const batches = plan?.steps.filter((step) => step.kind === "switch").length ?? 0;
  return `${kind} ${batch} of ${formatCount(batches)}`;
}

/** Batches have their numbers; what stood around them, such as a restore point, its name. */
function wayBackTitle(plan: Plan | undefined, id: string, batch: number): string {
  const way = /^rollback\.(?:again\d+\.)?/.exec(id)?.[0] ?? "";
  const undone = id.slice(way.length);
  return undone === String(batch) ? `way back ${batch}` : `way back of ${taskTitle(plan, undone)}`;
}

/** What runs once is named; what every host runs by itself goes by its place: `prepare`, `finish`. */
function taskTitle(plan: Plan | undefined, id: string): string {
  if (!id.startsWith("once.")) return id;
  const task = plan?.steps.find((step) => step.id === id)?.work[0]?.groups[0]?.[0];
  return task === undefined ? id : task.id.split("/").slice(1).join("/");
}

/** `sends shop 1.0.0 → 2.0.0 as a direct patch, 1.2 MB a host: 3 hosts, web1..web3`. */
function sendLines({ transfers = [] }: Plan): Line[] {
  const words = { direct: "as a direct patch", chain: "as a chain of patches", full: "whole" };
  return transfers.flatMap(({ component, from, to, hosts, path, via, bytesPerHost }): Line[] => {
    if (path === "present") return [];
    const chain = via.length === 0 ? "" : ` via ${via.join(" and ")}`;
    const bytes = bytesPerHost === undefined ? "" : `, ${formatBytes(bytesPerHost)} a host`;
    const names = `${counted(hosts.length, "host")}, ${foldHosts(hosts, shortList)}`;
    return [[`  sends ${component} ${from ?? "(none)"} → ${to} ${words[path]}${chain}${bytes}: ${names}`]];
  });
}

/** The newest refusal. A damaged base is worth a look of its own: the evidence is shown once for all hosts that say the same. */
function refusedLines({ refusedPatches }: RunProgress): Line[] {
  const refused = refusedPatches.at(-1);
  if (refused === undefined) return [];
  const { host, component, version, reason, evidence } = refused;
  const head: Line = [
    styled(`patch refused: ${host}`, "warn"),
    ` ${component} ${version}: ${reason}; it gets the full artifact`,
  ];
  const same = refusedPatches.some((other) => other !== refused && other.evidence === evidence);
  return same || evidence === "" ? [head] : [head, ...evidenceLines(evidence, 2, shortEvidence)];
}

/** Done means read back: hosts, seconds, bytes. Always the last lines of a run. */
export function summaryLines(progress: RunProgress): Line[] {
  const { outcome, reason, startedAt, at } = progress;
  const isPart = outcome !== "rolled-back" && (progress.plan?.slice?.left.length ?? 0) > 0;
  const { done, of } = isPart ? wentThrough(progress) : readBack(progress);
  const went = isPart ? "went through this slice" : "read back";
  const cost = `${formatDuration(at - startedAt)}, ${formatBytes(sentBytes(progress))}`;
  const hosts = `${formatCount(done)} of ${counted(of, "host")}`;
  // A task that was run by itself changes no host of a plan.
  if (outcome === "done" && of === 0) return [[styled("done:", "good"), ` ${cost}`]];
  if (outcome === "done") return [[styled("done:", "good"), ` ${hosts} ${went}, ${cost}`, refusedText(progress)]];
  if (outcome === "rolled-back") {
    return [
      [styled("rolled back:", "warn"), ` ${hosts} went back and were read back, ${cost}`],
      [`  because ${reason}`],
      [styled("next:", "accent"), " cutover status"],
    ];
  }
  const word = outcome === "stuck" ? "stuck:" : "waiting:";
  return [
    [styled(word, "bad"), ` ${hosts} ${went}, ${cost}`],
    [`  because ${reason || unknownReason(progress)}`],
    [styled("next:", "accent"), " cutover status"],
  ];
}

/** Of a part of a plan that leaves the commit: hosts that have ended each of its steps well. */
function wentThrough({ plan, steps }: RunProgress): { readonly done: number; readonly of: number } {
  const hosts = [...new Set(plan?.changes.map(({ host }) => host))];
  const all = plan?.steps.flatMap(({ id }) => steps.get(id) ?? []) ?? [];
  const done = hosts.filter((host) => all.every((step) => !step.hosts.has(host) || step.outcomes.get(host) === "done"));
  return { done: done.length, of: hosts.length };
}

function refusedText({ refusedPatches }: RunProgress): Span {
  const hosts = [...new Set(refusedPatches.map(({ host }) => host))];
  if (hosts.length === 0) return "";
  return styled(`; ${foldHosts(hosts, shortList)} refused a patch and got the full artifact`, "warn");
}

function unknownReason(progress: RunProgress): string {
  const unknown = stepsInForce(progress).flatMap((step) =>
    [...step.outcomes].flatMap(([host, outcome]) => (outcome === "unknown" ? [host] : [])),
  );
  return unknown.length === 0 ? "it was interrupted" : `nobody knows how it ended on ${foldHosts(unknown, shortList)}`;
}

/** They count in the failure budget of this one as well. */
function besideLine({ hosts, runs }: Extract<JournalEvent, { kind: "unwell-beside" }>): Line {
  if (hosts.length === 0) return [styled("well again:", "good"), " no other open run of the release has a host that is not well"]; // biome-ignore format: one line
  return [
    styled(`not well elsewhere: ${foldHosts(hosts, shortList)}`, "warn"),
    `, in ${runs.join(", ")} of the same release, which shares its failure budget with this one`,
  ];
}

function closedGateLines(progress: RunProgress, id: string): Line[] {
  const gate = progress.plan?.steps.find((step) => step.id === id)?.gate;
  return [
    [styled(`waits at ${gateName(progress, id)}:`, "warn"), ` ${gate?.reason ?? ""}`],
    [styled("next:", "accent"), ` cutover gate open ${progress.run} ${gate?.name ?? id} --reason …`],
  ];
}

function gateName({ plan }: Pick<RunProgress, "plan">, id: string): string {
  return `gate ${plan?.steps.find((step) => step.id === id)?.gate?.name ?? id}`;
}

function startLine(progress: RunProgress, step: StepProgress): Line {
  const title = styled(stepTitle(progress, step), "strong");
  if (step.hosts.size === 0) return [title, ": started"];
  return [title, `: ${counted(step.hosts.size, "host")}, ${foldHosts([...step.hosts], shortList)}`];
}

/** One line for every outcome, however many hosts share it. */
function endLines(progress: RunProgress, step: StepProgress): Line[] {
  const title = stepTitle(progress, step);
  const elapsed = formatDuration((step.endedAt ?? progress.at) - (step.startedAt ?? progress.at));
  const bytes = step.kind === "distribute" ? `, ${formatBytes(sentBytes(progress))}` : "";
  const words: readonly (readonly ["done" | "failed" | "unknown", Style])[] = [
    ["done", "good"],
    ["failed", "bad"],
    ["unknown", "bad"],
  ];
  return words.flatMap(([word, style]) => {
    const hosts = [...step.outcomes].flatMap(([host, outcome]) => (outcome === word ? [host] : []));
    if (hosts.length === 0) return [];
    const names = foldHosts(hosts, shortList);
    return [
      [
        styled(title, "strong"),
        ": ",
        styled(word, style),
        ` on ${formatCount(hosts.length)} (${names}) in ${elapsed}${bytes}`,
      ],
    ];
  });
}

/** The first of a kind with its evidence, at once; the same on further hosts in one line each. */
function failureLines(progress: RunProgress, step: string, host: string): EventLines {
  const failure = progress.failures.at(-1);
  // The host's end after its task's failure says nothing new.
  if (failure === undefined || failure.step !== step || failure.host !== host || failure.told) return nothing;
  failure.told = true;
  const same = progress.failures.some((other) => other !== failure && other.told && isSame(other, failure));
  const word = failure.reason === "unknown" ? "unknown" : "failed";
  const head: Line = [
    styled(`${word}: ${host}`, "bad"),
    ` ${failure.what}: ${failure.reason}${same ? " (as before)" : ""}`,
  ];
  return lasting(
    same || failure.evidence === "" ? [head] : [head, ...evidenceLines(failure.evidence, 2, shortEvidence)],
  );
}

function isSame(a: Failure, b: Failure): boolean {
  return a.step === b.step && a.what === b.what && a.reason === b.reason && a.evidence === b.evidence;
}

function milestone(step: StepProgress): EventLines {
  const { size } = step.hosts;
  const ended = step.outcomes.size;
  if (size <= longStep || ended === size) return nothing;
  const tenth = (count: number) => Math.floor((count * 10) / size);
  if (tenth(ended) === tenth(ended - 1)) return nothing;
  return passing([[`${step.id}: ${formatCount(ended)} of ${formatCount(size)} hosts`]]);
}

function lasting(lines: readonly Line[]): EventLines {
  return { lines, lasting: true };
}

function lastingIfAny(lines: readonly Line[]): EventLines {
  return lines.length === 0 ? nothing : lasting(lines);
}

function passing(lines: readonly Line[]): EventLines {
  return { lines, lasting: false };
}
