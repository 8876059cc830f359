import assert from "node:assert/strict";
import { test } from "node:test";
import { Component } from "../../../src/model/component.ts";
import { digestOf } from "../../../src/model/digest.ts";
import {
  encodeReleaseMetadata,
  parseReleaseMetadata,
  publishedVersion,
  type ReleaseMetadata,
} from "../../../src/package/release-metadata.ts";

const digest = `sha256:${"a".repeat(64)}`;

const contract = Component.parse({
  apiVersion: "cutover/v1",
  kind: "Component",
  name: "web",
  root: "/srv/web",
  manager: "systemd",
  units: Array.from({ length: 11 }, (_, index) => `web-${index}.service`),
  switch: { strategy: "socket", sockets: ["web.socket"], readyWithinSeconds: 5 },
  env: { PORT: "80", A: "x y=%" },
  drain: { task: "drain" },
  health: [
    { kind: "http", url: "http://self:80/healthz?a=1", samples: 10, maxFailures: 1 },
    { kind: "tcp", port: 80 },
    { kind: "unit", unit: "web-0.service" },
    { kind: "executable", task: "check", withinSeconds: 3 },
  ],
  backup: ["/etc/web"],
  backupTask: "save",
  grade: "request-safe",
  tasks: [
    { name: "check", do: "check.sh" },
    { name: "drain", do: "drain.sh", undo: "undrain.sh", scope: "once", timeoutSeconds: 5 },
    { name: "expand", do: "expand.py", at: "before-switch", dryRun: true },
    { name: "save", do: "dump.sh", undo: "load.sh" },
  ],
  needs: {
    arch: ["x86_64", "aarch64"],
    kernel: "5.10",
    glibc: "2.31",
    libraries: ["libssl.so.3"],
    diskMb: 10,
    memoryMb: 2048,
    ports: [80, 443],
    components: { cache: ">=7 <8 || ^9.1", database: "1.2.x" },
  },
  probation: { seconds: 60, atEnd: "revert" },
  upgrade: { from: ">=1.8 <2", via: ["1.9.0", "1.8.2"] },
  migrations: { "orders-v2": "double-write", users: { step: "expand", task: "drain" } },
});

const metadata: ReleaseMetadata = {
  component: "web",
  version: "1.10",
  sequence: 7,
  expires: 1_800_000_000,
  floor: 2,
  tree: { digest, bytes: 123, files: 4 },
  bundle: { digest, bytes: 5 },
  contract,
};
const text = encodeReleaseMetadata(metadata);

test("a whole contract survives being written and read, in the order of its lists", () => {
  assert.deepEqual(parseReleaseMetadata(text), metadata);
  assert.match(text, /^unit\.11 web-10\.service$/m);
  assert.match(text, /^env\.1 A=x%20y=%25$/m);
});

test("the order of tasks and variables does not change the bytes", () => {
  const shuffled = { ...contract, tasks: [...contract.tasks].reverse(), env: { A: "x y=%", PORT: "80" } };
  assert.equal(encodeReleaseMetadata({ ...metadata, contract: shuffled }), text);
});

for (const [what, drain] of Object.entries({
  idle: { inflight: { metrics: { url: "http://self:9100/metrics?a=1", name: "jobs:in_flight" } }, until: "idle" },
  deadline: { task: "drain", inflight: { file: "/srv/web-state/in-flight" }, until: "deadline", settleSeconds: 5 },
  "a time of day": { notReadyFile: "/srv/web/not-ready", until: { at: "03:30Z" }, withinSeconds: 30_000 },
  "a task that counts": { inflight: { task: "check" }, settleSeconds: 0 },
}))
  test(`R18: a drain until ${what} survives being written and read`, () => {
    const drained = Component.parse({ ...contract, drain });
    const written = encodeReleaseMetadata({ ...metadata, contract: drained });
    assert.deepEqual(parseReleaseMetadata(written).contract, drained);
    assert.match(written, /^drain\./m);
  });

test("signals are signed as the host will send them, for the strategies that send them", () => {
  const signed = (change: object): string => {
    const component = Component.parse({ ...contract, units: ["web.service"], switch: change });
    const written = encodeReleaseMetadata({ ...metadata, contract: component });
    assert.equal(encodeReleaseMetadata(parseReleaseMetadata(written)), written);
    assert.deepEqual(parseReleaseMetadata(written).contract, component);
    return written;
  };
  const pidFile = "/run/web/nginx.pid";
  const master = signed({ strategy: "signal", pidFile });
  for (const line of ["stop-signal QUIT", "upgrade-signal USR2", "wind-down-signal WINCH", `pid-file ${pidFile}`])
    assert.match(master, new RegExp(`^switch\\.${line}$`, "m"));
  assert.match(signed({ strategy: "signal", pidFile, stopSignal: "TERM" }), /^switch\.stop-signal TERM$/m);
  const reloaded = signed({ strategy: "reload" });
  assert.match(reloaded, /^switch\.reload-signal HUP$/m);
  assert.doesNotMatch(reloaded, /wind-down|pid-file/);
  const restarted = signed({ strategy: "restart" });
  assert.match(restarted, /^switch\.stop-signal TERM$/m);
  assert.doesNotMatch(restarted, /wind-down|reload-signal|pid-file/);
});

test("a minimal contract has no key without a value, and no bundle", () => {
  const small = Component.parse({ apiVersion: "cutover/v1", kind: "Component", name: "web", root: "/srv/web" });
  const written = encodeReleaseMetadata({ ...metadata, bundle: undefined, contract: small });
  assert.doesNotMatch(written, /bundle|undefined|switch\.start|drain|probation|needs|^upgrade|migration/m);
  assert.deepEqual(parseReleaseMetadata(written).contract, small);
});

