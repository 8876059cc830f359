// What one pass came to, release by release, and the same as data. Pure.
import type { CutoverError } from "../errors.ts";
import { type Diagnostic, formatDiagnostic } from "../model/diagnostic.ts";
import type { Plan } from "../model/plan.ts";
import type { RunOutcome } from "../model/run-event.ts";
import type { Condition } from "../model/status.ts";
import { foldHosts } from "../status/fold-hosts.ts";
import { nextForSilent } from "../status/silent-words.ts";
import { type BackOffView, backOffLines } from "./render-back-off.ts";
import { renderError, reportError } from "./render-error.ts";
import { renderPlan } from "./render-plan.ts";
import { type Line, type Style, styled } from "./text.ts";

/** The part of a pass that is shown; what app/reconcile.ts returns fits. */
export interface PassView {
  readonly commit: string;
  readonly resumed: readonly RunView[];
  readonly results: readonly ReleaseView[];
  readonly warnings: readonly Diagnostic[];
  readonly notPublished?: string;
}

interface ReleaseView {
  readonly release: string;
  readonly plan: Plan;
  readonly run: RunView | undefined;
  readonly outcome: RunOutcome | "in-sync" | "stalled" | "waiting" | "under-way";
  readonly blockedBy?: readonly string[];
  readonly trouble?: { readonly reason: string; readonly message: string; readonly next?: string };
  readonly backOff?: BackOffView;
  readonly error?: CutoverError;
  readonly state?: Condition;
}

interface RunView {
  readonly run: string;
  /** Set while it waits for a person. */
  readonly waits?: { readonly message: string; readonly next: string };
  /** Set while it waits for other runs of its release. */
  readonly pauses?: { readonly message: string; readonly next: string };
  readonly state: {
    readonly outcome: RunOutcome | undefined;
    readonly reason: string;
    readonly plan: Pick<Plan, "release"> | undefined;
    /** Keyed by `step/host`. */
    readonly hosts: Iterable<readonly [string, string]>;
    /** The way back in force. */
    readonly rollback?: { readonly steps: readonly { readonly id: string }[] } | undefined;
  };
}

type Outcome = ReleaseView["outcome"];

const words: Readonly<Record<Outcome, { readonly text: string; readonly style: Style; readonly next?: string }>> = {
  "in-sync": { text: "in sync", style: "good" },
  done: { text: "done", style: "good" },
  "rolled-back": { text: "rolled back", style: "warn", next: "cutover status" },
  stuck: { text: "stuck, a person has to decide", style: "bad", next: "cutover status" },
  stalled: { text: "stalled: everything that should change is left alone", style: "bad", next: "cutover status" },
  "under-way": { text: "under way", style: "accent", next: "cutover status" },
  waiting: { text: "waiting for hosts whose outcome nobody knows", style: "bad", next: "cutover status" },
};

export function renderPass({ commit, resumed, results, warnings, notPublished }: PassView): Line[] {
  const shown = new Set(results.map(({ run }) => run?.run));
  const lines = [
    ...warnings.map(warningLine),
    ...resumed.filter(({ run }) => !shown.has(run)).flatMap((run) => resumedLines(run, results)),
    ...results.flatMap(releaseLines),
  ];
  if (results.length === 0) lines.push(["no release in the repository, nothing to do"]);
  if (notPublished !== undefined) {
    lines.push([styled("status not in git yet:", "warn"), ` ${notPublished}; the next pass writes it`]);
  }
  return [...lines, [styled(`commit ${commit}`, "faint")]];
}

export function warningLine(warning: Diagnostic): Line {
  return [styled("warning:", "warn"), ` ${formatDiagnostic(warning)}`];
}

