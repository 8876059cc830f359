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
    withLoopbackLab(3, (lab) =>
      withWorld(lab, async (world) => {
        for (const version of ["1.0.0", "2.0.0"]) await world.publishWeb(version);
        await world.pushWeb("1.0.0");
        await propose(world, "2.0.0");
        const blank = await cloneOf(world);
        const first = await blank.review("origin/main", "origin/next");
        assert.match(first.releases[0]?.stateProblem ?? "", /no status note yet/);
        assert.deepEqual(first.releases[0]?.plan.changes.map(({ from }) => from), [undefined, undefined, undefined]); // biome-ignore format: one line
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

        await mustRun(["git", "-C", join(world.home, "work"), "merge", "--quiet", "--no-ff", "-m", "Merge", "next"]);
        await mustRun(["git", "-C", join(world.home, "work"), "push", "--quiet", "origin", "main"]);
        const live = await world.withController((controller) => planReleases({ controller }));
        assert.deepEqual(live.plans.map(({ hash }) => hash), [web.plan.hash]); // biome-ignore format: one line
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