function edited(edit: (lines: string[]) => string[]): string {
  return `${edit(text.trimEnd().split("\n")).sort().join("\n")}\n`;
}

test("without any one of its lines, release metadata is refused or means something else", () => {
  for (const line of text.trimEnd().split("\n")) {
    const without = edited((lines) => lines.filter((other) => other !== line));
    try {
      assert.notDeepEqual(parseReleaseMetadata(without), metadata, line);
      assert.equal(encodeReleaseMetadata(parseReleaseMetadata(without)), without, line);
    } catch (error) {
      assert.equal((error as { code?: string }).code, "malformed-release", line);
    }
  }
});

const refused: readonly [why: string, line: RegExp | undefined, replacement: string][] = [
  ["an unknown key", undefined, "zzz 1"],
  ["another format", /^format /, "format cutover-release/2"],
  ["a number with a leading zero", /^sequence /, "sequence 07"],
  ["a number with a sign", /^sequence /, "sequence +7"],
  ["a negative number", /^floor /, "floor -1"],
  ["a fraction", /^expires /, "expires 1.5"],
  ["a number beyond all numbers", /^sequence /, "sequence 99999999999999999999"],
  ["a digest of another kind", /^tree /, "tree sha1:abc"],
  ["a gap in a list", undefined, "backup.3 /etc/x"],
  ["an unknown strategy", /^switch\.strategy /, "switch.strategy magic"],
  ["a root that is not absolute", /^root /, "root srv/web"],
  ["a forbidden variable", /^env\.1 /, "env.1 LD_PRELOAD=/tmp/x.so"],
  ["a check of an unknown task", /^health\.4\.task /, "health.4.task nothing"],
  ["a field of another kind of check", undefined, "health.2.url http://self/"],
  ["an undo without do", undefined, "task.other.undo x"],
  ["half a bundle", /^bundle\.bytes /, "zz 1"],
  ["half a probation", /^probation\.at-end /, "zz 1"],
];
for (const [why, pattern, replacement] of refused) {
  test(`release metadata with ${why} is refused`, () => {
    const bad = edited((lines) => [
      ...lines.filter((line) => pattern === undefined || !pattern.test(line)),
      replacement,
    ]);
    assert.throws(() => parseReleaseMetadata(bad), { code: "malformed-release" });
  });
}

test("a planner gets what it needs and nothing else", () => {
  const { contract, ...version } = publishedVersion(parseReleaseMetadata(text));
  assert.match(contract, /^sha256:[0-9a-f]{64}$/);
  assert.deepEqual(version, {
    ...{ component: "web", version: "1.10", root: "/srv/web", tree: digest, bundle: digest, sequence: 7 },
    ...{
      strategy: "socket",
      manager: "systemd",
      deadlineSeconds: 120,
      floor: 2,
      hasDrain: true,
      drain: { seconds: 60 },
      hasBackup: true,
      hasHealth: true,
      grade: "request-safe",
      tasks: [
        { name: "check", scope: "host", hasUndo: false, canDryRun: false },
        { name: "drain", scope: "once", hasUndo: true, canDryRun: false },
        { name: "expand", at: "before-switch", scope: "host", hasUndo: false, canDryRun: true },
        { name: "save", scope: "host", hasUndo: true, canDryRun: false },
      ],
      upgrade: { from: ">=1.8 <2", via: ["1.9.0", "1.8.2"] },
      migrations: { "orders-v2": "double-write", users: "expand" },
      migrationTasks: { users: "drain" },
      needsComponents: { cache: ">=7 <8 || ^9.1", database: "1.2.x" },
      needsPorts: [80, 443],
    },
  });
});

test("an amendment that renews only the expiry leaves the contract's digest; bundle, floor and any promise of the contract move it (P12)", () => {
  const published = parseReleaseMetadata(text);
  const { contract } = publishedVersion(published);
  assert.equal(publishedVersion({ ...published, sequence: 8, expires: published.expires + 1 }).contract, contract);
  const others = [
    { bundle: undefined },
    { bundle: { digest: digestOf("another"), bytes: 1 } },
    { floor: published.floor + 1 },
    { contract: { ...published.contract, deadlineSeconds: 121 } },
    { contract: { ...published.contract, env: { ...published.contract.env, NEW: "1" } } },
  ].map((part) => publishedVersion({ ...published, ...part }).contract);
  assert.equal(new Set([contract, ...others]).size, others.length + 1);
});

test("R17: a backup task is a line of its own, which contracts without one do not have: older hosts accept them", () => {
  assert.match(text, /^backup\.task save$/m);
  const { backupTask: _, ...without } = contract;
  const older = encodeReleaseMetadata({ ...metadata, contract: without });
  assert.doesNotMatch(older, /backup\.task/);
  const only = { ...contract, backup: [] };
  assert.equal(publishedVersion({ ...metadata, contract: only }).hasBackup, true);
  assert.equal(publishedVersion({ ...metadata, contract: { ...without, backup: [] } }).hasBackup, false);
});

test("who takes traffic away is signed with the version, and comes back as it went", () => {
  const balancer = { component: "pool", task: "out", hold: true };
  const balanced = Component.parse({
    ...contract,
    switch: { strategy: "balancer", balancer },
  });
  const text = encodeReleaseMetadata({ ...metadata, contract: balanced });
  for (const line of ["component pool", "task out", "hold yes"]) assert.ok(text.includes(`switch.balancer.${line}\n`));
  const read = parseReleaseMetadata(text);
  assert.deepEqual(read.contract.switch.balancer, balancer);
  assert.deepEqual(publishedVersion(read).balancer, balancer);
});
