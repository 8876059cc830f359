// `cutover task undo` of an executable of the bundle: only one whose contract names an undo, and only where that can be looked up.
import assert from "node:assert/strict";
import { test } from "node:test";
import type { Controller } from "../../../src/app/controller.ts";
import { undoTask } from "../../../src/app/tasks/undo-task.ts";
import { CutoverError } from "../../../src/errors.ts";
import { Component } from "../../../src/model/component.ts";
import { digestOf } from "../../../src/model/digest.ts";
import type { EventBody } from "../../../src/model/run-event.ts";
import { encodeManifest } from "../../../src/package/manifest.ts";
import {
  encodeReleaseMetadata,
  parseReleaseMetadata,
  publishedVersion,
} from "../../../src/package/release-metadata.ts";
import { makePlan } from "../../../src/plan/make-plan.ts";
import { memoryJournal } from "../../support/engine.ts";
import { planInput } from "../../support/plan-input.ts";

const step = "switch.1";
const id = "h1/app/convert";

interface Hook {
  readonly undo?: string;
}

/** As it was published with this hook; a bundle holds what the hook names. */
function released({ undo }: Hook) {
  const contract = Component.parse({
    ...{ apiVersion: "cutover/v1", kind: "Component", name: "app", root: "/srv/app" },
    tasks: [{ name: "convert", do: "convert", at: "before-switch", ...(undo === undefined ? {} : { undo }) }],
  });
  const file = (path: string) => ({ kind: "file", path, mode: 0o755, sizeBytes: 1, sha256: digestOf(path).slice(7) }) as const; // biome-ignore format: one line
  const manifest = encodeManifest([file("run")]);
  const bundleManifest = encodeManifest(["convert", ...(undo === undefined ? [] : [undo])].map(file));
  const metadata = encodeReleaseMetadata({
    ...{ component: "app", version: "2.0.0", sequence: 1, expires: 9_999_999_999, floor: 0, contract },
    ...{ tree: { digest: digestOf(manifest), bytes: 1, files: 1 }, bundle: { digest: digestOf(bundleManifest), bytes: 1 } }, // biome-ignore format: one line
  });
  const { contract: digest } = publishedVersion(parseReleaseMetadata(metadata));
  const files = Object.fromEntries(["convert", ...(undo === undefined ? [] : [undo])].map((name) => [name, "x"]));
  return { release: { component: "app", version: "2.0.0", metadata, signatures: "", manifest, bundleManifest }, digest, files }; // biome-ignore format: one line
}

/** Undone in a run that was planned with one hook, while this one is published. */
async function undo(
  planned: Hook,
  { published = planned, state = "failed" }: { published?: Hook | CutoverError; state?: "done" | "failed" } = {},
) {
  const before = released(planned);
  const key = "app@2.0.0";
  const tasks = [{ name: "convert", at: "before-switch", scope: "host", hasUndo: planned.undo !== undefined, canDryRun: false }] as const; // biome-ignore format: one line
  const made = makePlan(planInput({ components: { app: { hosts: ["h1"], tasks } }, rollbackPolicy: "manual" }));
  const plan = { ...made, contracts: { [key]: before.digest }, bundles: { [key]: before.files } };
  const event = { task: id, action: "do", state, durationMs: 1, exitCode: 1, reason: "", evidence: "" } as const;
  const events: EventBody[] = [
    { kind: "run-planned", commit: "c", generation: "g", plan, epoch: 1, fleet: [] },
    { kind: "step-started", step },
    { kind: "task", step, host: "h1", event },
    { kind: "host-ended", step, host: "h1", outcome: "failed", evidence: "" },
  ];
  const journal = memoryJournal();
  await journal.append(events.map((body, index) => ({ ...body, stream: "run/r1", sequence: index + 1, at: index })));
  const release = async () => {
    if (published instanceof CutoverError) throw published;
    return released(published).release;
  };
  const settings = { firstTrust: { releaseKeys: ["key"], threshold: 1 } };
  const signer = { verify: async () => ({ keys: ["key"] }) };
  const controller = { journal, artifacts: { release }, signer, settings } as unknown as Controller;
  return undoTask({ controller, by: "ada", reason: "odd rows" }, { run: undefined, id });
}

const namesUndo: Hook = { undo: "unconvert" };

test("a hook without an undo is not undone; what is done about it is named", async () => {
  await assert.rejects(undo({}), {
    code: "nothing-to-undo",
    message: "There is nothing to undo: convert of app 2.0.0 has no undo",
    impact: "Nothing was changed",
    remedy: `cutover task retry r1/${id} --reason …, or cutover task skip r1/${id} --key FILE --reason …`,
  });
  await assert.rejects(undo({}, { state: "done" }), { remedy: /^cutover rollback shop --reason …/ });
});

test("one that has an undo is undone, also after its script was mended", async () => {
  for (const published of [namesUndo, { undo: "unconvert-2" }]) {
    const { events } = await undo(published);
    assert.deepEqual(events.map(({ kind }) => kind), ["step-added"]); // biome-ignore format: one line
  }
});

test("an undo that came with a bundle that the run does not have yet is none of it: taking that into the run comes first", async () => {
  await assert.rejects(undo({}, { published: namesUndo }), {
    code: "version-changed",
    remedy: `cutover task retry r1/${id} --amend --reason …, which takes the new bundle into the run`,
  });
});

test("where the version cannot be looked at, that is said, and nothing is guessed", async () => {
  const gone = new CutoverError({ code: "not-published", message: "app 2.0.0 is not published", remedy: "publish it" });
  await assert.rejects(undo(namesUndo, { published: gone }), {
    code: "undo-unknown",
    evidence: "app 2.0.0 is not published",
    remedy: "publish it; then the same command again, or cutover rollback shop --reason …",
  });
});
