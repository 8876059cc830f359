// Documents → which version on which host, and what is refused across documents.
import assert from "node:assert/strict";
import { test } from "node:test";
import { parseDocuments } from "../../../src/desired/parse-documents.ts";
import { generationOf, resolveDesired } from "../../../src/desired/resolve-desired.ts";
import { formatDiagnostic } from "../../../src/model/diagnostic.ts";

const key = `ssh-ed25519 ${"A".repeat(68)}`;
const host = (name: string, components: string, labels = "{}") =>
  `  - {name: ${name}, address: 127.0.0.1, hostKeys: ["${key}"], components: [${components}], labels: ${labels}}`;
const fleet = (...hosts: string[]) => `apiVersion: cutover/v1\nkind: Fleet\nhosts:\n${hosts.join("\n")}\n`;
const shopFleet = fleet(
  host("web2", "shop", "{role: compute}"),
  host("web1", "shop, cache", "{role: control, site: north}"),
  host("db1", "database"),
);

function resolve(...texts: string[]) {
  const parsed = parseDocuments(texts.map((text, index) => ({ path: `${index}.yaml`, text })));
  assert.deepEqual(parsed.diagnostics.map(formatDiagnostic), []);
  return resolveDesired({
    commit: "c".repeat(40),
    documents: parsed.documents,
    blobs: texts.map((_, index) => `blob${index}`),
  });
}
const findings = (...texts: string[]) => resolve(...texts).diagnostics.map(formatDiagnostic);

test("hosts of a component are those whose Fleet entry lists it, in order of their names", () => {
  const { desired } = resolve(shopFleet, 'components: [{name: shop, version: "2"}]');
  assert.deepEqual(desired?.releases[0]?.components, [
    {
      name: "shop",
      dependsOn: [],
      targets: [
        { host: "web1", version: "2" },
        { host: "web2", version: "2" },
      ],
    },
  ]);
});

test("selectors give hosts their own versions, the first match counts (R34)", () => {
  const release = `components:
  - name: shop
    version: r7
    selectors:
      - {match: {role: control, site: north}, version: r9}
      - {match: {role: control}, version: r0}
`;
  const { desired } = resolve(shopFleet, release);
  assert.deepEqual(desired?.releases[0]?.components[0]?.targets, [
    { host: "web1", version: "r9" },
    { host: "web2", version: "r7" },
  ]);
});

test("a selector that no host matches is named, since a typo would roll out the wrong version", () => {
  const release = 'components: [{name: shop, version: "1", selectors: [{match: {role: controll}, version: "2"}]}]';
  assert.deepEqual(findings(shopFleet, release), [
    "1.yaml:1:61 components[0].selectors[0].match: no host of shop carries these labels, did you mean role: control?",
  ]);
});

test("limits of all Fleet documents count, and one that no host falls under is named: it would limit nothing (R33)", () => {
  const limits = (role: string) => `limits: [{match: {role: ${role}}, hosts: 1}]\n`;
  const release = 'components: [{name: shop, version: "1"}]';
  assert.deepEqual(resolve(shopFleet + limits("control"), release).desired?.limits, [
    { match: { role: "control" }, hosts: 1 },
  ]);
  assert.equal(resolve(shopFleet, release).desired?.limits, undefined);
  assert.match(
    findings(shopFleet + limits("controll"), release).join(),
    /limits\[0\]\.match: no host carries these labels/,
  );
});

test("a component that selects no host is an error, never nothing to do (P14)", () => {
  assert.match(
    findings(shopFleet, 'components: [{name: shob, version: "1"}]')[0] ?? "",
    /^1\.yaml:1:21 components\[0\]\.name: shob selects no host.*did you mean shop\?$/,
  );
});

test("a missing Fleet is an error, and a missing Release is nothing to do yet (P14)", () => {
  const none = resolve('components: [{name: shop, version: "1"}]');
  assert.equal(none.desired, undefined);
  assert.match(none.diagnostics.map(({ message }) => message).join("\n"), /there is no Fleet document/);
  const waiting = resolve(shopFleet);
  assert.deepEqual(waiting.desired?.releases, []);
  assert.deepEqual(
    waiting.diagnostics.map(({ severity }) => severity),
    ["warning"],
  );
});

