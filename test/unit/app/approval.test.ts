// Policy `approval: plan-hash`: which plans a signed commit lets run, and what is shown when the world changed since.
import assert from "node:assert/strict";
import { test } from "node:test";
import { keepGeneration } from "../../../src/app/accept-commit.ts";
import {
  type Approval,
  type ApprovalInput,
  approvalMessage,
  judgeApproval,
  type KnownTrailers,
  keepApproval,
} from "../../../src/app/approval.ts";
import { generationOf } from "../../../src/desired/resolve-desired.ts";
import { RefusedError } from "../../../src/errors.ts";
import { builtInProcedure } from "../../../src/model/procedure.ts";
import type { Status } from "../../../src/model/status.ts";
import { makePlan } from "../../../src/plan/make-plan.ts";
import { makeAppender } from "../../../src/run/append.ts";
import { makeStatus } from "../../../src/status/make-status.ts";
import { memoryJournal, sleptClock } from "../../support/engine.ts";
import { planInput, type World } from "../../support/plan-input.ts";

const made = { components: { web: { hosts: ["h1", "h2", "h3"] } }, policy: { approval: "plan-hash" } } satisfies World;
const commit = "c".repeat(40);

const documents = generationOf(["made"]);

interface Commit {
  readonly id: string;
  readonly message: string;
  /** Its documents; `made` unless said otherwise. */
  readonly blob?: string;
  readonly unsigned?: boolean;
}

function makeJudge() {
  const head: Commit = { id: commit, message: "web 2.0.0" };
  const controller = { journal: memoryJournal(), clock: sleptClock(), settings: { directory: "releases" } };
  /** Newest first. */
  const commits: Commit[] = [head];
  const asked: string[] = [];
  const find = (id: string) => commits.find((each) => each.id === id) ?? assert.fail(id);
  const repository = {
    history: async (from: string, limit: number) => {
      const ids = commits.map(({ id }) => id);
      return ids.slice(ids.indexOf(from)).slice(0, limit);
    },
    message: async (id: string) => {
      asked.push(id);
      return find(id).message;
    },
    files: async (id: string) => [{ path: "a.yaml", text: "", blob: find(id).blob ?? "made" }],
    async verifySignature(id: string) {
      if (find(id).unsigned) throw new RefusedError({ code: "commit-not-trusted", message: id });
      return { signer: "ada" };
    },
  } as unknown as Parameters<typeof judgeApproval>[0]["repository"];
  const known: KnownTrailers = new Map();
  const input = (world: World, generation = documents): ApprovalInput => {
    const planned = { ...planInput(world), generation };
    const versions = new Map(
      [...planned.published].map(([key, published]) => [key, { release: {} as never, published }]),
    );
    const desired = { commit: commits[0]?.id ?? "", generation, hosts: [], procedure: builtInProcedure };
    const trust = { commitSigners: [{ name: "ada", publicKey: "ssh-ed25519 AAAA", roles: ["operator" as const] }] };
    return { release: planned.release, plan: makePlan(planned), desired, versions, trust, known };
  };
  /** What a pass does: the documents come into force, then the plan is judged. */
  const judge = async (world: World, generation?: string): Promise<Approval> => {
    await controller.clock.sleep(1_000);
    const asked = input(world, generation);
    await keepGeneration(controller, asked.desired);
    const approval = await judgeApproval({ ...controller, repository }, asked);
    await keepApproval(controller, approval);
    return approval;
  };
  /** What a pass publishes of this world. */
  const publish = async (world: World, generation?: string): Promise<void> => {
    await controller.clock.sleep(1_000);
    const { release, plan, desired } = input(world, generation);
    const status: Status = makeStatus({
      ...{ release, plan, commit, generation: desired.generation, run: undefined, outcome: "stalled", reason: "" },
      ...{ task: () => undefined, observations: planInput(world).observations, quarantined: [], previous: undefined },
      ...{ now: controller.clock.now(), holder: "control", epoch: 1 },
    });
    const last = (await controller.journal.read("status/shop")).at(-1)?.sequence ?? 0;
    await makeAppender({ ...controller, stream: "status/shop", last }).append({ kind: "status-made", status });
  };
  const trailers = (...worlds: readonly World[]) =>
    `Merge\n\n${worlds.map((world) => `Cutover-Plan: ${input(world).plan.hash}`).join("\n")}\n`;
  let count = 0;
  const push = (message: string, more: Partial<Commit> = {}): void => {
    count += 1;
    commits.unshift({ id: String(count).padStart(40, "0"), message, ...more });
  };
  /** The newest commit names these plans, and no other one does. */
  const approve = (...worlds: readonly World[]): void => {
    commits.splice(0, commits.length, { ...head, message: trailers(...worlds) });
    known.clear();
  };
  /** No commit names a plan any more: what was approved is in the journal alone. */
  const forget = (): void => {
    commits.splice(0, commits.length, head);
    known.clear();
  };
  return { judge, publish, approve, forget, push, trailers, asked };
}

