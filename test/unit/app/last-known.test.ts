// What was known last of a silent host: by our own journal, else by a note that a controller key signed for that very commit.
import assert from "node:assert/strict";
import { test } from "node:test";
import { findStatuses, withLastKnown } from "../../../src/app/last-known.ts";
import type { Observation } from "../../../src/model/observation.ts";
import type { Status } from "../../../src/model/status.ts";
import { makeAppender } from "../../../src/run/append.ts";
import { encodeNote } from "../../../src/status/note-codec.ts";
import { memoryJournal, sleptClock } from "../../support/engine.ts";

const [older, newer] = ["a".repeat(40), "b".repeat(40)];
const statusOf = (commit: string, version: string, at: number): Status => ({
  ...{
    format: "cutover-status/1",
    release: "shop",
    commit,
    generation: "g",
    planHash: null,
    run: null,
    conditions: [],
  },
  ...{ quarantined: [], at, holder: "control", epoch: 1 },
  targets: [{ host: "h1", component: "web", from: null, version, wanted: version, since: 0, outcome: "in-sync" }],
  trees: [{ component: "web", version, tree: `sha256:${"1".repeat(64)}` }],
});
const publicKey = (name: string) => `ssh-ed25519 ${Buffer.from(name).toString("base64")}`;
/** As far as it is read before it is verified: the key that it claims, and whether `verify` below will agree. */
const signedBy = (key: string, word = "good") => {
  const bytes = Buffer.alloc(14);
  bytes.write("SSHSIG");
  bytes.writeUInt32BE(key.length, 10);
  const body = Buffer.concat([bytes, Buffer.from(`${key}${word}`)]).toString("base64");
  return `-----BEGIN SSH SIGNATURE-----\n${body}\n-----END SSH SIGNATURE-----\n`;
};

type From = Parameters<typeof findStatuses>[0]["from"];
function repositoryWith(
  notes: Readonly<Record<string, string>>,
): From & { readonly looked: string[]; readonly verified: string[] } {
  const looked: string[] = [];
  const verified: string[] = [];
  return {
    looked,
    verified,
    repository: { history: async () => [newer, older] } as unknown as From["repository"],
    notes: {
      async find(commits: readonly string[], visit: (commit: string, note: string) => Promise<boolean>) {
        for (const commit of commits) {
          looked.push(commit);
          const note = notes[commit];
          if (note !== undefined && (await visit(commit, note))) return;
        }
      },
    } as unknown as From["notes"],
    signer: {
      async verify({ allowedKeys, signatures }: { allowedKeys: readonly string[]; signatures: string }) {
        verified.push(signatures);
        return { keys: allowedKeys.filter((key) => signatures === signedBy(nameOf(key))) };
      },
    } as unknown as From["signer"],
  };
}
const nameOf = (key: string) => Buffer.from(key.split(" ")[1] ?? "", "base64").toString();
const controllerKeys = [publicKey("controller")];
const search = { commit: newer, controllerKeys, releases: ["shop"] };
const versionOf = (status: Status | undefined) => status?.targets[0]?.version;

test("the nearest commit with a trusted note counts, and nothing further back is looked at (T33)", async () => {
  const from = repositoryWith({
    [newer]: encodeNote(statusOf(newer, "2.0.0", 2), signedBy("controller")),
    [older]: encodeNote(statusOf(older, "1.0.0", 1), signedBy("controller")),
  });
  const { statuses, problems } = await findStatuses({ from, ...search });
  assert.deepEqual([versionOf(statuses.get("shop")), problems, from.looked], ["2.0.0", [], [newer]]);
});

test("a note that is not signed, signed by another, or brought from another commit is passed over and named (T33)", async () => {
  const forged = [
    encodeNote(statusOf(newer, "9.0.0", 9)),
    encodeNote(statusOf(newer, "8.0.0", 8), signedBy("mallory")),
    encodeNote(statusOf(older, "7.0.0", 7), signedBy("controller")),
  ];
  const from = repositoryWith({
    [newer]: forged.join("\n"),
    [older]: encodeNote(statusOf(older, "1.0.0", 1), signedBy("controller")),
  });
  const { statuses, problems } = await findStatuses({ from, ...search });
  assert.equal(versionOf(statuses.get("shop")), "1.0.0");
  assert.deepEqual(problems.map(({ text }) => text), ["is not signed", "is not signed by a controller key of the Trust", "was made for another commit"]); // biome-ignore format: one line
});

test("records that name another key cost no verification, however many there are, and hide no honest one (T33)", async () => {
  const forged = Array.from({ length: 300 }, (_, at) => encodeNote(statusOf(newer, "9.0.0", 10 + at), signedBy("mallory"))); // biome-ignore format: one line
  const honest = encodeNote(statusOf(newer, "1.0.0", 1), signedBy("controller"));
  const from = repositoryWith({ [newer]: [...forged, honest].join("\n") });
  const { statuses, problems } = await findStatuses({ from, ...search });
  assert.equal(versionOf(statuses.get("shop")), "1.0.0");
  assert.deepEqual([from.verified.length, problems.length], [1, 20]);
});

test("a search verifies so many signatures and no more, asked releases first, and says that it ended early (T33)", async () => {
  const claimed = (release: string, count: number) =>
    Array.from({ length: count }, (_, at) =>
      encodeNote({ ...statusOf(newer, "9.0.0", 10 + at), release }, signedBy("controller", "forged")),
    );
  const honest = encodeNote(statusOf(newer, "1.0.0", 1), signedBy("controller"));
  const beside = repositoryWith({ [newer]: [...claimed("other", 400), honest].join("\n") });
  assert.equal(versionOf((await findStatuses({ from: beside, ...search })).statuses.get("shop")), "1.0.0");
  const from = repositoryWith({ [newer]: [...claimed("shop", 400), honest].join("\n"), [older]: honest });
  const { statuses, problems } = await findStatuses({ from, ...search });
  assert.deepEqual([statuses.size, from.verified.length, from.looked], [0, 200, [newer]]);
  assert.equal(problems[0]?.text, "came with more to verify than there is time for");
});

test("a silent host is known by the journal, by the notes where the journal is silent, and only a silent one is", async () => {
  const journal = memoryJournal();
  const clock = sleptClock();
  const from = repositoryWith({ [older]: encodeNote(statusOf(older, "1.0.0", 1), signedBy("controller")) });
  const silent: Observation = { kind: "unreachable", host: "h1", at: 5, code: "host-unreachable", message: "" };
  const known = async () => {
    const input = {
      release: "shop",
      observations: new Map([["h1", silent]]),
      commit: newer,
      controllerKeys,
    };
    const [[, observation] = []] = await withLastKnown({ ...from, journal }, input);
    assert.equal(observation?.kind, "unreachable");
    return observation.lastKnown?.components.map(({ current, committed }) => [current, committed]);
  };
  assert.deepEqual(await known(), [["1.0.0", "1.0.0"]]);
  const status = statusOf(newer, "2.0.0", 3);
  await makeAppender({ journal, clock, stream: "status/shop", last: 0 }).append({ kind: "status-made", status });
  assert.deepEqual(await known(), [["2.0.0", "2.0.0"]]);
});