test("unknown names and cycles in depends_on are refused where they are written (R28)", () => {
  const release = `components:
  - {name: shop, version: "1", depends_on: [cach]}
  - {name: cache, version: "1", depends_on: [database]}
  - {name: database, version: "1", depends_on: [cache]}
`;
  assert.deepEqual(findings(shopFleet, release), [
    "1.yaml:2:45 components[0].depends_on[0]: this release has no component cach, did you mean cache?",
    "1.yaml:4:49 components[2].depends_on[0]: a cycle: cache requires database, database requires cache, expected an order in which each can be reached (what is required goes first, and so does who consumes)",
  ]);
});

test("requires and consumes are one order: missing names and cycles over both are refused where they are written (R28, R39)", () => {
  const release = `components:
  - {name: shop, version: "1", depends_on: [cache], consumes: [database]}
  - {name: cache, version: "1", consumes: [databas]}
  - {name: database, version: "1", depends_on: [cache]}
`;
  assert.deepEqual(findings(shopFleet, release), [
    "1.yaml:3:44 components[1].consumes[0]: this release has no component databas, did you mean database?",
  ]);
  const circle = `components:
  - {name: shop, version: "1", depends_on: [cache], consumes: [database]}
  - {name: cache, version: "1", depends_on: [database]}
  - {name: database, version: "1"}
`;
  assert.deepEqual(findings(shopFleet, circle), [
    "1.yaml:2:64 components[0].consumes[0]: a cycle: shop requires cache, cache requires database, database is consumed by shop, expected an order in which each can be reached (what is required goes first, and so does who consumes)",
  ]);
});

test("a skew limit that the documents break by themselves, or that names nobody, is refused where it stands (R39)", () => {
  const release = `components:
  - {name: shop, version: "2.4.0", selectors: [{match: {role: control}, version: "2.2.0"}], skew: [{of: database, ahead: 1 minor}, {of: cach, behind: 0 minor}]}
  - {name: database, version: "2.2.1"}
  - {name: cache, version: "2.4.0", skew: [{of: shop, behind: 1 minor, scope: host}, {of: shop, ahead: 1 minor, scope: host}]}
`;
  assert.deepEqual(findings(shopFleet, release), [
    "1.yaml:2:137 components[0].skew[1].of: this release has no component cach, did you mean cache?",
    "1.yaml:2:100 components[0].skew[0]: shop 2.4.0 beside database 2.2.1: 2 minor ahead, at most 1 minor is allowed",
    "1.yaml:4:86 components[2].skew[1]: cache 2.4.0 beside shop 2.2.0: 2 minor ahead, at most 1 minor is allowed",
  ]);
});

test("a component that depends on itself is a cycle, and a long chain is not", () => {
  assert.match(
    findings(shopFleet, 'components: [{name: shop, version: "1", depends_on: [shop]}]')[0] ?? "",
    /a cycle: shop requires shop/,
  );
  const names = Array.from({ length: 900 }, (_, index) => `c${index}`);
  const chain = names.map(
    (name, index) => `  - {name: ${name}, version: "1", depends_on: [${names[index + 1] ?? ""}]}`,
  );
  assert.deepEqual(findings(fleet(host("a", names.join(", "))), `components:\n${chain.join("\n")}\n`), []);
});

test("two releases that want one component on one host are refused (R33)", () => {
  const release = (name: string) =>
    `apiVersion: cutover/v1\nkind: Release\nname: ${name}\ncomponents: [{name: shop, version: "1"}]\n`;
  assert.match(findings(shopFleet, release("a"), release("b"))[0] ?? "", /shop on web1 already belongs to release a/);
});

test("two releases with the same name, hosts listed twice, and a second Trust are refused", () => {
  const trust = `apiVersion: cutover/v1\nkind: Trust\nreleaseKeys: ["${key}"]\nthreshold: 2\n`;
  const found = findings(
    shopFleet,
    fleet(host("web1", "cache, cache")),
    'components: [{name: shop, version: "1"}]',
    'components: [{name: cache, version: "1"}]',
    trust,
    trust,
  ).join("\n");
  assert.match(found, /host web1 is there twice, also in 0\.yaml/);
  assert.match(found, /cache is there twice/);
  assert.match(found, /a Release called release is already in 2\.yaml/);
  assert.match(found, /a second Trust; the first is in 4\.yaml/);
  assert.match(found, /2 signatures are asked for, and there are 1 release keys/);
});

