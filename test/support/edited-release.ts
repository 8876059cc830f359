// A release with plan edits, read from documents like every other: tests of the planner edit as people do.
import assert from "node:assert/strict";
import { parseDocuments } from "../../src/desired/parse-documents.ts";
import { resolveDesired } from "../../src/desired/resolve-desired.ts";
import type { DesiredRelease } from "../../src/model/desired.ts";
import { formatDiagnostic } from "../../src/model/diagnostic.ts";
import type { Edit } from "../../src/model/plan-edit.ts";
import type { World } from "./plan-input.ts";

const head = { apiVersion: "cutover/v1" };

/** `release` as the edits leave it; fails when the documents have an error. */
export function editedRelease(release: DesiredRelease, { components, labels = {} }: World, edits: readonly Edit[]) {
  const names = [...new Set(Object.values(components).flatMap(({ hosts }) => hosts))];
  const hosts = names.map((name) => ({
    name,
    address: "127.0.0.1",
    hostKeys: [`ssh-ed25519 ${"A".repeat(68)}`],
    labels: labels[name] ?? {},
    components: Object.keys(components).filter((component) => components[component]?.hosts.includes(name)),
  }));
  const documents = [
    { ...head, kind: "Fleet", hosts },
    {
      ...head,
      kind: "Release",
      name: release.name,
      components: release.components.map(({ name, dependsOn, targets }) => {
        return { name, version: targets[0]?.version ?? "2.0.0", depends_on: dependsOn };
      }),
    },
    { ...head, kind: "PlanEdit", name: "by-hand", release: release.name, edits },
  ];
  const files = documents.map((document, index) => ({ path: `${index}.yaml`, text: JSON.stringify(document) }));
  const parsed = parseDocuments(files);
  const resolved = resolveDesired({ commit: "c".repeat(40), documents: parsed.documents, blobs: [] });
  assert.deepEqual([...parsed.diagnostics, ...resolved.diagnostics].map(formatDiagnostic), []);
  const edited = resolved.desired?.releases[0];
  assert.ok(edited);
  const byName = new Map(edited.components.map((component) => [component.name, component]));
  return {
    ...release,
    components: release.components.map((component) => {
      return { ...component, targets: byName.get(component.name)?.targets ?? component.targets };
    }),
    ...(edited.edits === undefined ? {} : { edits: edited.edits }),
  };
}
