// What `cutover validate` found is named where the caller finds it.
import assert from "node:assert/strict";
import { test } from "node:test";
import { renderValidation } from "../../../src/cli/render-validation.ts";
import { toText } from "../../../src/cli/text.ts";
import { resolveDesired } from "../../../src/desired/resolve-desired.ts";
import type { Diagnostic } from "../../../src/model/diagnostic.ts";

const show = (diagnostics: readonly Diagnostic[], directory: string) =>
  toText(renderValidation({ diagnostics, files: ["fleet.yaml"] }, directory), {
    color: false,
    width: undefined,
    overflow: "wrap",
  });

test("what all documents together lack is told of the directory, and of no file that is not there", () => {
  const { diagnostics } = resolveDesired({ commit: "", documents: [], blobs: [] });
  const [first, second] = show(diagnostics, "work/releases");
  assert.match(first ?? "", /^error work\/releases:1:1: there is no Fleet document/);
  assert.match(second ?? "", /^warning work\/releases:1:1: there is no Release document/);
});

test("a finding in a file has the path from where the caller stands", () => {
  const one = { severity: "error", file: "fleet.yaml", line: 3, column: 5, path: "hosts", message: "no" } as const;
  assert.deepEqual(show([one], "work/releases/"), [
    "error work/releases/fleet.yaml:3:5 hosts: no",
    "not valid: 1 error in 1 file",
  ]);
});