test("a policy is found by its name, the one called default applies to releases that name none", () => {
  const policy = (name: string, canaries: number) =>
    `apiVersion: cutover/v1\nkind: Policy\nname: ${name}\ncanaries: ${canaries}\n`;
  const named = 'components: [{name: shop, version: "1"}]\npolicy: careful\n';
  assert.equal(resolve(shopFleet, named, policy("careful", 3)).desired?.releases[0]?.policy.canaries, 3);
  const unnamed = 'components: [{name: shop, version: "1"}]\n';
  assert.equal(resolve(shopFleet, unnamed, policy("default", 2)).desired?.releases[0]?.policy.canaries, 2);
  assert.deepEqual(resolve(shopFleet, unnamed).desired?.releases[0]?.policy.batchSize, "25%");
  assert.match(
    findings(shopFleet, named, policy("carefull", 1))[0] ?? "",
    /there is no policy careful, did you mean carefull\?/,
  );
});

test("no policy can leave the canary out (T34)", () => {
  const { diagnostics } = parseDocuments([
    { path: "p.yaml", text: "apiVersion: cutover/v1\nkind: Policy\nname: p\ncanaries: 0\nbatchSize: 100%\n" },
  ]);
  assert.deepEqual(diagnostics.map(formatDiagnostic), ["p.yaml:4:11 canaries: found 0, expected at least 1"]);
});

const move = "tasks: [backup, drain, before-switch, switch, after-switch, health, undrain, confirm]";
const procedure = (...phases: string[]) =>
  `apiVersion: cutover/v1\nkind: Procedure\nphases:\n${phases.map((phase) => `  - {${phase}}\n`).join("")}`;
const ahead = ["name: bytes, tasks: [distribute, build]", "name: look, tasks: [check, prepare]"];
const commit = "name: end, tasks: [finish, commit]";

test("a procedure may name, split and choose as it likes (R30)", () => {
  const control = `name: control, match: {role: control}, ${move}`;
  const good = procedure(...ahead, control, `name: shops, components: [shop], ${move}`, `name: rest, ${move}`, commit);
  assert.deepEqual(
    resolve(shopFleet, good).diagnostics.filter(({ severity }) => severity === "error"),
    [],
  );
});

test("a procedure that would leave a host out, or switch what is not proved, says where and why (R30)", () => {
  const rest = `name: rest, ${move}`;
  const found = (...phases: string[]) => findings(shopFleet, procedure(...phases)).join("\n");
  assert.match(found(commit, ...ahead, rest), /confirm must come before finish/);
  assert.match(found(...ahead.toReversed(), rest, commit), /build must come before check/);
  assert.match(found(...ahead, rest), /no phase holds finish, commit/);
  const apart = ["name: bytes, tasks: [distribute]", "name: look, tasks: [build, check, prepare]"];
  assert.match(found(...apart, rest, commit), /distribute and build belong into one phase/);
  assert.match(found(...ahead, commit), /no phase holds switch/);
  assert.match(found(...ahead, `${rest}, match: {role: db}`, commit), /takes all hosts that are left/);
  assert.match(found(...ahead, rest, `name: late, ${move}`, commit), /no host is left for the phases after this one/);
  assert.match(found(...ahead, "name: rest, tasks: [switch]", commit), /also holds backup, drain, .*, confirm/);
  assert.match(found(...ahead, rest.replace("switch, after-switch, health", "health, switch, after-switch"), commit), /switch must come before health/); // biome-ignore format: one line
  assert.match(found(...ahead, rest, commit.replace("finish", "finish, finish")), /finish is there twice/);
  assert.match(found(...ahead, rest, `${commit}, components: [shop]`), /is for all hosts/);
});

test("the generation is that of the documents, whatever commit, order or file they are in", () => {
  assert.equal(generationOf(["b", "a"]), generationOf(["a", "b"]));
  assert.notEqual(generationOf(["a"]), generationOf(["a", "b"]));
  assert.match(generationOf([]), /^sha256:[0-9a-f]{64}$/);
});

test("the same documents resolve to the same value (P12)", () => {
  const release = 'components: [{name: shop, version: "2"}, {name: cache, version: "1"}]';
  assert.equal(JSON.stringify(resolve(shopFleet, release)), JSON.stringify(resolve(shopFleet, release)));
});