const seen = (host: string, web: object): World => ({ ...made, observed: { [host]: { web } } });
const stalled = (approval: Approval) => {
  assert.equal(approval.kind, "stalled");
  return approval;
};

test("without a trailer it waits, and says which line to add and how", async () => {
  const { judge, approve } = makeJudge();
  const missing = stalled(await judge(made));
  assert.equal(missing.reason, "ApprovalMissing");
  const { hash } = makePlan({ ...planInput(made), generation: documents });
  assert.equal(missing.trailer, `Cutover-Plan: ${hash}`);
  assert.match(
    missing.next,
    new RegExp(`^git commit --allow-empty -S .*--trailer 'Cutover-Plan: ${hash}' && git push$`),
  );
  approve(made);
  assert.equal((await judge(made)).kind, "approved");
  assert.equal((await judge({ ...made, policy: {} })).kind, "not-needed");
});

test("what is left of an approved plan goes on under its approval, and no host starts elsewhere (R4, P12)", async () => {
  const { judge, approve, forget } = makeJudge();
  approve(made);
  assert.equal((await judge(made)).kind, "approved");
  forget();
  for (const less of [
    seen("h1", { current: "2.0.0" }),
    { ...made, holds: { h2: "maintenance" } },
    seen("h1", { current: "2.0.0", committed: "1.0.0", state: "confirmed" }),
  ] satisfies World[])
    assert.equal((await judge(less)).kind, "approved");
  const moved = stalled(await judge(seen("h2", { current: "0.9.0" })));
  assert.deepEqual([moved.reason, moved.lines], ["PlanDiffers", ["h2 web: starts at 0.9.0, not at 1.0.0"]]);
});

test("a host that somebody changed stalls the release under a reason of its own, with ways out that work (R4, R6)", async () => {
  const { judge, approve } = makeJudge();
  approve(made);
  const changed = seen("h2", { current: "1.1.0", committed: "1.0.0" });
  const drifted = stalled(await judge(changed));
  assert.deepEqual([drifted.reason, drifted.trailer], ["HostDrifted", undefined]);
  assert.match(drifted.lines[0] ?? "", /^h2 web: current is 1\.1\.0, but 1\.0\.0 was committed last/);
  assert.match(drifted.next, /^cutover hold h2 --reason /);
  assert.doesNotMatch(approvalMessage(drifted), /Cutover-Plan/, "no approval lets a drifted host run");
  assert.equal((await judge({ ...changed, holds: { h2: "somebody changed it" } })).kind, "approved", "left out");
  assert.equal((await judge(made)).kind, "approved", "mended");
});

test("a version that was published again with other tasks is not what was reviewed", async () => {
  const { judge, approve, forget } = makeJudge();
  approve(made);
  await judge(made);
  forget();
  const drains: World = { ...made, components: { web: { ...made.components.web, drain: true } } };
  const differs = stalled(await judge(drains));
  assert.equal(differs.reason, "PlanDiffers");
  assert.match(differs.lines[0] ?? "", /^web@2\.0\.0 does .*drain, switch, undo drain.*, and .* was reviewed$/);
});

