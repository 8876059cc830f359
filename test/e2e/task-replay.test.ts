// cutover task replay: a task of a run, from the journal and the artifact repository alone.
import assert from "node:assert/strict";
import { join } from "node:path";
import { test } from "node:test";
import { captureTask, withBundle } from "../../src/app/replay-task.ts";
import { readSdk } from "../../src/host/read-sdk.ts";
import { replay } from "../../src/lab/task-test/replay.ts";
import type { Plan, PlannedChange, Step } from "../../src/model/plan.ts";
import type { EventBody, JournalEvent } from "../../src/model/run-event.ts";
import type { Task, TaskEvent } from "../../src/model/task.ts";
import { Trust } from "../../src/model/trust.ts";
import { parseReleaseMetadata, publishedVersion } from "../../src/package/release-metadata.ts";
import { layFiles } from "../support/lay-files.ts";
import { type Publishing, withPublishing } from "../support/published-release.ts";

const signal = new AbortController().signal;
const tasks = [
  { name: "convert", do: "convert", undo: "cutover.sh", dryRun: true, at: "before-switch" },
  { name: "other", do: "convert" },
];
const convert = (key: string): string =>
  `#!/bin/sh\nset -eu\n. "\${0%/*}/cutover.sh"\nenv | grep '^\\(CUTOVER_FROM\\|CUTOVER_HOST\\|GREETING\\)=' | sort\ncutover_edit /etc/app.conf workers "$(cutover_get /etc/app.conf ${key})"\n`;
const bundleOf = (key: string) => ({ convert: convert(key), "cutover.sh": readSdk("cutover.sh") });
const component = { tasks, env: { GREETING: "hello" } };

const task: Task = {
  id: "web1/web/convert",
  host: "web1",
  component: "web",
  version: "2.0.0",
  kind: "hook",
  action: "do",
  options: { name: "convert" },
};
const failed: TaskEvent = {
  task: task.id,
  action: "do",
  state: "failed",
  durationMs: 310,
  exitCode: 71,
  reason: "task-failed",
  evidence: "cutover: /etc/app.conf has no threads",
};

async function contractOf({ repository }: Publishing): Promise<string> {
  return publishedVersion(parseReleaseMetadata((await repository.release("web", "2.0.0")).metadata)).contract;
}

/** A run as its journal has it, as far as a replay reads it. */
function journalOf(contract: string, more: readonly EventBody[] = []) {
  const change = { host: "web1", component: "web", from: "1.0.0", to: "2.0.0" } as PlannedChange;
  const step = {
    id: "tasks.1",
    kind: "task",
    phase: "data-plane",
    batch: 1,
    work: [{ host: "web1", groups: [[task, { ...task, id: "web1/web/build", kind: "build", options: {} }]] }],
    soakSeconds: 0,
  } as Step;
  const plan = { changes: [change], steps: [step], contracts: { "web@2.0.0": contract } } as unknown as Plan;
  const bodies = [
    { kind: "run-planned", plan, fleet: [{ name: "web1", address: "192.0.2.7" }] } as unknown as EventBody,
    { kind: "task", step: "tasks.1", host: "web1", event: failed } satisfies EventBody,
    ...more,
  ];
  const events = bodies.map((body, index): JournalEvent => ({ ...body, stream: "run/r1", sequence: index + 1, at: 0 }));
  return { read: (stream: string) => Promise.resolve(stream === "run/r1" ? events : []) };
}

function readerOf(
  { repository, signer, releaseKey }: Publishing,
  journal: ReturnType<typeof journalOf>,
  keys = [releaseKey.publicKey],
) {
  const firstTrust = Trust.parse({
    apiVersion: "cutover/v1",
    kind: "Trust",
    releaseKeys: keys,
    threshold: 1,
    controllerKeys: keys,
    commitSigners: [],
  });
  return { artifacts: repository, signer, journal, settings: { directory: "", firstTrust, concurrency: 1 } };
}