const ranged = (version: string, more = "") => `components:\n  - name: shop\n    version: ${version}\n${more}`;

test("a version that is a range is an error that says how it is pinned (R66)", () => {
  assert.deepEqual(findings(shopFleet, ranged('">=1.2 <2"')), [
    '1.yaml:3:14 components[0].version: not pinned yet: ">=1.2 <2" is a range, and `cutover propose` writes the version',
  ]);
  assert.deepEqual(findings(shopFleet, ranged('"1.3.0"', '    range: ">=1.2 <2"\n')), []);
});

test("what semver cannot read as a range, and versions that no range takes, are named where they stand (R66)", () => {
  assert.deepEqual(findings(shopFleet, ranged('"1.3.0"', '    range: "=>1.2"\n')), [
    '1.yaml:4:12 components[0].range: "=>1.2" is not a range that semver can read, expected such as ">=1.2 <2", did you mean ">=1.2"?',
  ]);
  assert.deepEqual(findings(shopFleet, ranged("r7", '    range: "^1"\n')), [
    "1.yaml:3:14 components[0].version: r7 is no semantic version, so no range ever takes it, expected a version such as 1.2.3, or no range",
  ]);
  assert.deepEqual(findings(shopFleet, ranged('"2.0.0"', '    range: "^1"\n')), [
    '1.yaml:3:14 components[0].version: 2.0.0 is outside of its range "^1", expected one within it',
  ]);
  assert.deepEqual(findings(shopFleet, ranged('">=1 <2"', '    range: "^1"\n')), [
    '1.yaml:3:14 components[0].version: ">=1 <2" is a second range beside `range`, expected one version',
  ]);
  const selector = '    selectors: [{match: {role: control}, version: "1.0.0", range: "~2"}]\n';
  assert.deepEqual(findings(shopFleet, ranged('"1.3.0"', selector)), [
    '1.yaml:4:51 components[0].selectors[0].version: 1.0.0 is outside of its range "~2", expected one within it',
  ]);
});

const api = (needs: string) =>
  `apiVersion: cutover/v1\nkind: Component\nname: shop\nroot: /srv/shop\nneeds:\n  components:\n    ${needs}\n`;

test("a release that breaks a component's need for another on the same host is refused where it does, by host (R54)", () => {
  const release = (cache: string) =>
    `components:\n  - {name: shop, version: "2"}\n  - {name: cache, version: ${cache}}\n`;
  const fits = findings(shopFleet, api('cache: ">=7 <8"'), release('"7.2.0"'));
  assert.deepEqual(fits, [], "web2 has no cache by these documents: what runs there is asked when planning");
  assert.deepEqual(findings(shopFleet, api('cache: ">=7 <8"'), release('"6.2.1"')), [
    '2.yaml:3:28 components[1].version: shop 2 needs cache ">=7 <8" on the same host, and 6.2.1 is wanted there (web1)',
  ]);
});

test("a need that semver cannot read, or for a component that is spelt otherwise, is named in the Component (R54)", () => {
  assert.deepEqual(findings(shopFleet, api('cache: "7.x.y"'), 'components: [{name: shop, version: "2"}]'), [
    '1.yaml:7:12 needs.components.cache: "7.x.y" is not a range that semver can read, expected such as ">=1.2 <2"',
  ]);
  const both = 'components: [{name: shop, version: "2"}, {name: cache, version: "7.0.0"}]';
  assert.deepEqual(findings(shopFleet, api('cach: "7"'), both), [
    "1.yaml:7:11 needs.components.cach: no document knows a component cach, did you mean cache?",
  ]);
});

test("R17: a restore point names components of its release, each once; the limit is 500 ms unless it says otherwise", () => {
  const release = (point: string) =>
    `components: [{name: shop, version: "2"}, {name: cache, version: "1"}]\nrestore_point: {components: [${point}]}\n`;
  const { desired } = resolve(shopFleet, release("shop, cache"));
  assert.deepEqual(desired?.releases[0]?.restorePoint, { components: ["shop", "cache"], withinMs: 500 });
  assert.deepEqual(findings(shopFleet, release("shop, shop, cach")), [
    "1.yaml:2:36 restore_point.components[1]: shop is there twice",
    "1.yaml:2:42 restore_point.components[2]: cach is no component of this release, did you mean cache?",
  ]);
});