test("a world that changed between review and merge is shown beside what was reviewed, from the status that it followed from", async () => {
  const { judge, publish, approve } = makeJudge();
  await publish(made);
  approve(made);
  const changed: World = {
    ...made,
    observed: { h1: { web: { current: "0.9.0" } }, h2: { web: { current: "0.9.0" } } },
  };
  await publish(changed);
  const differs = stalled(await judge(changed));
  assert.deepEqual([differs.reason, differs.lines], ["PlanDiffers", ["h1, h2 web: starts at 0.9.0, not at 1.0.0"]]);
  // A host that has it already is less, not other: the hash proves what was reviewed.
  assert.equal((await judge(seen("h1", { current: "2.0.0" }))).kind, "approved");
});

test("a hash that nobody here can explain is no approval", async () => {
  const { judge, approve } = makeJudge();
  approve(seen("h1", { current: "0.1.0" }));
  const differs = stalled(await judge(made));
  assert.equal(differs.reason, "PlanDiffers");
  assert.match(
    differs.lines[0] ?? "",
    /^commit cccccccccccc names sha256:[0-9a-f]{12}, and the plan is sha256:[0-9a-f]{12}/,
  );
});

test("documents that come back after others need an approval of their own", async () => {
  const { judge, approve, forget } = makeJudge();
  approve(made);
  assert.equal((await judge(made)).kind, "approved");
  forget();
  await judge(made, "other documents");
  assert.equal(stalled(await judge(made)).reason, "ApprovalMissing");
  approve(made);
  assert.equal((await judge(made)).kind, "approved");
});

test("another task bundle or contract under the same name is shown, and needs an approval of its own (P12)", async () => {
  const { judge, approve } = makeJudge();
  approve(made);
  assert.equal((await judge(made)).kind, "approved");
  const amended: World = { ...made, components: { web: { ...made.components.web, contract: "amended" } } };
  const differs = stalled(await judge(amended));
  assert.deepEqual(
    [differs.reason, differs.lines],
    ["PlanDiffers", ["web@2.0.0 has another task bundle or contract than the one that was reviewed"]],
  );
  approve(amended);
  assert.equal((await judge(amended)).kind, "approved");
});

test("an approval holds below later commits with the same documents, when it is signed; never below other documents", async () => {
  const below = async (...later: (readonly [string, Partial<Commit>])[]) => {
    const { judge, push, trailers } = makeJudge();
    push(trailers(made), later[0]?.[1]);
    for (const [message, more] of later.slice(1)) push(message, more);
    const approval = await judge(made);
    return approval.kind === "approved" ? approval.by.commit : approval.kind;
  };
  const approval = "1".padStart(40, "0");
  const readme = ["Mend the readme", {}] as const;
  assert.equal(await below(["", {}], readme, ["unsigned, merged in", { unsigned: true }], readme), approval);
  assert.equal(await below(["", { unsigned: true }], readme), "stalled", "who named it is not known");
  assert.equal(await below(["", {}], ["web 3.0.0", { blob: "others" }], readme), "stalled");
  assert.equal(await below(["", {}], ...Array.from({ length: 49 }, () => readme)), approval);
  assert.equal(await below(["", {}], ...Array.from({ length: 50 }, () => readme)), "stalled", "bounded");
});

test("what a commit names is looked up once for a plan, however often a loop asks; another plan or commit is looked up again", async () => {
  const { judge, push, approve, asked } = makeJudge();
  approve(seen("h1", { current: "0.1.0" }));
  for (let passes = 0; passes < 3; passes += 1) assert.equal((await judge(made)).kind, "stalled");
  assert.equal(asked.length, 1);
  await judge(seen("h2", { current: "0.2.0" }));
  assert.equal(asked.length, 2);
  push("another one");
  await judge(seen("h2", { current: "0.2.0" }));
  assert.equal(asked.length, 4, "the new commit, and the one below it");
});

test("a plan that a message quotes anywhere but in its trailers is not approved, and that is said", async () => {
  const { judge, push, trailers } = makeJudge();
  push(`${trailers(made)}\nas somebody wrote.`);
  const missing = stalled(await judge(made));
  assert.equal(missing.reason, "ApprovalMissing");
  assert.match(missing.lines[0] ?? "", /commit 000000000000 does it outside its trailers/);
});
