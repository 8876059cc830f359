// `cutover propose` against a real release repository and real published versions (R66). No host: a proposal needs none.
import assert from "node:assert/strict";
import { mkdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { acceptCommit } from "../../src/app/accept-commit.ts";
import type { Controller } from "../../src/app/controller.ts";
import { remember } from "../../src/app/controller-memory.ts";
import { initRelease } from "../../src/app/init.ts";
import { type Proposed, type ProposeInput, propose } from "../../src/app/propose.ts";
import { type PublishInput, publish } from "../../src/app/publish.ts";
import { LackingError } from "../../src/errors.ts";
import { mustRun, runProgram } from "../../src/lab/run-program.ts";
import { Component } from "../../src/model/component.ts";
import { Status } from "../../src/model/status.ts";
import { encodeNote, noteNamespace, notePayload } from "../../src/status/note-codec.ts";
import { artifactWriter, keyMaker, openController, signer } from "../../src/wiring.ts";
import { withGithub } from "../support/openapi-github.ts";
import { withTemporaryDirectory } from "../support/temporary-directory.ts";

const main = join(import.meta.dirname, "../../src/main.ts");
const day = 86_400_000;

interface Ran {
  readonly exitCode: number;
  readonly stdout: string;
  readonly stderr: string;
}

interface Proposing {
  readonly home: string;
  git(...args: string[]): Promise<string>;
  publish(component: string, version: string, options?: Partial<PublishInput> & { start?: string }): Promise<string>;
  /** Writes releases/release.yaml, commits signed unless said otherwise, pushes; the commit. */
  push(release: string, ...more: string[]): Promise<string>;
  cutover(...args: string[]): Promise<Ran>;
  /** The same without a process of its own and without a plan. */
  propose(options?: Partial<ProposeInput>): Promise<Proposed>;
  /** What every later call finds in its environment. */
  readonly env: Record<string, string>;
  /** What a branch of the remote has in releases/release.yaml; undefined when there is no such branch. */
  proposed(branch: string): Promise<string | undefined>;
  controller<T>(work: (opened: Awaited<ReturnType<typeof openController>>) => Promise<T>): Promise<T>;
}

function withProposing(body: (world: Proposing) => Promise<void>): Promise<void> {
  return withTemporaryDirectory(async (directory) => {
    const home = join(directory, "home");
    await initRelease(home, { keyMaker });
    const work = join(home, "work");
    const config = join(home, "cutover.yaml");
    const git = async (...args: string[]) => (await mustRun(["git", "-C", work, ...args])).trim();
    await writeFile(join(work, "releases", "fleet.yaml"), fleet);
    const env: Record<string, string> = {};
    const world: Proposing = {
      home,
      env,
      git,
      async publish(component, version, { start = "run", ...options } = {}) {
        const tree = join(directory, "trees", component, version);
        await mkdir(tree, { recursive: true });
        await writeFile(join(tree, start), `#!/bin/sh\necho ${version}\n`, { mode: 0o755 });
        const { tree: digest } = await publish({
          directory: tree,
          component: contract(component),
          version,
          releaseKeys: [join(home, "keys", "release")],
          store: artifactWriter(join(home, "artifacts")),
          signer,
          now: Date.now(),
          zstdLevel: 1,
          ...options,
        });
        return digest;
      },
      async push(release, ...more) {
        await writeFile(join(work, "releases", "release.yaml"), release);
        await git("add", "--all");
        await git("commit", "--quiet", "--allow-empty", "-m", "A release", ...more);
        await git("push", "--quiet", "origin", "HEAD:main");
        return git("rev-parse", "HEAD");
      },
      cutover: (...args) =>
        runProgram([process.execPath, main, ...args, "--config", config], { env: { ...quietEnvironment(), ...env } }),
      propose: (options = {}) =>
        world.controller(({ controller, commitWriter: writer }) =>
          propose({ controller, writer, components: [], together: false, push: true, ...options }),
        ),
      async proposed(branch) {
        await git("fetch", "--quiet", "--prune", "origin");
        const shown = await runProgram(["git", "-C", work, "show", `origin/${branch}:releases/release.yaml`], {});
        return shown.exitCode === 0 ? shown.stdout : undefined;
      },
      async controller(use) {
        const opened = await openController(config);
        try {
          return await use(opened);
        } finally {
          await opened.close();
        }
      },
    };
    await body(world);
  });
}

const outcomes = ({ proposals }: Proposed) => proposals.map(({ outcome, title }) => `${outcome} ${title}`);

/** A status note as a controller publishes it: signed, on the commit. */
async function noteQuarantine(
  { notes, settings }: Controller,
  { commit, bad }: { readonly commit: string; readonly bad: Status["quarantined"][number] },
): Promise<void> {
  const status = Status.parse({
    ...{ format: "cutover-status/1", release: "release", commit, generation: "g", planHash: null, run: null },
    ...{ conditions: [], targets: [], quarantined: [bad], at: Date.now(), holder: "c", epoch: 1 },
  });
  const signing = { keyPath: settings.envelopeKeyPath, namespace: noteNamespace, data: notePayload(status) };
  await notes.publish(commit, encodeNote(status, await signer.sign(signing)));
}

/** Of CI jobs nothing: this very test may run in one. */
function quietEnvironment(): NodeJS.ProcessEnv {
  return { PATH: process.env.PATH, HOME: process.env.HOME };
}

const fleet = `apiVersion: cutover/v1
kind: Fleet
hosts:
  - name: web1
    address: 127.0.0.1
    hostKeys: ["ssh-ed25519 ${"A".repeat(68)}"]
    components: [shop, cache]
`;

const contract = (name: string, more: object = {}) =>
  Component.parse({ apiVersion: "cutover/v1", kind: "Component", name, root: `/srv/${name}`, ...more });

const release = (shop: string, cache = '"7.0.0"') => `# what runs
components:
  - name: shop   # the shop
    version: ${shop}   # pinned
    range: ">=1.2 <2"
  - { name: cache, version: ${cache} }
`;

test("publishing a newer version within the range gives a commit on a branch, once, that becomes the release when a person merges it signed (R66)", () =>
  withProposing(async (world) => {
    for (const version of ["1.2.3", "1.2.4", "1.10.0", "2.0.0", "1.11.0-rc.1", "nightly"])
      await world.publish("shop", version);
    await world.publish("cache", "7.0.0");
    const base = await world.push(release('"1.2.3"'));
    const branch = "cutover/propose-shop-1.10.0";

    const shown = await world.cutover("propose");
    assert.equal(shown.exitCode, 2, shown.stderr);
    assert.match(shown.stdout, /would propose: shop 1\.10\.0 on cutover\/propose-shop-1\.10\.0/);
    assert.match(shown.stdout, /shop 1\.2\.3 → 1\.10\.0, range ">=1\.2 <2" \(releases\/release\.yaml:4\)/);
    assert.equal(await world.proposed(branch), undefined, "nothing is pushed unasked");

    const pushed = await world.cutover("propose", "--push");
    assert.equal(pushed.exitCode, 0, pushed.stderr);
    assert.match(pushed.stdout, /^proposed: shop 1\.10\.0 /m);
    assert.equal(await world.proposed(branch), release('"1.10.0"'), "comments, quotes and order as they were");
    assert.equal(await world.git("log", "-1", "--format=%an %P", `origin/${branch}`), `cutover ${base}`);
    const message = await world.git("log", "-1", "--format=%B", `origin/${branch}`);
    assert.match(message, /^shop 1\.10\.0\n\nProposed by cutover/);
    assert.match(message, /^ {2}shop +\(none\) → 1\.10\.0/m, "the plan, as text");
    const [, hash] = /\n\nCutover-Plan: (sha256:[0-9a-f]{64})$/.exec(message) ?? [];
    assert.ok(hash, message);
    const commit = await world.git("rev-parse", `origin/${branch}`);

    const again = await world.cutover("propose", "--push");
    assert.equal(again.exitCode, 0);
    assert.match(again.stdout, /^there already: shop 1\.10\.0 /m);
    const merge = (text: string) => /^next: in your clone: (.*)$/m.exec(text)?.[1] ?? "";
    assert.equal(merge(again.stdout), merge(pushed.stdout));
    await world.proposed(branch);
    assert.equal(await world.git("rev-parse", `origin/${branch}`), commit, "the same commit, not another one");

    await mustRun(["sh", "-c", merge(pushed.stdout)], { cwd: join(world.home, "work") });
    assert.match(await world.git("log", "-1", "--format=%(trailers)"), new RegExp(`^Cutover-Plan: ${hash}$`, "m"));
    const accepted = await world.controller(({ controller }) => acceptCommit(controller));
    assert.deepEqual(accepted.desired.releases[0]?.components[0]?.targets, [{ host: "web1", version: "1.10.0" }]);
    const after = await world.cutover("propose", "--push");
    assert.match(after.stdout, /^up to date: shop 1\.10\.0, nothing newer within ">=1\.2 <2"$/m);
  }));

test("versions that are quarantined, expired, or not signed by the Trust are never proposed, and are named (R66, P16)", () =>
  withProposing(async (world) => {
    const strangers = join(world.home, "stranger");
    await keyMaker.generate({ path: strangers, comment: "stranger" });
    await world.publish("shop", "1.2.3");
    await world.publish("shop", "1.2.4", {
      component: contract("shop", { manager: "process", switch: { strategy: "restart", start: "run" } }),
    });
    await world.publish("shop", "1.2.5", { now: Date.now() - 10 * day, expiresInDays: 1 });
    await world.publish("shop", "1.2.6", { releaseKeys: [strangers] });
    const tree = await world.publish("shop", "1.2.7");
    await world.publish("cache", "7.0.0");
    const commit = await world.push(release('"1.2.3"'));
    const bad = { component: "shop", version: "1.2.7", tree, reason: "unhealthy" };
    // Far from the controller, as in a CI job, its signed note says so.
    await world.controller(({ controller }) => noteQuarantine(controller, { commit, bad }));
    const elsewhere = await world.propose({ push: false });
    assert.deepEqual(outcomes(elsewhere), ["not-pushed shop 1.2.4"]);
    assert.equal(elsewhere.passedOver[0]?.message, "quarantined: unhealthy; cutover retry --reason '…' lifts it");
    // Where it runs, it remembers.
    await world.controller(async ({ controller }) => {
      await acceptCommit(controller);
      await remember(controller, { kind: "quarantined", ...bad, evidence: "HTTP 500" });
    });
    assert.deepEqual(outcomes(await world.propose()), ["proposed shop 1.2.4"]);
    assert.equal(await world.proposed("cutover/propose-shop-1.2.4"), release('"1.2.4"'));
    const said = await world.git("log", "-1", "--format=%B", "origin/cutover/propose-shop-1.2.4");
    for (const line of [
      "- passed over: shop 1.2.7 (quarantined)",
      "- passed over: shop 1.2.6 (release-not-trusted)",
      "- passed over: shop 1.2.5 (expired)",
      "  contract of shop changes: manager none → process",
      "  contract of shop changes: switch.strategy none → restart",
      "  contract of shop changes: switch.start (none) → run",
    ])
      assert.ok(`${said}\n`.includes(`\n${line}\n`), `${line}\n--- in ---\n${said}`);
  }));

test("a range in place of a version stops the release by name until it is proposed, and then stays beside the version (R66)", () =>
  withProposing(async (world) => {
    await world.publish("shop", "1.4.0");
    for (const version of ["7.0.0", "7.1.0"]) await world.publish("cache", version);
    const unpinned = (shop: string, cache: string) =>
      `components:\n  - name: shop\n    version: ${shop}\n  - { name: cache, version: ${cache} }\n`;
    await world.push(unpinned('">=1.2 <2"', '"7.0.0", range: ^7'));
    const validated = await world.cutover("validate", join(world.home, "work/releases"));
    assert.equal(validated.exitCode, 64);
    assert.match(
      validated.stdout,
      /release\.yaml:3:14 components\[0\]\.version: not pinned yet: ">=1\.2 <2" is a range/,
    );
    await world.controller(({ controller }) => assert.rejects(acceptCommit(controller), { code: "documents-invalid" }));

    const pushed = await world.cutover("propose", "--push", "--json");
    const { proposals } = JSON.parse(pushed.stdout) as { proposals: { branch: string; outcome: string }[] };
    assert.deepEqual(
      proposals.map(({ outcome }) => outcome),
      ["proposed"],
      "one commit: neither alone could be accepted",
    );
    assert.equal(
      await world.proposed(proposals[0]?.branch ?? ""),
      unpinned('"1.4.0"\n    range: ">=1.2 <2"', '"7.1.0", range: ^7'),
    );

    await world.push(unpinned('">=3"', '"7.0.0"'));
    const none = await world.cutover("propose", "--push");
    assert.equal(none.exitCode, 4);
    assert.match(
      none.stderr,
      /^error: No published version of shop is within ">=3" \(releases\/release\.yaml:3:14\)$/m,
    );
  }));

test("each component has a commit of its own, a newer base brings its branch along, and nobody's commits are overwritten (R66)", () =>
  withProposing(async (world) => {
    for (const version of ["1.2.3", "1.3.0"]) await world.publish("shop", version);
    for (const version of ["7.0.0", "7.2.0"]) await world.publish("cache", version);
    const both = (shop: string, cache: string) => release(shop, `${cache}, range: "7"`);
    await world.push(both('"1.2.3"', '"7.0.0"'));
    const branches = ["cutover/propose-shop-1.3.0", "cutover/propose-cache-7.2.0"] as const;
    assert.deepEqual(outcomes(await world.propose()), ["proposed shop 1.3.0", "proposed cache 7.2.0"]);
    assert.equal(await world.proposed(branches[0]), both('"1.3.0"', '"7.0.0"'));
    assert.equal(await world.proposed(branches[1]), both('"1.2.3"', '"7.2.0"'));

    await world.git("checkout", "--quiet", "-b", "mine", `origin/${branches[0]}`);
    await world.git("commit", "--quiet", "--allow-empty", "-m", "Look at this first");
    await world.git("push", "--quiet", "origin", `HEAD:refs/heads/${branches[0]}`);
    const mine = await world.git("rev-parse", "HEAD");
    await world.git("checkout", "--quiet", "main");
    await world.push(`${both('"1.2.3"', '"7.0.0"')}rollback_policy: release\n`);
    assert.deepEqual(outcomes(await world.propose()), ["kept shop 1.3.0", "updated cache 7.2.0"]);
    await world.proposed(branches[1]);
    assert.equal(await world.git("rev-parse", `origin/${branches[0]}`), mine);
    assert.match((await world.proposed(branches[1])) ?? "", /"7\.2\.0".*\nrollback_policy: release\n$/);

    const { proposals } = await world.propose({ together: true });
    assert.equal(proposals.length, 1);
    assert.match((await world.proposed(proposals[0]?.branch ?? "")) ?? "", /"1\.3\.0"[\s\S]*"7\.2\.0"/);
    assert.deepEqual(outcomes(await world.propose({ components: ["cache"] })), ["there-already cache 7.2.0"]);
    await assert.rejects(world.propose({ components: ["cahe"] }), {
      exitCode: 64,
      message: "No release asks for cahe with a range; did you mean cache?",
    });
  }));

test("a proposal stands on the last accepted commit when nobody trusted signed the newest one (R57)", () =>
  withProposing(async (world) => {
    for (const version of ["1.2.3", "1.3.0"]) await world.publish("shop", version);
    await world.publish("cache", "7.0.0");
    const accepted = await world.push(release('"1.2.3"'));
    await world.controller(({ controller }) => acceptCommit(controller));
    await world.push(release('"1.2.3"', '"6.6.6"'), "--no-gpg-sign");
    const { base, baseProblem } = await world.propose();
    assert.equal(base.commit, accepted);
    assert.match(baseProblem ?? "", /^Commit [0-9a-f]{12} is not signed by a trusted signer$/);
    assert.equal(await world.proposed("cutover/propose-shop-1.3.0"), release('"1.3.0"'));
    assert.equal(await world.git("rev-parse", "origin/cutover/propose-shop-1.3.0^"), accepted);
    assert.equal(await readFile(join(world.home, "work/releases/release.yaml"), "utf8"), release('"1.2.3"', '"6.6.6"'));
  }));

test("where a forge is known the proposal is a pull request with the plan as its text, opened once (R66)", () =>
  withProposing((world) =>
    withGithub({ token: "token-of-the-bot" }, async (github) => {
      for (const version of ["1.2.3", "1.3.0"]) await world.publish("shop", version);
      await world.publish("cache", "7.0.0");
      await world.push(release('"1.2.3"'));
      Object.assign(world.env, { GITHUB_API_URL: github.api, GITHUB_REPOSITORY: "shop/releases" });
      const lacking = await world.cutover("propose", "--push", "--forge", "github");
      assert.equal(lacking.exitCode, 69);
      assert.equal(await world.proposed("cutover/propose-shop-1.3.0"), undefined, "nothing is pushed halfway");

      world.env.GITHUB_TOKEN = "token-of-the-bot";
      for (const word of ["proposed", "there already"]) {
        const pushed = await world.cutover("propose", "--push", "--forge", "github");
        assert.equal(pushed.exitCode, 0, pushed.stderr);
        assert.match(pushed.stdout, new RegExp(`^${word}: shop 1\\.3\\.0 on `, "m"));
        assert.match(pushed.stdout, /^ {2}https:\/\/github\.com\/shop\/releases\/pull\/1$/m);
        assert.doesNotMatch(pushed.stdout + pushed.stderr, /token-of-the-bot/, "P15");
      }
      assert.deepEqual(github.violations, []);
      assert.deepEqual(
        github.pulls.map(({ head, base, title }) => [head, base, title]),
        [["cutover/propose-shop-1.3.0", "main", "shop 1.3.0"]],
      );
      const [pull] = github.pulls;
      assert.match(pull?.body ?? "", /^<!-- cutover-plan -->\n## Plan: 1 host changes/);
    }),
  ));

test("one proposal's failure is said by itself, keeps no other from being made, and the command does not end well (R66)", () =>
  withProposing((world) =>
    withGithub({ token: "token-of-the-bot" }, async (github) => {
      for (const version of ["1.2.3", "1.3.0"]) await world.publish("shop", version);
      for (const version of ["7.0.0", "7.2.0"]) await world.publish("cache", version);
      await world.push(release('"1.2.3"', '"7.0.0", range: "7"'));
      const describe: ProposeInput["describe"] = async ({ branch }) => {
        if (branch.includes("shop")) throw new LackingError("no plan", "");
        return { text: "", markdown: "", hashes: [], others: [] };
      };
      const half = await world.propose({ describe });
      assert.deepEqual(outcomes(half), ["proposed cache 7.2.0"]);
      assert.deepEqual(
        half.failed.map(({ branch, error }) => [branch, error.message]),
        [["cutover/propose-shop-1.3.0", "no plan"]],
      );

      Object.assign(world.env, { GITHUB_API_URL: github.api, GITHUB_REPOSITORY: "shop/releases" });
      world.env.GITHUB_TOKEN = "token-of-the-bot";
      github.trouble = ({ body }) =>
        (body as { head?: string } | undefined)?.head?.includes("shop") ? { status: 422, message: "no" } : undefined;
      const pushed = await world.cutover("propose", "--push", "--forge", "github");
      assert.equal(pushed.exitCode, 4, pushed.stderr);
      for (const line of [
        /^proposed: shop 1\.3\.0 on /m,
        /^failed: shop 1\.3\.0 on cutover\/propose-shop-1\.3\.0\n {2}error: GitHub shop\/releases refused$/m,
        /^ {4}The branch is pushed; its pull request was neither opened nor brought up to date$/m,
        /^ {2}next: .*open the pull request of the branch by hand$/m,
      ])
        assert.match(pushed.stdout, line);
      assert.deepEqual(
        github.pulls.map(({ head }) => head),
        ["cutover/propose-cache-7.2.0"],
      );
      assert.equal(await world.proposed("cutover/propose-shop-1.3.0"), release('"1.3.0"', '"7.0.0", range: "7"'));
    }),
  ));
