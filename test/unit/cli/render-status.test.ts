import assert from "node:assert/strict";
import { test } from "node:test";
import { passExitCode, standingExitCode, statusExitCode } from "../../../src/cli/outcomes.ts";
import { renderStatus, type StatusView } from "../../../src/cli/render-status.ts";
import { toText } from "../../../src/cli/text.ts";
import type { Condition, Status, TargetStatus } from "../../../src/model/status.ts";

const at = Date.UTC(2026, 10, 21, 3, 15);
const target = (host: string, more: Partial<TargetStatus> = {}): TargetStatus => ({
  host,
  component: "shop",
  from: "1.0.0",
  version: "2.0.0",
  wanted: "2.0.0",
  since: at,
  outcome: "done",
  ...more,
});
const condition = (type: Condition["type"], status: Condition["status"], reason: string): Condition => ({
  type,
  status,
  reason,
  message: "",
});
const statusOf = (targets: readonly TargetStatus[], condition_: Condition): Status => ({
  format: "cutover-status/1",
  release: "shop",
  commit: "0123456789abcdef0123456789abcdef01234567",
  generation: "g",
  planHash: null,
  run: null,
  conditions: [condition_],
  targets: [...targets],
  quarantined: [],
  at,
  holder: "control",
  epoch: 1,
});
const view = (more: Partial<StatusView>): StatusView => ({
  releases: [],
  quarantined: [],
  holds: [],
  lastRun: undefined,
  refused: undefined,
  backOffs: [],
  ...more,
});
const show = (value: StatusView) => toText(renderStatus(value), { color: false, width: undefined, overflow: "wrap" });

test("R33: every open run shows what it holds since when; a release with two of them says so", () => {
  const open = (run: string, components: string[]) => ({
    ...{ run, release: "shop", startedAt: at, at: at + 2 },
    claims: components.map((component) => ({ component, to: "2.0.0", hosts: ["web1", "web2", "web3"] })),
    trouble: { reason: "RunOpen", message: `run ${run} has not ended; it is at switch.1`, next: "cutover reconcile --once", goesOnByItself: run !== "r3" }, // biome-ignore format: one line
  });
  const openRuns = [open("r1", ["a", "b"]), open("r2", ["c"])];
  const lines = show(view({ releases: [statusOf([target("web1")], condition("Ready", "True", "Done"))], openRuns }));
  assert.equal(lines[0], "shop: Reconciling (RunOpen): runs r1, r2 have not ended");
  assert.ok(lines.includes("next: cutover reconcile --once; where cutover serve runs, it goes on by itself"));
  assert.deepEqual(lines.slice(-2), [
    "open run r1 of shop since 2026-11-21T03:15:00Z: a 2.0.0 and b 2.0.0 on web1..web3",
    "open run r2 of shop since 2026-11-21T03:15:00Z: c 2.0.0 on web1..web3",
  ]);
  const lastRun = { ...open("r1", []), outcome: undefined, reason: "" };
  const first = show(view({ openRuns: [open("r1", ["a"])], lastRun }));
  assert.ok(first[1]?.startsWith("next: cutover reconcile --once;"), "no status of the release says it yet");
  const stepped = show(view({ openRuns: [open("r3", ["a"])], lastRun }));
  assert.equal(stepped[1], "next: cutover reconcile --once", "serve leaves a run to whoever steps through it");
});

test("a release shows its state with the reason, and hosts with the same version and outcome in one line", () => {
  const targets = Array.from({ length: 10_000 }, (_, index) => target(`web${index + 1}`));
  const lines = show(view({ releases: [statusOf(targets, condition("Ready", "True", "Done"))] }));
  assert.equal(lines[0], "shop: Ready (Done)");
  assert.ok(lines.includes("  shop       2.0.0    in sync  2026-11-21T03:15:00Z  10,000: web1..web10000"));
  assert.ok(lines.length < 6);
});

