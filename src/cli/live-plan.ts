// cutover plan without --head: what would change now, beside the runs that are open.
import { ExitCode } from "../errors.ts";
import type { Plan } from "../model/plan.ts";
import { type BookLine, planBook } from "../status/plan-book.ts";
import type { CommandContext } from "./command.ts";
import { livePlanExitCode } from "./outcomes.ts";
import { backOffLines } from "./render-back-off.ts";
import { bookLines } from "./render-book.ts";
import { renderError, reportError } from "./render-error.ts";
import {
  behindLines,
  carriedOutLine,
  inTheWayLines,
  newerWaitLine,
  openRunLines,
  waitingLines,
} from "./render-open-run.ts";
import { warningLine } from "./render-pass.ts";
import { renderPlan } from "./render-plan.ts";
import { approvalLines } from "./render-review.ts";
import { unsaidRisks } from "./render-risks.ts";
import { styled } from "./text.ts";

export async function showLivePlan(
  { output, services, configPath }: CommandContext,
  { slices, book }: { readonly slices: readonly string[]; readonly book: boolean },
): Promise<ExitCode> {
  const [{ planReleases }, { readOpenRuns }, { readPlan }] = await Promise.all([
    import("../app/plan-releases.ts"),
    import("../app/read-open-runs.ts"),
    import("../app/read-plan.ts"),
  ]);
  const opened = await services.openController(configPath);
  try {
    const { controller } = opened;
    const found = await planReleases({ controller, slices });
    const { commit, plans, missing, observations, backOffs, approvals, failed, warnings } = found;
    const { inTheWay, behind, waiting, outdated, risks } = found;
    const carried = found.open.filter(({ plan }) => plans.includes(plan));
    const books = new Map<Plan, readonly BookLine[]>();
    for (const { run, plan } of book ? carried : []) books.set(plan, (await readPlan(controller, run)).book);
    const totalHosts = plans.length === 1 && waiting.length === 0 ? observations.size : undefined;
    // Of a part only what is about that part.
    const isAbout = (run: string) => slices.length === 0 || [...carried, ...inTheWay].some((each) => each.run === run);
    const openRuns = (await readOpenRuns(controller.journal)).filter(({ run }) => isAbout(run));
    const isInTheWay = ({ run }: { readonly run: string }) => inTheWay.some((each) => each.run === run);
    output.print([
      [styled(`commit ${commit}`, "faint")],
      ...warnings.map(warningLine),
      ...openRuns.filter(isInTheWay).flatMap(inTheWayLines),
      ...behind.flatMap(behindLines),
      ...plans.flatMap((plan) => [
        [],
        ...renderPlan({
          plan,
          totalHosts,
          missing: missing.get(plan.release) ?? [],
          risks: plan.changes.length === 0 ? [] : unsaidRisks(risks.get(plan.release) ?? []),
        }),
        ...carried.flatMap((each) => (each.plan === plan ? [carriedOutLine(each.run)] : [])),
        ...outdated.flatMap((each) => (each.plan === plan ? [newerWaitLine({ ...each, commit })] : [])),
        ...(book ? bookLines(books.get(plan) ?? planBook({ plan }), { withStates: books.has(plan) }) : []),
        ...approvalLines(approvals.get(plan.release)),
        ...backOffs.filter(({ release }) => release === plan.release).flatMap(backOffLines),
      ]),
      ...waiting.flatMap((each) => [[], ...waitingLines(each)]),
      ...failed.flatMap(({ release, error }) => [
        [],
        [styled(`${release}:`, "strong"), " cannot be planned"],
        ...renderError(reportError(error)),
      ]),
    ]);
    const none =
      slices.length === 0 ? "no release in the repository" : "nothing that is to be done is part of this slice";
    if (plans.length + failed.length + behind.length + waiting.length === 0) output.print([[none]]);
    // A plan that waits for its next try changes nothing now, like one whose hosts are all left alone.
    const unapproved = plans.filter(({ release }) => approvals.get(release)?.kind === "stalled");
    const waits = new Set([...backOffs.map(({ planHash }) => planHash), ...unapproved.map(({ hash }) => hash)]);
    const sizes = plans.map((plan) => (waits.has(plan.hash) ? { ...plan, changes: [], held: plan.changes } : plan));
    output.print(openRuns.filter((open) => !isInTheWay(open)).flatMap(openRunLines));
    // As `reconcile --slice` is refused beside them.
    const refused = openRuns.filter(isInTheWay).map(() => ({ exitCode: ExitCode.stuck }));
    const exitCode = livePlanExitCode(sizes, {
      failed: [...failed.map(({ error }) => error), ...refused],
      openRuns,
      waiting: [...waiting, ...behind.map(() => ({ reason: "RunOpen" }))],
    });
    const again = slices.map((text) => ` --slice '${text}'`).join("");
    // Beside its own run a release starts what that one does not bring.
    const isBusy = (plan: Plan) =>
      carried.some((each) => each.plan === plan) || waiting.some(({ release }) => release === plan.release);
    const canRun =
      plans.every(({ release }) => (missing.get(release) ?? []).length === 0) &&
      (openRuns.length + behind.length + waiting.length === 0 ||
        plans.some((plan) => !isBusy(plan) && plan.changes.length > 0));
    if (exitCode === 2 && canRun) output.print([[styled("next:", "accent"), ` cutover reconcile --once${again}`]]);
    if ([...missing.values()].some((why) => why.length > 0) && openRuns.length === 0)
      output.print([
        [styled("next:", "accent"), " run that first, or take it in with another --slice beside this one"],
      ]);
    // A plan that waits for approval, and a release that cannot be planned, have said above what comes next.
    if (exitCode === 4 && unapproved.length + failed.length + openRuns.length + backOffs.length === 0)
      output.print([[styled("next:", "accent"), " cutover status"]]);
    output.document({
      commit,
      plans,
      ...(slices.length === 0 ? {} : { missing: Object.fromEntries(missing) }),
      backOffs,
      approvals: Object.fromEntries(approvals),
      risks: Object.fromEntries(risks),
      failed: failed.map(({ release, error }) => ({ release, error: reportError(error) })),
      warnings,
      ...(openRuns.length === 0 ? {} : { openRuns }),
      ...(outdated.length === 0 ? {} : { outdated: outdated.map(({ run, plan: { release } }) => ({ release, run })) }),
      ...(waiting.length === 0 ? {} : { waiting }),
      ...(behind.length === 0 ? {} : { behind: behind.map(({ run, plan: { release } }) => ({ release, run })) }),
      observations: [...observations.values()],
    });
    return exitCode;
  } finally {
    await opened.close();
  }
}
