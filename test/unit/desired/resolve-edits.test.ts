// PlanEdit documents against the rest of the repository: what they name must be there, and they must not contradict each other.
import assert from "node:assert/strict";
import { test } from "node:test";
import { parseDocuments } from "../../../src/desired/parse-documents.ts";
import { resolveDesired } from "../../../src/desired/resolve-desired.ts";
import { formatDiagnostic } from "../../../src/model/diagnostic.ts";

const key = `ssh-ed25519 ${"A".repeat(68)}`;
const host = (name: string, components: string, labels = "{}") =>
  `  - {name: ${name}, address: 127.0.0.1, hostKeys: ["${key}"], components: [${components}], labels: ${labels}}`;
const fleet = `apiVersion: cutover/v1\nkind: Fleet\nhosts:\n${[
  host("web1", "shop, cache", "{site: north}"),
  host("web2", "shop", "{site: south}"),
  host("spare1", ""),
].join("\n")}\n`;
const release = 'components: [{name: shop, version: "2"}, {name: cache, version: "7"}]';

function resolve(...edits: string[]) {
  const edit = `apiVersion: cutover/v1\nkind: PlanEdit\nname: november\nedits:\n${edits.map((each) => `  - {${each}, reason: as agreed}\n`).join("")}`;
  return resolveTexts(fleet, release, edit);
}
function resolveTexts(...texts: string[]) {
  const parsed = parseDocuments(texts.map((text, index) => ({ path: `${index}.yaml`, text })));
  const resolved = resolveDesired({ commit: "c".repeat(40), documents: parsed.documents, blobs: [] });
  return { ...resolved, findings: [...parsed.diagnostics, ...resolved.diagnostics].map(formatDiagnostic) };
}
const targets = (resolved: ReturnType<typeof resolve>, component: string) =>
  resolved.desired?.releases[0]?.components.find(({ name }) => name === component)?.targets;

test("holds, exclusions and pins say at each target what they do there, and why", () => {
  const resolved = resolve(
    "kind: hold, host: web1",
    "kind: hold, host: web2, component: shop",
    'kind: pin, component: shop, match: {site: north}, version: "1.9"',
    "kind: exclude, host: web1, component: cache",
  );
  assert.deepEqual(resolved.findings, []);
  const why = "plan edit november: as agreed";
  assert.deepEqual(targets(resolved, "shop"), [
    { host: "web1", version: "1.9", insteadOf: "2", held: { why, part: false } },
    { host: "web2", version: "2", held: { why, part: true } },
  ]);
  assert.deepEqual(targets(resolved, "cache"), [
    { host: "web1", version: "7", held: { why, part: false }, excluded: why },
  ]);
});

test("what an edit names and nobody has is found at its place, with the nearest spelling", () => {
  const { findings } = resolve(
    "kind: hold, host: web11",
    "kind: exclude, host: web2, component: cach",
    "kind: exclude, host: web2, component: cache",
    "kind: hold, host: spare1",
    'kind: pin, component: shop, match: {site: west}, version: "1"',
    "kind: gate, name: look, beforePhase: comit",
  );
  assert.deepEqual(
    findings.map((line) => line.replace(/distribute, .*, commit/, "…")),
    [
      "2.yaml:5:24 edits[0].host: the Fleet has no host web11, did you mean web1?",
      "2.yaml:6:44 edits[1].component: release release has no component cach, did you mean cache?",
      "2.yaml:7:27 edits[2].host: release release does not have cache on web2, expected a host that the release is meant for",
      "2.yaml:8:24 edits[3].host: release release has nothing on spare1, expected a host that the release is meant for",
      "2.yaml:9:41 edits[4].match: no host of shop carries these labels",
      "2.yaml:10:43 edits[5].beforePhase: the Procedure has no phase comit, expected one of …, did you mean commit?",
    ],
  );
});

test("edits that contradict each other are refused at the second, whichever document it is in", () => {
  const { findings } = resolve(
    'kind: pin, component: shop, host: web1, version: "1"',
    'kind: pin, component: shop, match: {site: north}, version: "1.1"',
    "kind: exclude, host: web1, component: shop",
    "kind: split, batch: 1, size: 2",
    "kind: split, batch: 1, size: 3",
    "kind: gate, name: look, afterBatch: 1",
    "kind: gate, name: look, afterBatch: 2",
  );
  assert.deepEqual(
    findings.map((line) => line.replace(/^2\.yaml:\d+:\d+ /, "")),
    [
      "edits[1].version: web1/shop is pinned to 1.1, and another edit of release has it already: web1/shop is pinned to 1",
      "edits[2].component: web1/shop is excluded, and another edit of release has it already: web1/shop is pinned to 1",
      "edits[4].size: batch 1 is split by 3, and another edit of release has it already: batch 1 is split by 2",
      "edits[6].name: a gate is called look, and another edit of release has it already: a gate is called look",
    ],
  );
});

test("an edit says why, a pin for whom, a gate where, and which release they are about", () => {
  const text = `apiVersion: cutover/v1
kind: PlanEdit
name: november
release: relase
edits:
  - {kind: hold, host: web1}
  - {kind: pin, component: shop, version: "1", reason: as agreed}
  - {kind: gate, name: look, reason: as agreed}
  - {kind: gate, name: look, afterBatch: 1, beforePhase: commit, reason: as agreed}
  - {kind: hols, host: web1, reason: as agreed}
`;
  assert.deepEqual(resolveTexts(fleet, release, text).findings, [
    '2.yaml:6:5 edits[0].reason: "reason" is missing, expected text',
    "2.yaml:7:5 edits[1].host: a pin says for which host, or which labels to match",
    "2.yaml:8:24 edits[2].name: a gate stands either afterBatch or beforePhase",
    "2.yaml:9:24 edits[3].name: a gate stands either afterBatch or beforePhase",
    '2.yaml:10:12 edits[4].kind: found "hols", expected one of hold, exclude, pin, split, move, gate, did you mean hold?',
  ]);
  const other =
    "apiVersion: cutover/v1\nkind: PlanEdit\nname: n\nrelease: relase\nedits: [{kind: hold, host: web1, reason: as agreed}]";
  assert.deepEqual(resolveTexts(fleet, release, other).findings, [
    "2.yaml:4:10 release: there is no release relase, did you mean release?",
  ]);
});

test("a pin that breaks what a contract needs on the same host is refused like a version of the Release (R54)", () => {
  const contract =
    "apiVersion: cutover/v1\nkind: Component\nname: shop\nroot: /srv/shop\nmanager: none\nneeds: {components: {cache: '>=7'}}";
  const edit =
    'apiVersion: cutover/v1\nkind: PlanEdit\nname: n\nedits: [{kind: pin, component: cache, host: web1, version: "6.0.0", reason: as agreed}]';
  const semver = 'components: [{name: shop, version: "2.0.0"}, {name: cache, version: "7.0.0"}]';
  assert.match(
    resolveTexts(fleet, semver, contract, edit).findings.join("\n"),
    /shop 2\.0\.0 needs cache ">=7" on the same host, and 6\.0\.0 is wanted there \(web1\)/,
  );
});
