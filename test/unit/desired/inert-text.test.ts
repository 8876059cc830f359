// T23: shell text in any field of any document is refused, or stays text that nothing runs.
import assert from "node:assert/strict";
import { access, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { parseConfig } from "../../../src/config.ts";
import { parseDocuments } from "../../../src/desired/parse-documents.ts";
import { resolveDesired } from "../../../src/desired/resolve-desired.ts";

const key = `ssh-ed25519 ${"A".repeat(68)}`;
const apiVersion = "cutover/v1";
const documents: readonly Record<string, unknown>[] = [
  {
    apiVersion,
    kind: "Fleet",
    name: "fleet",
    hosts: [
      {
        name: "web1",
        address: "127.0.0.1",
        user: "cutover",
        hostKeys: [key],
        labels: { role: "web" },
        components: ["shop"],
      },
    ],
  },
  {
    apiVersion,
    kind: "Component",
    name: "shop",
    root: "/srv/shop",
    manager: "systemd",
    store: "directory",
    units: ["shop.service"],
    switch: { strategy: "socket", upgradeSignal: "USR2", stopSignal: "TERM", sockets: ["shop.socket"] },
    env: { MODE: "live" },
    drain: { task: "drain" },
    health: [
      { kind: "http", url: "http://127.0.0.1/healthz" },
      { kind: "tcp", address: "127.0.0.1", port: 80 },
      { kind: "unit", unit: "shop.service" },
      { kind: "executable", task: "probe" },
    ],
    backup: ["/srv/data"],
    tasks: [
      { name: "drain", do: "drain.sh", undo: "undrain.sh", scope: "host" },
      { name: "probe", do: "probe.sh" },
    ],
    needs: { arch: ["x86_64"], kernel: "5.10", glibc: "2.31", libraries: ["libssl.so.3"] },
    probation: { seconds: 60, atEnd: "stay" },
    upgrade: { from: ">=1 <2", via: ["1.4.0"] },
    migrations: { "orders-v2": "expand" },
  },
  {
    apiVersion,
    kind: "Release",
    name: "release",
    components: [
      {
        name: "shop",
        version: "1",
        depends_on: [],
        selectors: [{ match: { role: "web" }, version: "2" }],
      },
    ],
    strategy: "rolling",
    rollback_policy: "auto",
    policy: "careful",
  },
  { apiVersion, kind: "Policy", name: "careful", batchSize: "25%", approval: "merge", drift: "report" },
  {
    apiVersion,
    kind: "Procedure",
    name: "steps",
    phases: [
      { name: "ahead", tasks: ["distribute", "build", "check", "prepare"] },
      {
        name: "move",
        match: { role: "web" },
        components: ["shop"],
        tasks: ["backup", "drain", "before-switch", "switch", "after-switch", "health", "undrain", "confirm"],
      },
      {
        name: "rest",
        tasks: ["backup", "drain", "before-switch", "switch", "after-switch", "health", "undrain", "confirm"],
      },
      { name: "end", tasks: ["finish", "commit"] },
    ],
  },
  {
    apiVersion,
    kind: "Trust",
    name: "trust",
    releaseKeys: [key],
    controllerKeys: [key],
    commitSigners: [{ name: "alice", publicKey: key, roles: ["admin"] }],
  },
];

/** Free text: labels and names that are only compared, and values that the host gets as data under the release key's signature. */
const inert =
  /^(Fleet\.(name|hosts\.0\.labels\.role)|Component\.env\.MODE|Release\.components\.0\.selectors\.0\.match\.role|Procedure\.phases\.1\.match\.role|Trust\.name)$/;

test("the documents of this test are valid as they stand", () => {
  const { diagnostics } = check(documents);
  assert.deepEqual(diagnostics, []);
});

test("$(touch x), options and separators in every field of every document are refused, or are text that nothing runs (T23)", async () => {
  const folder = await mkdtemp(join(tmpdir(), "cutover-inert-"));
  const trace = join(folder, "x");
  try {
    let tried = 0;
    for (const text of [
      `$(touch ${trace})`,
      `\`touch ${trace}\``,
      `;touch ${trace};`,
      `-touch=${trace}`,
      `--upload-pack=touch ${trace}`,
      `a\ntouch ${trace}`,
    ]) {
      for (const [index, document] of documents.entries()) {
        for (const path of stringPaths(document)) {
          const changed = documents.map((each, at) => (at === index ? withValue(each, path, text) : each));
          const { diagnostics } = check(changed);
          tried++;
          const name = [document.kind, ...path].join(".");
          if (diagnostics.length === 0) assert.match(name, inert, `${name} accepted ${JSON.stringify(text)}`);
        }
      }
    }
    assert.ok(tried > 300, `${tried} fields were tried`);
    await assert.rejects(access(trace));
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
});

test("the same in cutover.yaml: addresses, refs and paths take neither options nor shell text (T23)", () => {
  const settings = {
    repository: { url: "releases.git", ref: "main", directory: "releases" },
    listen: "127.0.0.1:1",
    cron: "0 3 * * *",
    holder: "a",
  };
  for (const text of ["$(touch x)", "-touch", "--upload-pack=touch", "a;touch x", "a\ntouch x"]) {
    for (const path of stringPaths(settings)) {
      const yaml = JSON.stringify(withValue(settings, path, text));
      assert.throws(
        () => parseConfig(yaml, { file: "/srv/cutover.yaml", hostname: "h" }),
        { code: "config-invalid" },
        `${path.join(".")} ${text}`,
      );
    }
  }
});

function check(all: readonly unknown[]) {
  const parsed = parseDocuments(
    all.map((document, index) => ({ path: `${index}.yaml`, text: JSON.stringify(document) })),
  );
  if (parsed.diagnostics.length > 0) return parsed;
  return resolveDesired({ commit: "", documents: parsed.documents, blobs: [] });
}

function stringPaths(value: unknown): string[][] {
  if (typeof value === "string") return [[]];
  if (value === null || typeof value !== "object") return [];
  return Object.entries(value).flatMap(([name, member]) => stringPaths(member).map((rest) => [name, ...rest]));
}

function withValue<T>(value: T, [name, ...rest]: readonly string[], text: string): T {
  const copy = structuredClone(value) as Record<string, unknown>;
  if (name === undefined) return text as T;
  copy[name] = withValue(copy[name], rest, text);
  return copy as T;
}