function releaseLines({ release, plan, outcome, run, trouble, backOff, error, state }: ReleaseView): Line[] {
  const name = styled(`${release}:`, "strong");
  if (error !== undefined)
    return [[name, " ", styled(`stalled (${error.code})`, "bad")], ...renderError(reportError(error))];
  const { text, style, next } = words[outcome];
  const head = (said: string, look: Style): Line => [
    name,
    " ",
    styled(said, look),
    run === undefined ? "" : ` (run ${run.run})`,
  ];
  // A plan that ran was shown by its events; what it left alone was not.
  const held = plan.held.length === 0 ? [] : renderPlan({ plan: { ...plan, changes: [], steps: [] } }).slice(1, -1);
  if (backOff !== undefined)
    return [head(run === undefined ? "stalled (backing-off)" : text, style), ...held, ...backOffLines(backOff)];
  if (run?.waits !== undefined) return [head("waiting for a person", "warn"), ...held, ...waitLines(run.waits)];
  // Silent hosts are told of below.
  if ((run === undefined || outcome === "waiting") && trouble !== undefined && trouble.reason !== "HostUnknown")
    return [
      head(`${outcome === "under-way" ? text : outcome} (${trouble.reason})`, style),
      [`  ${trouble.message}`],
      nextLine(trouble.next ?? next ?? "cutover status"),
    ];
  if ((outcome === "done" || outcome === "in-sync") && state?.type === "Stalled")
    return [
      head(`${text}, but not ready (${state.reason})`, "bad"),
      [`  ${state.message}`],
      ...held,
      nextLine("cutover status"),
    ];
  // Such as the rest of a plan of which a slice was asked for.
  if ((outcome === "done" || outcome === "in-sync") && state?.type === "Reconciling")
    return [
      head(`${text}, and more is to come (${state.reason})`, "accent"),
      [`  ${state.message}`],
      ...held,
      nextLine(state.reason === "Pending" ? "cutover reconcile --once" : "cutover status"),
    ];
  const silent = run === undefined ? [] : unknownLines(run);
  const why = outcome === "rolled-back" || outcome === "stuck" ? [[`  ${run?.state.reason ?? ""}`]] : [];
  const kept =
    outcome === "rolled-back"
      ? [["  what was shown to be bad is quarantined: it is not tried again until cutover retry lifts that"]]
      : [];
  return [
    head(text, style),
    ...why,
    ...kept,
    ...held,
    ...silent,
    ...(next === undefined || silent.length > 0 ? [] : [nextLine(next)]),
  ];
}

/** A run that an earlier controller left open, and that no release of this pass tells about. */
function resumedLines(run: RunView, results: readonly ReleaseView[]): Line[] {
  const { outcome, reason, plan } = run.state;
  if (run.waits !== undefined)
    return [
      [styled(`${plan?.release ?? "release"}:`, "strong"), ` run ${run.run} waits for a person`],
      ...waitLines(run.waits),
    ];
  const release = plan?.release ?? "release";
  if (run.pauses !== undefined)
    return [
      [styled(`${release}:`, "strong"), " ", styled("waiting (BudgetSpent)", "bad"), ` (run ${run.run})`],
      ...waitLines(run.pauses),
    ];
  const { text, style } = words[outcome ?? "waiting"];
  const gone = results.some((result) => result.release === release) ? "" : ", which git does not have any more";
  const lines: Line[] = [
    [styled(`${release}${gone}:`, "strong"), ` taken up again: `, styled(text, style), ` (run ${run.run})`],
  ];
  if (outcome === "stuck" || outcome === "rolled-back") lines.push([`  ${reason}`], nextLine("cutover status"));
  return [...lines, ...unknownLines(run)];
}

function unknownLines({ state }: RunView): Line[] {
  if (state.outcome !== undefined) return [];
  const back = state.rollback && new Set(state.rollback.steps.map(({ id }) => id));
  const isInForce = (place: string) => back?.has(place.slice(0, place.indexOf("/"))) !== false;
  const unknown = [...state.hosts].flatMap(([place, outcome]) =>
    outcome === "unknown" && isInForce(place) ? [place] : [],
  );
  const hosts = [...new Set(unknown.map((place) => place.slice(place.indexOf("/") + 1)))];
  if (hosts.length === 0) return [nextLine("cutover status")];
  return [
    [`  no word from ${foldHosts(hosts, { ranges: 8 })}; nothing that this run holds moves until there is`],
    nextLine(nextForSilent(hosts)),
  ];
}

function waitLines({ message, next }: NonNullable<RunView["waits"]>): Line[] {
  return [[`  ${message}`], nextLine(next)];
}

function nextLine(next: string): Line {
  return [styled("next:", "accent"), ` ${next}`];
}

/** Plain data: no maps, and plans by their hash, since the run's own events carry them whole. */
export function passDocument({ commit, resumed, results, warnings, notPublished }: PassView) {
  const runOf = ({ run, state, waits, pauses }: RunView) => ({
    ...{ run, outcome: state.outcome ?? "waiting", reason: state.reason },
    ...(waits === undefined ? {} : { waits }),
    ...(pauses === undefined ? {} : { pauses }),
  });
  return {
    commit,
    resumed: resumed.map(runOf),
    results: results.map(({ release, plan, run, outcome, blockedBy, trouble, backOff, error, state }) => ({
      release,
      outcome,
      planHash: plan.hash,
      held: plan.held,
      run: run === undefined ? null : runOf(run),
      ...(blockedBy === undefined ? {} : { blockedBy }),
      ...(trouble === undefined ? {} : { trouble }),
      ...(backOff === undefined ? {} : { backOff }),
      ...(error === undefined ? {} : { error: reportError(error) }),
      ...(state === undefined ? {} : { state }),
    })),
    ...(warnings.length === 0 ? {} : { warnings }),
    ...(notPublished === undefined ? {} : { notPublished }),
  };
}
