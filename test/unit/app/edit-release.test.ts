// Versions written into documents: the difference is what a reviewer would have typed.
import assert from "node:assert/strict";
import { test } from "node:test";
import { editRelease } from "../../../src/app/edit-release.ts";
import { parseDocuments } from "../../../src/desired/parse-documents.ts";
import { rangedVersions } from "../../../src/desired/ranges.ts";

/** Every version with a range becomes `to`. */
function pin(text: string, to: string): string {
  const { documents, diagnostics } = parseDocuments([{ path: "r.yaml", text }]);
  assert.deepEqual(diagnostics, []);
  return editRelease(
    text,
    rangedVersions(documents).map((place) => ({ ...place, to })),
  );
}

const cases: readonly (readonly [why: string, before: string, after: string])[] = [
  [
    "comments, blank lines, odd spacing and order stay",
    '# head\ncomponents:\n\n  -   version:   "1.2.3"   # quote it\n      name: shop # the shop\n      range: "^1"\n\nstrategy: rolling # end\n# tail\n',
    '# head\ncomponents:\n\n  -   version:   "1.10.0"   # quote it\n      name: shop # the shop\n      range: "^1"\n\nstrategy: rolling # end\n# tail\n',
  ],
  [
    "a map in braces, single quotes",
    "components: [{name: shop, version: '1.2.3', range: ^1}, {name: cache, version: \"7\"}]",
    "components: [{name: shop, version: '1.10.0', range: ^1}, {name: cache, version: \"7\"}]",
  ],
  [
    "a version without quotes",
    "components:\n  - name: shop\n    version: 1.2.3\n    range: ^1\n",
    "components:\n  - name: shop\n    version: 1.10.0\n    range: ^1\n",
  ],
  [
    "a range in place of the version moves beside it, a comment stays with the version",
    'components:\n  - version: ">=1.2 <2" # not below\n    name: shop\n',
    'components:\n  - version: "1.10.0" # not below\n    range: ">=1.2 <2"\n    name: shop\n',
  ],
  [
    "the same in braces",
    'components: [{name: shop, version: ">=1.2 <2"}]\n',
    'components: [{name: shop, version: "1.10.0", range: ">=1.2 <2"}]\n',
  ],
  [
    "the same at the end of a file without a line end",
    'components:\n  - name: shop\n    version: ">=1.2 <2"',
    'components:\n  - name: shop\n    version: "1.10.0"\n    range: ">=1.2 <2"',
  ],
  [
    "the same as a folded block",
    "components:\n  - version: >-\n      >=1.2\n      <2\n    name: shop\n",
    'components:\n  - version: "1.10.0"\n    range: ">=1.2 <2"\n    name: shop\n',
  ],
  [
    "line ends of Windows",
    'components:\r\n  - name: shop\r\n    version: "^1"\r\n',
    'components:\r\n  - name: shop\r\n    version: "1.10.0"\r\n    range: "^1"\r\n',
  ],
  [
    "the full form, a second document, a selector of its own",
    'kind: Policy\napiVersion: cutover/v1\nname: p\n---\napiVersion: cutover/v1\nkind: Release\ncomponents:\n  - name: shop\n    version: "5.0.0"\n    selectors:\n      - match: { role: a }\n        version: "1.0.0"\n        range: "1"\n...\n',
    'kind: Policy\napiVersion: cutover/v1\nname: p\n---\napiVersion: cutover/v1\nkind: Release\ncomponents:\n  - name: shop\n    version: "5.0.0"\n    selectors:\n      - match: { role: a }\n        version: "1.10.0"\n        range: "1"\n...\n',
  ],
];
for (const [why, before, after] of cases) {
  test(`a version is written and nothing else is touched: ${why} (R66)`, () => {
    assert.equal(pin(before, "1.10.0"), after);
    assert.equal(pin(after, "1.10.0"), after, "again it changes nothing");
  });
}

test("a version that YAML would read as a number gets quotes", () => {
  const before = "components:\n  - name: shop\n    version: 1.2.3\n    range: ^1\n";
  assert.match(pin(before, "1.10"), /version: "1\.10"\n/);
});

test("a place that holds no version is a mistake of the caller, never a guess", () => {
  const text = 'components: [{name: shop, version: "1"}]';
  assert.throws(() => editRelease(text, [{ line: 1, column: 15, to: "2" }]), /no version is written at 1:15/);
});
