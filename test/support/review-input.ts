// Reviews for the tests of what shows them: a small one by hand, and one as large as a fleet gets, planned by the real planner.
import type { PlannedTransfer } from "../../src/model/plan.ts";
import type { ReleaseReview, Review } from "../../src/model/review.ts";
import { makePlan } from "../../src/plan/make-plan.ts";
import { planInput, type World } from "./plan-input.ts";

export const reviewedAt = Date.UTC(2026, 10, 21, 12, 0, 0);
const minute = 60_000;

/** Two signed commits and the given releases. */
export function reviewOf(releases: readonly ReleaseReview[], parts: Partial<Review> = {}): Review {
  return {
    format: "cutover-review/1",
    base: { ref: "main", commit: "a".repeat(40) },
    head: { ref: "release-2", commit: "b".repeat(40), signer: "ada" },
    trustChange: undefined,
    releases,
    gone: [],
    failed: [],
    warnings: [],
    at: reviewedAt,
    ...parts,
  };
}

/** The planner's own plan of a world, with transfers and estimates for every version step. */
export function releaseReview(world: World, parts: Partial<ReleaseReview> = {}): ReleaseReview {
  const plan = makePlan(planInput(world));
  const changes = [...plan.changes, ...plan.waiting];
  const steps = [...Map.groupBy(changes, ({ component, from, to }) => [component, from, to].join("\0")).values()];
  const transfers = steps.flatMap(([first, ...others]): PlannedTransfer[] =>
    first === undefined
      ? []
      : [
          {
            component: first.component,
            from: first.from,
            to: first.to,
            hosts: [first, ...others].map(({ host }) => host),
            path: first.from === undefined ? "full" : "direct",
            via: [],
            bytesPerHost: 123_456,
            why: "123 kB as a patch, 4.5 MB whole",
          },
        ],
  );
  return {
    release: plan.release,
    plan: { ...plan, transfers },
    totalHosts: new Set(Object.values(world.components).flatMap(({ hosts }) => hosts)).size,
    observedAt: reviewedAt - 12 * minute,
    stateProblem: undefined,
    risks: [],
    contracts: [],
    estimates: transfers.map(({ component, from, to, hosts }) => ({
      component,
      from,
      to,
      seconds: 90,
      basis: `${hosts.length} of ${hosts.length} hosts, newest 2026-11-20`,
    })),
    approval: "merge",
    isAskedAnew: true,
    ...parts,
  };
}

export const smallWorld: World = {
  components: {
    database: { hosts: ["db1", "db2"], backup: true, health: true },
    api: { hosts: ["web1", "web2", "web3", "web4"], dependsOn: ["database"], drain: true, health: true },
  },
};

/** `hosts` hosts with eight components each; every other one of the first `held` has drifted, the others are on hold. */
export function largeReview({ hosts, held, evidence }: LargeReview): Review {
  const names = Array.from({ length: hosts }, (_, index) => `web${index + 1}`);
  const components = Object.fromEntries(
    Array.from({ length: 8 }, (_, index) => [
      `part-${index + 1}`,
      { hosts: names, ...(index === 0 ? {} : { dependsOn: [`part-${index}`] }), health: true, backup: index === 0 },
    ]),
  );
  const left = names.slice(0, held).map((host, index) => [host, evidence(index)] as const);
  return reviewOf([
    releaseReview({
      components,
      holds: Object.fromEntries(left.filter((_, index) => index % 2 === 1)),
      observed: Object.fromEntries(
        left
          .filter((_, index) => index % 2 === 0)
          .map(([host, text]) => [host, { "part-1": { current: text, committed: "1.0.0" } }]),
      ),
    }),
  ]);
}

export interface LargeReview {
  readonly hosts: number;
  readonly held: number;
  readonly evidence: (index: number) => string;
}
