import assert from "node:assert/strict";
import { test } from "node:test";
import { z } from "zod";
import { Component } from "../../../src/model/component.ts";

const minimal = { apiVersion: "cutover/v1", kind: "Component", name: "web", root: "/srv/web" };

function problems(document: object): string[] {
  const result = Component.safeParse({ ...minimal, ...document });
  return result.success ? [] : result.error.issues.map((issue) => `${issue.path.join(".")}: ${issue.message}`);
}

test("four lines are a component: everything else has a default", () => {
  const component = Component.parse(minimal);
  assert.equal(component.manager, "none");
  assert.equal(component.switch.strategy, "none");
  assert.equal(component.switch.upgradeSignal, "USR2");
  assert.equal(component.deadlineSeconds, 120);
  assert.deepEqual(component.needs, { arch: [], libraries: [], ports: [], components: {} });
});

test("the schema gives editors a JSON Schema with documentation", () => {
  const text = JSON.stringify(z.toJSONSchema(Component, { io: "input" }));
  assert.match(text, /Who runs the processes/);
});

const task = { name: "warm", do: "warm.sh" };
const refused: readonly [why: string, document: object, at: RegExp][] = [
  ["a process without start", { manager: "process" }, /^switch: .*start/],
  ["systemd without units", { manager: "systemd" }, /^units: /],
  ["units without systemd", { units: ["web.service"] }, /^units: /],
  [
    "a socket strategy without sockets",
    { manager: "systemd", units: ["web.service"], switch: { strategy: "socket" } },
    /^switch: .*sockets/,
  ],
  [
    "reuseport under systemd without a template to make two of",
    { manager: "systemd", units: ["web.service"], switch: { strategy: "reuseport" } },
    /^units: .*template first, such as web@\.service/,
  ],
  [
    "a second template",
    { manager: "systemd", units: ["web@.service", "api@.service"], switch: { strategy: "reuseport" } },
    /^units\.1: only the first unit can be a template/,
  ],
  [
    "a template that nobody makes an instance of",
    { manager: "systemd", units: ["web@.service"], switch: { strategy: "takeover" } },
    /^units\.0: .*only strategy reuseport/,
  ],
  [
    "a socket strategy without systemd",
    { manager: "process", switch: { strategy: "socket", start: "run", sockets: ["web.socket"] } },
    /^switch\.strategy: /,
  ],
  [
    "masters without a pid file",
    { manager: "systemd", units: ["web.service"], switch: { strategy: "signal" } },
    /^switch: strategy signal needs `pidFile`/,
  ],
  [
    "a pid file of its own beside that of manager process",
    { manager: "process", switch: { strategy: "signal", start: "run", pidFile: "/run/web.pid" } },
    /^switch\.pidFile: .*CUTOVER_PID_FILE/,
  ],
  [
    "a wind-down signal that nobody is sent",
    { manager: "process", switch: { strategy: "exec", start: "run", windDownSignal: "WINCH" } },
    /^switch\.windDownSignal: .*strategy signal/,
  ],
  [
    "a reload signal that nobody is sent",
    { manager: "process", switch: { strategy: "signal", start: "run", reloadSignal: "HUP" } },
    /^switch\.reloadSignal: .*strategy reload/,
  ],
  ["a restart of nothing", { switch: { strategy: "restart" } }, /^switch\.strategy: /],
  [
    "an unknown health task",
    { tasks: [task], health: [{ kind: "executable", task: "warn" }] },
    /^health\.0\.task: .*known: warm/,
  ],
  ["an unknown drain task", { drain: { task: "drain" } }, /^drain\.task: /],
  ["a drain that does nothing", { drain: { until: "deadline" } }, /^drain: .*notReadyFile/],
  ["idle without a count", { drain: { notReadyFile: "/srv/web/off", until: "idle" } }, /^drain\.until: .*inflight/],
  ["an unknown task that counts", { drain: { inflight: { task: "count" } } }, /^drain\.inflight\.task: .*count/],
  [
    "settling for longer than the drain",
    { drain: { notReadyFile: "/srv/web/off", settleSeconds: 61 } },
    /^drain\.settleSeconds: .*60/,
  ],
  ["a time of day that is none", { drain: { notReadyFile: "/srv/web/off", until: { at: "24:00" } } }, /^drain\.until/],
  ["an unknown backup task", { backupTask: "dump" }, /^backupTask: .*known/],
  ["a backup that nothing puts back", { tasks: [task], backupTask: "warm" }, /^backupTask: .*undo/],
  [
    "a backup on one host of a run",
    { tasks: [{ ...task, undo: "cool.sh", scope: "once" }], backupTask: "warm" },
    /^backupTask: .*scope/,
  ],
  [
    "a backup that runs twice",
    { tasks: [{ ...task, undo: "cool.sh", at: "prepare" }], backupTask: "warm" },
    /^backupTask: .*backup already/,
  ],
  ["a task twice", { tasks: [task, task] }, /^tasks\.1\.name: /],
  [
    "a check that cannot fail",
    { health: [{ kind: "http", url: "http://self/", samples: 2, maxFailures: 2 }] },
    /^health\.0\.maxFailures: /,
  ],
  ["a backup path with ..", { backup: ["/srv/../etc"] }, /^backup\.0: /],
  ["a relative backup path", { backup: ["etc"] }, /^backup\.0: /],
  ["a backup of the versions", { backup: ["/srv/web/versions/1"] }, /^backup\.0: /],
  ["a backup around the versions", { backup: ["/srv"] }, /^backup\.0: /],
  ["a root with ..", { root: "/srv/../etc" }, /^root: /],
  ["the root directory as root", { root: "/" }, /^root: /],
  ["a trailing slash", { root: "/srv/" }, /^root: /],
  ["a root in /etc (T35)", { root: "/etc/web" }, /^root: \/etc belongs to the system/],
  ["a backup of root's keys (T35)", { backup: ["/root/.ssh"] }, /^backup\.0: \/root is never put back/],
  ["a backup of all of /etc (T35)", { backup: ["/etc"] }, /^backup\.0: \/etc is never put back/],
  ["a start outside of the tree", { switch: { start: "../run" } }, /^switch\.start: /],
  ["an absolute start", { switch: { start: "/bin/sh" } }, /^switch\.start: /],
  ["a task file that is a path", { tasks: [{ name: "warm", do: "a/b" }] }, /^tasks\.0\.do: /],
  ["a task file that looks like an option", { tasks: [{ name: "warm", do: "-x" }] }, /^tasks\.0\.do: /],
  ["a unit that looks like an option", { manager: "systemd", units: ["--now.service"] }, /^units\.0: /],
  ["a URL with another scheme", { health: [{ kind: "http", url: "file:///etc/passwd" }] }, /^health\.0\.url: /],
  ["a URL with credentials", { health: [{ kind: "http", url: "http://a:b@self/" }] }, /^health\.0\.url: /],
  ["a need for itself", { needs: { components: { web: ">=1" } } }, /^needs\.components\.web: /],
  ["a need for a shell", { needs: { components: { api: "$(touch x)" } } }, /^needs\.components\.api: /],
  ["a migration step that there is none", { migrations: { orders: "shrink" } }, /^migrations\.orders: /],
  [
    "a migration by a task that is not there",
    { migrations: { orders: { step: "expand", task: "grow" } } },
    /^migrations\.orders\.task: no task grow/,
  ],
  [
    "a migration that every host would do (R39)",
    { tasks: [{ name: "grow", do: "grow" }], migrations: { orders: { step: "expand", task: "grow" } } },
    /^migrations\.orders\.task: task grow has scope host/,
  ],
  [
    "a contract that would come too early (R39)",
    {
      tasks: [{ name: "shrink", do: "shrink", scope: "once", at: "before-switch" }],
      migrations: { orders: { step: "contract", task: "shrink" } },
    },
    /^migrations\.orders\.task: task shrink would take away/,
  ],
  ["a stepping stone twice", { upgrade: { from: ">=1", via: ["1.0.0", "1.0.0"] } }, /^upgrade\.via\.1: /],
  ["predecessors that are no range", { upgrade: { from: "$(touch x)" } }, /^upgrade\.from: /],
  ["a field that nobody knows", { shell: "rm -rf /" }, /^: /],
];
for (const [why, document, at] of refused) {
  test(`a contract with ${why} is refused, pointing at it`, () => {
    const found = problems(document);
    assert.ok(
      found.some((problem) => at.test(problem)),
      found.join("\n") || "accepted",
    );
  });
}

