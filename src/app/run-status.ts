// The status after a run that no pass planned just now: one that was resumed, or a way back by hand.
import type { DesiredRelease, DesiredTarget } from "../model/desired.ts";
import type { Plan } from "../model/plan.ts";
import type { Status } from "../model/status.ts";
import type { Lease } from "../ports.ts";
import { runStream } from "../run/replay.ts";
import type { Controller } from "./controller.ts";
import type { RunResult } from "./execute-run.ts";
import { publishStatus, readStatusStream } from "./publish-status.ts";
import { waitingFor } from "./release-trouble.ts";

export interface RunStatusInput {
  readonly controller: Controller;
  readonly lease: Lease;
  readonly run: RunResult;
  /** Of a way back: why, and by whom. Git still asks for what it took back. */
  readonly said?: string;
}

/** Publishes for the commit that the run was made for. Returns why it could not be pushed; the next pass pushes it then. */
export async function publishRunStatus({
  controller,
  lease,
  run,
  said = "rolled back by hand",
}: RunStatusInput): Promise<string | undefined> {
  const { plan, commit, generation, fleet, outcome } = run.state;
  if (plan === undefined) return undefined;
  const [planned] = await controller.journal.read(runStream(run.run), ["run-planned"]);
  const isWayBack = planned?.kind === "run-planned" && planned.wayBackOf !== undefined;
  const { last } = await readStatusStream(controller, plan.release);
  const hosts = new Set(fleet.map(({ name }) => name));
  const before = (last?.targets ?? []).filter(({ host }) => hosts.has(host));
  const release = releaseOf(plan, { before, isWayBack });
  const wentBack = isWayBack && outcome === "done";
  const { notPublished } = await publishStatus({
    controller,
    lease,
    desired: { commit, generation, hosts: fleet, releases: [release] },
    results: [
      {
        release: plan.release,
        plan,
        observations: new Map(),
        run,
        outcome: outcome === "done" ? (wentBack ? "rolled-back" : "in-sync") : (outcome ?? "waiting"),
        ...(outcome === undefined ? waitingFor(run.run, run.state) : {}),
        ...(wentBack ? { trouble: { reason: "RolledBack", message: said } } : {}),
      },
    ],
  });
  return notPublished;
}

/** What git asks for: as the last status says it, and where that is silent, as the plan implies it. */
function releaseOf(
  plan: Plan,
  { before, isWayBack }: { before: Status["targets"]; isWayBack: boolean },
): DesiredRelease {
  const wanted = new Map<string, DesiredTarget & { readonly component: string }>();
  for (const { component, host, wanted: version } of before)
    wanted.set(`${host}/${component}`, {
      ...{ component, host, version: version ?? "none" },
      ...(version === null ? { excluded: "as before" } : {}),
    });
  for (const { component, host, from, to } of plan.changes) {
    const key = `${host}/${component}`;
    if (!isWayBack) wanted.set(key, { component, host, version: to });
    else if (!wanted.has(key)) wanted.set(key, { component, host, version: from ?? to });
  }
  const components = Map.groupBy(wanted.values(), ({ component }) => component);
  return {
    name: plan.release,
    components: [...components].map(([name, targets]) => ({
      name,
      dependsOn: [],
      targets: targets.map(({ component: _, ...target }) => target),
    })),
    rollbackPolicy: plan.rollbackPolicy,
    policy: {
      name: "as-run",
      canaries: 1,
      batchSize: 1,
      soakSeconds: 0,
      failureBudget: plan.failureBudget,
      approval: "merge",
      drift: "report",
    },
  };
}
