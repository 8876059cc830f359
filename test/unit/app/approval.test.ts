// Policy `approval: plan-hash`: which plans a signed commit lets run, and what is shown when the world changed since.
import assert from "node:assert/strict";
import { test } from "node:test";
import {
  type Approval,
  type ApprovalInput,
  judgeApproval,
  keepApproval,
  trailersOf,
} from "../../../src/app/approval.ts";
import type { Status } from "../../../src/model/status.ts";
import { makePlan } from "../../../src/plan/make-plan.ts";
import { makeAppender } from "../../../src/run/append.ts";
import { makeStatus } from "../../../src/status/make-status.ts";
import { memoryJournal, sleptClock } from "../../support/engine.ts";
import { planInput, type World } from "../../support/plan-input.ts";

const made = { components: { web: { hosts: ["h1", "h2", "h3"] } }, policy: { approval: "plan-hash" } } satisfies World;
const commit = "c".repeat(40);

function makeJudge() {
  const controller = { journal: memoryJournal(), clock: sleptClock(), message: "web 2.0.0" };
  const repository = { message: async () => controller.message } as unknown as Parameters<typeof judgeApproval>[0]["repository"]; // biome-ignore format: one line
  const input = (world: World, generation = planInput(made).generation): ApprovalInput => {
    const planned = { ...planInput(world), generation };
    const versions = new Map(
      [...planned.published].map(([key, published]) => [key, { release: {} as never, published }]),
    );
    return { release: planned.release, plan: makePlan(planned), desired: { commit, generation }, versions };
  };
  const judge = async (world: World, generation?: string): Promise<Approval> => {
    await controller.clock.sleep(1_000);
    const approval = await judgeApproval({ ...controller, repository }, input(world, generation));
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
  const approve = (...worlds: readonly World[]): void => {
    controller.message = `Merge\n\n${worlds.map((world) => `Cutover-Plan: ${input(world).plan.hash}`).join("\n")}\n`;
  };
  return { judge, publish, approve, forget: () => (controller.message = "web 2.0.0") };
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
  const { hash } = makePlan(planInput(made));
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
  const drifted = stalled(await judge(seen("h2", { current: "1.1.0", committed: "1.0.0" })));
  assert.deepEqual([drifted.reason, drifted.next], ["PlanDiffers", "cutover host check h2"]);
  assert.match(drifted.lines[0] ?? "", /^h2 web: current is 1\.1\.0, but 1\.0\.0 was committed last/);
});

test("a version that was published again with other tasks is not what was reviewed", async () => {
  const { judge, approve, forget } = makeJudge();
  approve(made);
  await judge(made);
  forget();
  const drains: World = { ...made, components: { web: { ...made.components.web, drain: true } } };
  const differs = stalled(await judge(drains, planInput(made).generation));
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
  const { judge, publish, approve, forget } = makeJudge();
  approve(made);
  assert.equal((await judge(made)).kind, "approved");
  forget();
  await publish(made, "other documents");
  assert.equal(stalled(await judge(made)).reason, "ApprovalMissing");
  approve(made);
  assert.equal((await judge(made)).kind, "approved");
});

test("trailers are whole lines with a whole hash; several releases have several", () => {
  const [a, b] = ["a", "b"].map((digit) => `sha256:${digit.repeat(64)}`);
  assert.deepEqual(
    trailersOf(`Merge\n\nCutover-Plan: ${a}\r\nSigned-off-by: x\ncutover-plan: ${b}\nCutover-Plan: ${a}`),
    [a, b],
  );
  for (const text of [`see Cutover-Plan: ${a}`, `Cutover-Plan: ${a}0`, "Cutover-Plan: sha256:", `  Cutover-Plan: ${a}`])
    assert.deepEqual(trailersOf(text), [], text);
});