test("hosts that are not as git asks stand apart, with what git asks for and what was seen (P7)", () => {
  const failed = target("web3", { version: "1.0.0", outcome: "failed", detail: "HTTP 500 \u001b[2J" });
  const silent = target("web4", { version: null, outcome: "unreachable", since: 0 });
  const lines = show(
    view({ releases: [statusOf([target("web1"), failed, silent], condition("Stalled", "True", "Quarantined"))] }),
  );
  assert.equal(lines[0], "shop: Stalled (Quarantined)");
  assert.ok(
    lines.some((line) => /1\.0\.0 +failed .*1: web3, git asks for 2\.0\.0: HTTP 500 \\u\{1b\}\[2J$/.test(line)),
  );
  assert.ok(lines.some((line) => /unknown +unreachable +1: web4/.test(line)));
});

test("a quarantine shows its evidence and the next command; a hold shows why and how it ends (P16)", () => {
  const lines = show(
    view({
      quarantined: [
        {
          component: "shop",
          version: "3.0.0",
          reason: "unhealthy",
          evidence: "web1/shop/health: 12 of 100 failed",
          at,
        },
      ],
      holds: [{ host: "web2", reason: "disk (anna)" }],
    }),
  );
  assert.deepEqual(lines, [
    "quarantined shop 3.0.0 since 2026-11-21T03:15:00Z: unhealthy",
    "  | web1/shop/health: 12 of 100 failed",
    "next: release a version with another tree, or, where its contract or its surroundings were to blame: cutover retry shop --reason '…'",
    "on hold web2: disk (anna); cutover resume web2 --reason '…'",
  ]);
});

test("a release that is gone from git is one quiet line, and so is the quarantine of what only it asked for", () => {
  const left = ["web1", "web2", "web3"].map((host) => ({ host, component: "orders", version: "1.0.0" }));
  const gone = [{ release: "release", at, left: [...left, { host: "db1", component: "jobs", version: "1.1.0" }] }];
  const quarantined = [{ component: "orders", version: "2.0.0", reason: "unhealthy", evidence: "503", at }];
  assert.deepEqual(show(view({ gone, quarantined })), [
    "release is gone from git; nothing was removed, and as of 2026-11-21T03:15:00Z hosts ran of it: orders 1.0.0 on web1..web3; jobs 1.1.0 on db1",
    "quarantined orders 2.0.0 since 2026-11-21T03:15:00Z: unhealthy; nothing asks for it any more",
  ]);
});

test("the quarantine of a version that no release asks for any more is one quiet line; where one still does, all of it stands there", () => {
  const bad = { component: "shop", version: "3.0.0", reason: "unhealthy", evidence: "12 of 100 failed", at };
  const linesWhen = (...targets: TargetStatus[]) =>
    show(view({ releases: [statusOf(targets, condition("Ready", "True", "Converged"))], quarantined: [bad] })).filter((line) => /quarantined|100|next:/.test(line)); // biome-ignore format: one line
  const quiet = "quarantined shop 3.0.0 since 2026-11-21T03:15:00Z: unhealthy; nothing asks for it any more";
  assert.deepEqual(linesWhen(target("web1"), target("web2")), [quiet]);
  // The same number, published anew with another tree.
  assert.deepEqual(linesWhen(target("web1", { version: "3.0.0", wanted: "3.0.0" })), [quiet]);
  const asked = target("web2", { version: "2.0.0", wanted: "3.0.0", outcome: "quarantined" });
  for (const lines of [linesWhen(target("web1"), asked), linesWhen(target("web1", { component: "other" }))]) {
    assert.ok(lines.includes("  | 12 of 100 failed"));
    assert.ok(lines.some((line) => line.startsWith("next: release a version with another tree")));
  }
});

test("a status that a later run has overtaken is not shown as ready (P7)", () => {
  const releases = [statusOf([target("web1")], condition("Ready", "True", "Done"))];
  const begun = { run: "r2", release: "shop", startedAt: at + 1, at: at + 2 };
  const lastRun = { ...begun, outcome: undefined, reason: "" };
  const trouble = { reason: "RunOpen", message: "run r2 has not ended; it is at switch.1", next: "cutover step" };
  const openRuns = [{ ...begun, claims: [], trouble }];
  assert.equal(show(view({ releases, lastRun, openRuns }))[0], `shop: Reconciling (RunOpen): ${trouble.message}`);
  assert.match(
    show(view({ releases, lastRun: { ...lastRun, outcome: "done" } }))[0] ?? "",
    /^shop: Unknown \(Outdated\): run r2/,
  );
  assert.equal(show(view({ releases, lastRun: { ...lastRun, at: at - 1 } }))[0], "shop: Ready (Done)");
});

test("the newest commit that was refused comes first: why, what stays in force, what to do (F23)", () => {
  const refused = {
    commit: "f".repeat(40),
    code: "documents-invalid",
    message: "Commit ffffffffffff has an error in its documents",
    evidence: "releases/release.yaml:3:1: unknown key",
    at,
    inForce: "a".repeat(40),
  };
  const lines = show(view({ refused }));
  assert.match(
    lines[0] ?? "",
    /^commit ffffffffffff refused \(documents-invalid\) since .*commit aaaaaaaaaaaa stays in force$/,
  );
  assert.deepEqual(lines.slice(1), [
    "  | releases/release.yaml:3:1: unknown key",
    "next: cutover validate, then commit and push the correction",
  ]);
  assert.equal(statusExitCode([condition("Ready", "True", "Done")], { refused: true }), 4);
});

test("a plan that waits for its next try says why, when, and how not to wait", () => {
  const releases = [statusOf([target("web1", { outcome: "pending" })], condition("Stalled", "True", "backing-off"))];
  const ended = { run: "r2", outcome: "stuck", reason: "check failed on web1", tries: 2, at, nextTryAt: at + 300_000 };
  const lines = show(
    view({ releases, backOffs: [{ release: "shop", planHash: "h", components: ["shop"], ...ended }] }),
  );
  assert.deepEqual(lines.slice(-3), [
    "  backing-off: 2 runs of this very plan failed, the last r2, stuck at 2026-11-21T03:15:00Z: check failed on web1",
    "  it is tried again after 2026-11-21T03:20:00Z; a plan that differs is tried at once",
    "next: mend the cause, then: cutover retry shop --reason '…'",
  ]);
});

test("before the first pass status says that nothing is known, and what to do", () => {
  assert.deepEqual(show(view({})), ["no pass has ended yet, so nothing is known", "next: cutover reconcile --once"]);
});

test("status exits 0 only when all is ready: under way 2, stalled or unknown 4", () => {
  const of = (...conditions: Condition[]) => statusExitCode(conditions);
  assert.equal(of(condition("Ready", "True", "Done")), 0);
  assert.equal(of(condition("Ready", "True", "Done"), condition("Reconciling", "True", "Run")), 2);
  assert.equal(of(condition("Reconciling", "True", "Run"), condition("Stalled", "True", "Stuck")), 4);
  assert.equal(of(condition("Ready", "Unknown", "Unreachable")), 4);
  assert.equal(of(condition("Reconciling", "True", "GateClosed")), 2);
  assert.equal(of(condition("Reconciling", "True", "DecisionNeeded")), 4, "as reconcile says it");
  const standings = ["done", "rolled-back", "stuck", "going", "gate", "decision", "silent", "paused"] as const;
  assert.deepEqual(standings.map(standingExitCode), [0, 3, 4, 2, 2, 4, 4, 4]);
  assert.equal(of(), 2);
});

test("a pass exits with its worst outcome, and with 2 when hosts were left out", () => {
  const of = (outcome: Parameters<typeof passExitCode>[0][number]["outcome"], held: readonly string[] = []) => ({
    outcome,
    plan: { changes: [], held },
  });
  assert.equal(passExitCode([of("in-sync"), of("done")]), 0);
  assert.equal(passExitCode([of("done", ["web2"])]), 2);
  assert.equal(passExitCode([of("done"), of("rolled-back")]), 3);
  assert.equal(passExitCode([of("rolled-back"), of("stalled")]), 4);
  assert.equal(passExitCode([of("waiting")]), 4);
  assert.equal(passExitCode([of("stuck")]), 4);
  const resumed = (outcome: "done" | "rolled-back" | "stuck" | undefined) => [{ state: { outcome } }];
  assert.equal(passExitCode([of("in-sync")], resumed("done")), 0);
  assert.equal(passExitCode([of("in-sync")], resumed("rolled-back")), 3);
  assert.equal(passExitCode([], resumed(undefined)), 4, "an open run of a release that git does not have any more");
  assert.equal(passExitCode([{ ...of("stalled"), error: { exitCode: 5 } }, of("done")]), 5);
  assert.equal(passExitCode([{ ...of("in-sync"), state: condition("Stalled", "True", "NotRunning") }]), 4, "P7");
  assert.equal(passExitCode([{ ...of("done"), state: condition("Stalled", "True", "Unreachable") }]), 2);
});

test("patches that hosts refused in the last run are named with the evidence, and a damaged base asks for a look", () => {
  const refused = { component: "shop", version: "2.0.0", reason: "base-damaged", evidence: "bin/shop differs" };
  const lastRun = {
    ...{ run: "r1", release: "shop", outcome: "done", reason: "every host read back", startedAt: at, at },
    refusedPatches: ["web1", "web2"].map((host) => ({ host, ...refused })),
  };
  const lines = show(view({ lastRun }));
  assert.deepEqual(lines.slice(-3), [
    "patch refused on web1, web2: shop 2.0.0: base-damaged; the full artifact was sent instead",
    "  | bin/shop differs",
    "next: cutover host check web1",
  ]);
});

test("R17: what the last run saved at one moment has a line: id, parts, how far apart, when", () => {
  const restorePoint = { id: "r1.p2", at, withinMs: 500, spreadMs: 120, state: `sha256:${"a".repeat(64)}`, parts: 2 };
  const status = { ...statusOf([target("web1")], condition("Ready", "True", "Done")), restorePoint };
  const lines = show(view({ releases: [status] }));
  assert.ok(lines.includes("  restore point r1.p2: 2 parts within 120 ms, 2026-11-21T03:15:00Z"), lines.join("\n"));
});

test("after a roll-back the next command is that of the quarantine below, or what shows the tasks that failed; never one that leads back here", () => {
  const failed: Status = { ...statusOf([target("web1")], condition("Stalled", "True", "RolledBack")), run: "r7" };
  const next = (status: Status) => show(view({ releases: [status] })).filter((line) => line.startsWith("next:"));
  assert.deepEqual(next(failed), ["next: cutover task list r7"]);
  const bad = { component: "shop", version: "2.0.0", tree: `sha256:${"0".repeat(64)}`, reason: "not-ready" };
  assert.deepEqual(next({ ...failed, quarantined: [bad] as unknown as Status["quarantined"] }), []);
});
