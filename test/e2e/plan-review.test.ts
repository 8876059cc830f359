// The plan in review: what a merge would cause, computed in a clone from git, signed notes and artifacts while no host
// answers; what is merged is what was reviewed, and a changed world shows the difference and waits (R4).
import assert from "node:assert/strict";
import { cp, mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { stringify } from "yaml";
import { planReleases } from "../../src/app/plan-releases.ts";
import type { Lab } from "../../src/lab/lab.ts";
import { mustRun, runProgram } from "../../src/lab/run-program.ts";
import type { Review } from "../../src/model/review.ts";
import { encodeNote, noteNamespace, notePayload, parseNotes } from "../../src/status/note-codec.ts";
import { signer } from "../../src/wiring.ts";
import { loopbackSkip, withLoopbackLab } from "../support/with-lab.ts";
import { type World, withWorld } from "../support/with-world.ts";

const main = join(import.meta.dirname, "../../src/main.ts");

interface Clone {
  readonly directory: string;
  /** `cutover plan` in the clone. */
  plan(...args: string[]): Promise<{ readonly exitCode: number; readonly stdout: string; readonly stderr: string }>;
  review(base: string, head: string): Promise<Review>;
}

/** As CI has it: no key, no journal, no mirror; the documents, the notes, and where artifacts are. */
async function cloneOf(world: World): Promise<Clone> {
  const directory = join(world.directory, `ci-${crypto.randomUUID()}`);
  const git = (...args: string[]) => mustRun(["git", "-C", directory, ...args]);
  await mustRun(["git", "clone", "--quiet", join(world.home, "releases.git"), directory]);
  await git("fetch", "--quiet", "origin", "+refs/notes/*:refs/notes/*");
  await cp(join(world.home, "trust.yaml"), join(directory, "trust.yaml"));
  await writeFile(join(directory, "cutover.yaml"), stringify({ repository: { url: "." }, artifacts: join(world.home, "artifacts") })); // biome-ignore format: one line
  const plan: Clone["plan"] = (...args) => runProgram([process.execPath, main, "plan", ...args], { cwd: directory });
  return {
    directory,
    plan,
    async review(base, head) {
      const { stdout, stderr } = await plan("--base", base, "--head", head, "--format", "json");
      assert.notEqual(stdout, "", stderr);
      return JSON.parse(stdout) as Review;
    },
  };
}

/** A signed commit on a branch that nobody has merged. */
async function propose(world: World, version: string): Promise<void> {
  const git = (...args: string[]) => mustRun(["git", "-C", join(world.home, "work"), ...args]);
  await git("checkout", "--quiet", "-B", "next", "main");
  const release = { apiVersion: "cutover/v1", kind: "Release", name: "web", policy: "default", components: [{ name: "web", version }] }; // biome-ignore format: one line
  await mkdir(join(world.home, "work", "releases"), { recursive: true });
  await writeFile(join(world.home, "work", "releases", "release.yaml"), stringify(release));
  await git("add", "--all");
  await git("commit", "--quiet", "-m", `web ${version}`);
  await git("push", "--quiet", "--force", "origin", "next");
  await git("checkout", "--quiet", "main");
}

/** The newest record again, newer, with other versions: once signed by a key that is no controller's, once not at all. */
async function forgeNote(world: World, planHash: string): Promise<void> {
  const work = join(world.home, "work");
  const git = (...args: string[]) => mustRun(["git", "-C", work, ...args]);
  await git("fetch", "--quiet", "origin", "+refs/notes/*:refs/notes/*");
  const commit = (await git("rev-parse", "origin/main")).trim();
  const [honest] = parseNotes(await git("notes", "--ref=cutover", "show", commit)).reverse();
  assert.ok(honest);
  const targets = honest.status.targets.map((target) => ({ ...target, version: "2.0.0", outcome: "done" as const }));
  const status = { ...honest.status, targets, planHash, at: honest.status.at + 1_000 };
  const keyPath = join(world.home, "keys", "operator");
  const signature = await signer.sign({ keyPath, namespace: noteNamespace, data: notePayload(status) });
  await git("notes", "--ref=cutover", "append", "-m", encodeNote(status, signature), commit);
  await git("notes", "--ref=cutover", "append", "-m", encodeNote({ ...status, at: status.at + 1_000 }), commit);
  await git("push", "--quiet", "origin", "refs/notes/cutover");
}

const silenced = async <T>(lab: Lab, work: () => Promise<T>): Promise<T> => {
  await Promise.all(lab.hosts.map((host) => host.stopSshd()));
  try {
    return await work();
  } finally {
    await Promise.all(lab.hosts.map((host) => host.startSshd()));
  }
};

test(
  "a clone reviews a branch while no host answers, and the merge plans to the same hash (R4)",
  { skip: loopbackSkip },
  () =>
    withLoopbackLab(2, (lab) =>
      withWorld(lab, async (world) => {
        for (const version of ["1.0.0", "2.0.0"]) await world.publishWeb(version);
        await world.pushWeb("1.0.0");
        await propose(world, "2.0.0");
        const blank = await cloneOf(world);
        const first = await blank.review("origin/main", "origin/next");
        assert.match(first.releases[0]?.stateProblem ?? "", /no status note yet/);
        assert.deepEqual(first.releases[0]?.plan.changes.map(({ from }) => from), [undefined, undefined]); // biome-ignore format: one line
        await world.reconcile();

        const clone = await cloneOf(world);
        const { review, text } = await silenced(lab, async () => ({
          review: await clone.review("origin/main", "origin/next"),
          text: await clone.plan("--base", "origin/main", "--head", "origin/next"),
        }));
        const [web] = review.releases;
        assert.ok(web);
        assert.equal(web.stateProblem, undefined);
        assert.ok(web.observedAt !== undefined && review.at - web.observedAt < 120_000);
        assert.equal(review.head.signer, "operator");
        assert.deepEqual(web.plan.changes.map(({ host, from, to }) => [host, from, to]), lab.hosts.map(({ name }) => [name, "1.0.0", "2.0.0"])); // biome-ignore format: one line
        assert.deepEqual(web.risks.map(({ reason }) => reason), ["not-across-reboot"]); // biome-ignore format: one line
        const [estimate] = web.estimates;
        assert.ok(estimate?.seconds !== undefined && estimate.seconds > 0, JSON.stringify(web.estimates));
        assert.equal(text.exitCode, 2, text.stderr);
        assert.match(text.stdout, /hosts as reported .* ago, .*, by a signed note/);
        assert.ok(text.stdout.includes(web.plan.hash));

        await forgeNote(world, web.plan.hash);
        const [unfooled] = (await (await cloneOf(world)).review("origin/main", "origin/next")).releases;
        assert.equal(unfooled?.plan.hash, web.plan.hash, "a forged note changes nothing (T33)");
        assert.match(
          unfooled?.stateProblem ?? "",
          /the newest note, on commit .*, is not signed \(and 1 more\); the newest one that can be trusted counts/,
        );

        await mustRun(["git", "-C", join(world.home, "work"), "merge", "--quiet", "--no-ff", "-m", "Merge", "next"]);
        await mustRun(["git", "-C", join(world.home, "work"), "push", "--quiet", "origin", "main"]);
        const live = await world.withController((controller) => planReleases({ controller }));
        assert.deepEqual(live.plans.map(({ hash }) => hash), [web.plan.hash]); // biome-ignore format: one line
        assert.deepEqual([...live.risks], [["web", web.risks]], "who plans on hosts sees what the reviewer saw");
        await lab.hosts[1]?.stopSshd();
        try {
          const [without] = (await world.withController((controller) => planReleases({ controller }))).plans;
          assert.deepEqual(
            [without?.hash, without?.waiting.map(({ host }) => host)],
            [web.plan.hash, [lab.hosts[1]?.name]],
          );
        } finally {
          await lab.hosts[1]?.startSshd();
        }
      }),
    ),
);

test(
  "approval by plan hash: nothing runs until a signed commit names the reviewed plan, and nothing but that plan (R4, P12)",
  { skip: loopbackSkip },
  () =>
    withLoopbackLab(2, (lab) =>
      withWorld(lab, async (world) => {
        const git = (...args: string[]) => mustRun(["git", "-C", join(world.home, "work"), ...args]);
        const approve = async (hash: string) => {
          await git("commit", "--quiet", "--allow-empty", "-m", "Approve", "--trailer", `Cutover-Plan: ${hash}`);
          await git("push", "--quiet", "origin", "main");
        };
        const outcome = async () => {
          const [result] = (await world.reconcile()).results;
          return { outcome: result?.outcome, reason: result?.trouble?.reason, message: result?.trouble?.message ?? "", hash: result?.plan.hash ?? "" }; // biome-ignore format: one line
        };
        const bodies = () => Promise.all(lab.hosts.map(async (host) => (await world.ask(host)).body));
        const merge = async (...message: string[]) => {
          await git("merge", "--quiet", "--no-ff", "-m", message.join("\n\n"), "next");
          await git("push", "--quiet", "origin", "main");
        };
        const [first, second] = lab.hosts;
        assert.ok(first && second);
        for (const version of ["1.0.0", "2.0.0", "3.0.0"]) await world.publishWeb(version);
        await world.push({ "policy.yaml": { apiVersion: "cutover/v1", kind: "Policy", name: "default", batchSize: 2, approval: "plan-hash" } }); // biome-ignore format: one line

        // 1. No trailer, then an empty signed commit on top: the same documents, so the same generation.
        await world.pushWeb("1.0.0");
        const missing = await outcome();
        assert.deepEqual([missing.outcome, missing.reason], ["stalled", "ApprovalMissing"]);
        assert.ok(missing.message.includes(`Cutover-Plan: ${missing.hash}`));
        const status = await runProgram([process.execPath, main, "status"], { cwd: world.home });
        assert.match(status.stdout, /web: Stalled \(ApprovalMissing\)/);
        const shown = await runProgram([process.execPath, main, "plan"], { cwd: world.home });
        assert.equal(shown.exitCode, 4, shown.stdout);
        assert.match(shown.stdout, /next: git commit --allow-empty -S .* --trailer 'Cutover-Plan: sha256:/);
        await approve(missing.hash);
        assert.equal((await outcome()).outcome, "done");
        assert.deepEqual(await bodies(), ["1.0.0", "1.0.0"]);

        // 2. The merge names what the clone reviewed. A host that is away is caught up later, under the same approval.
        await propose(world, "2.0.0");
        const [reviewed] = (await (await cloneOf(world)).review("origin/main", "origin/next")).releases;
        assert.equal(reviewed?.approval, "plan-hash");
        await merge("Merge 2.0.0", `Cutover-Plan: ${reviewed?.plan.hash}`);
        await second.stopSshd();
        try {
          assert.deepEqual([(await outcome()).outcome, await bodies()], ["done", ["2.0.0", "1.0.0"]]);
        } finally {
          await second.startSshd();
        }
        assert.equal((await outcome()).outcome, "done");
        assert.deepEqual(await bodies(), ["2.0.0", "2.0.0"]);

        // 3. Somebody changed a host since the review: nothing runs, and what changed is shown.
        await propose(world, "3.0.0");
        const [agreed] = (await (await cloneOf(world)).review("origin/main", "origin/next")).releases;
        const pointAt = (version: string) => {
          const script = `cd '${second.prefix}/srv/cutover/web' && ln -s 'versions/${version}' .mine && mv -T .mine current`;
          return second.run(["sh", "-c", script]);
        };
        await pointAt("1.0.0");
        await merge("Merge 3.0.0", `Cutover-Plan: ${agreed?.plan.hash}`);
        const drifted = await outcome();
        assert.deepEqual([drifted.outcome, drifted.reason], ["stalled", "HostDrifted"]);
        assert.match(drifted.message, /host-2 web: current is 1\.0\.0, but 2\.0\.0 was committed last/);
        await pointAt("2.0.0");
        assert.equal((await outcome()).outcome, "done");
        assert.deepEqual(await bodies(), ["3.0.0", "3.0.0"]);
      }),
    ),
);