test("R32: a task that failed in a run fails the same way here, with what it was given there, and ends well once its input is mended", () =>
  withPublishing(async (publishing) => {
    await publishing.publish({ version: "2.0.0", component, bundle: bundleOf("threads") });
    const reader = readerOf(publishing, journalOf(await contractOf(publishing)));
    const { captured, loaded } = await captureTask(reader, "r1/web1/web/convert");
    assert.deepEqual(
      [captured.from, captured.address, captured.content, captured.recorded],
      ["1.0.0", "192.0.2.7", "as-it-was", failed],
    );
    const before = join(publishing.folder, "before");
    const run = (dryRun?: "dry-run") =>
      withBundle(reader, loaded, (bundleDirectory) =>
        replay({ captured, bundleDirectory, before, shell: undefined, dryRun, signal }),
      );
    await assert.rejects(run(), {
      code: "usage",
      message: `${before} is no directory that could stand for the host`,
      remedy: "cutover task replay r1/web1/web/convert --before DIR",
    });
    layFiles(before, { "etc/app.conf": "pool=4\n" });
    const [again] = await run();
    assert.equal(again?.exitCode, 143, "killed by the failing call in its own subshell");
    assert.equal(
      again?.said,
      "CUTOVER_FROM=1.0.0\nCUTOVER_HOST=web1\nGREETING=hello\ncutover: /etc/app.conf has no threads\n",
    );
    layFiles(before, { "etc/app.conf": "threads=4\n" });
    const [dry] = await run("dry-run");
    assert.deepEqual([dry?.exitCode, dry?.changes], [0, []]);
    const [mended] = await run();
    assert.deepEqual([mended?.exitCode, mended?.changes], [0, ["changed etc/app.conf"]]);
  }));

test("R32: an undo is replayed after the do that it takes back", () =>
  withPublishing(async (publishing) => {
    await publishing.publish({ version: "2.0.0", component, bundle: bundleOf("threads") });
    const undone: EventBody = { kind: "task", step: "x", host: "web1", event: { ...failed, action: "undo" } };
    const reader = readerOf(publishing, journalOf(await contractOf(publishing), [undone]));
    const { captured, loaded } = await captureTask(reader, "r1/web1/web/convert");
    const before = join(publishing.folder, "before");
    layFiles(before, { "etc/app.conf": "threads=4\n" });
    const results = await withBundle(reader, loaded, (bundleDirectory) =>
      replay({ captured, bundleDirectory, before, shell: undefined, dryRun: undefined, signal }),
    );
    assert.deepEqual(
      results.map(({ action, exitCode, changes }) => [action, exitCode, changes]),
      [
        ["do", 0, ["changed etc/app.conf"]],
        ["undo", 0, []],
      ],
    );
  }));

test("R32: a bundle that was published again since is told apart from the one that the run had, and a mended one within the run is not", () =>
  withPublishing(async (publishing) => {
    await publishing.publish({ version: "2.0.0", component, bundle: bundleOf("threads") });
    const first = await contractOf(publishing);
    await publishing.publish({ version: "2.0.0", component, bundle: bundleOf("pool"), options: { amend: true } });
    const contract = (await contractOf(publishing)) as `sha256:${string}`;
    const old = await captureTask(readerOf(publishing, journalOf(first)), "r1/web1/web/convert");
    assert.equal(old.captured.content, "published-again");
    const amended = { kind: "amended", component: "web", version: "2.0.0", contract } as unknown as EventBody;
    const again: EventBody = {
      kind: "task",
      step: "x",
      host: "web1",
      event: { ...failed, state: "done", exitCode: 0 },
    };
    const retried = await captureTask(readerOf(publishing, journalOf(first, [amended, again])), "r1/web1/web/convert");
    assert.deepEqual([retried.captured.content, retried.captured.recorded?.state], ["as-it-was", "done"]);
  }));

test("P2: nothing of a bundle is run here that the release key did not sign; what cannot be replayed is refused by name", () =>
  withPublishing(async (publishing) => {
    await publishing.publish({ version: "2.0.0", component, bundle: bundleOf("threads") });
    const journal = journalOf(await contractOf(publishing));
    const stranger = readerOf(publishing, journal, [publishing.secondReleaseKey.publicKey]);
    await assert.rejects(captureTask(stranger, "r1/web1/web/convert"), { code: "release-not-trusted" });
    const reader = readerOf(publishing, journal);
    for (const [id, message] of [
      ["r1/web1/web", /is not RUN\/HOST\/COMPONENT\/TASK/],
      ["r2/web1/web/convert", /The journal has no run r2/],
      ["r1/web1/web/other", /no task web1\/web\/other; of web on web1 it has convert, build/],
      ["r1/web1/web/build", /build runs no executable/],
    ] as const)
      await assert.rejects(captureTask(reader, id), message);
  }));