for (const name of [
  "LD_PRELOAD",
  "LD_LIBRARY_PATH",
  "PATH",
  "IFS",
  "BASH_ENV",
  "ENV",
  "BASH_FUNC_ls",
  "GLIBC_TUNABLES",
  "CUTOVER_ROOT",
  "LISTEN_FDS",
  "A-B",
  "1A",
  "A B",
  "",
]) {
  test(`a contract may not set the variable ${JSON.stringify(name)} (T35)`, () => {
    assert.match(problems({ env: { [name]: "x" } }).join(), /^env/);
  });
}

test("a shell substitution is refused in every field that takes text (T23)", () => {
  const shell = "$(touch x)";
  const documents = [
    { name: shell },
    { root: `/srv/${shell}` },
    { manager: shell },
    { units: [`${shell}.service`] },
    { switch: { start: shell } },
    { switch: { stopSignal: shell } },
    { switch: { sockets: [`${shell}.socket`] } },
    { drain: { task: shell } },
    { backup: [`/srv/${shell}`] },
    { tasks: [{ name: shell, do: "a" }] },
    { tasks: [{ name: "a", do: shell }] },
    { tasks: [{ name: "a", do: "a", undo: shell }] },
    { health: [{ kind: "http", url: `http://self/${shell}` }] },
    { health: [{ kind: "tcp", address: shell, port: 1 }] },
    { health: [{ kind: "unit", unit: shell }] },
    { needs: { arch: [shell] } },
    { needs: { libraries: [shell] } },
    { needs: { kernel: shell } },
    { upgrade: { from: shell } },
    { upgrade: { from: ">=1", via: [shell] } },
    { migrations: { [shell]: "expand" } },
    { migrations: { orders: { step: "expand", task: shell } } },
  ];
  for (const document of documents) assert.notDeepEqual(problems(document), [], JSON.stringify(document));
});

test("an environment value is data: no control characters, anything else goes", () => {
  assert.deepEqual(problems({ env: { GREETING: "$(touch x) 'ü'" } }), []);
  assert.match(problems({ env: { GREETING: "a\nb" } }).join(), /^env\.GREETING: /);
});
