// What a schema cannot say field by field: fields of a host contract that need or exclude one another.
import type { Component } from "./component.ts";
import { environmentProblem } from "./contract-values.ts";
import { type Drain, drainTasks } from "./drain.ts";
import { stepOf, taskOf } from "./migration.ts";
import { type TaskPlace, taskKinds } from "./task.ts";

export interface ContractIssue {
  readonly message: string;
  /** Where in the document, so that a reader can point at line and column. */
  readonly path: readonly (string | number)[];
}
type Issue = readonly [message: string, ...path: (string | number)[]];

/** Everything that contradicts itself in a contract, in document order as far as possible. Empty means sound. */
export function contractIssues(component: Component): ContractIssue[] {
  const issues = [
    ...processIssues(component),
    ...taskIssues(component),
    ...migrationIssues(component),
    ...valueIssues(component),
  ];
  return issues.map(([message, ...path]) => ({
    message,
    path,
  }));
}

function processIssues({ name, manager, units, switch: change }: Component): Issue[] {
  const { strategy, start, sockets, balancer } = change;
  const issues: Issue[] = [];
  if (strategy === "balancer" && balancer === undefined)
    issues.push(["strategy balancer needs `balancer`, the component and task that take traffic away", "switch"]);
  if (strategy !== "balancer" && balancer !== undefined)
    issues.push([`balancer belongs to strategy balancer, but strategy is ${strategy}`, "switch", "balancer"]);
  if (balancer?.component === name)
    issues.push([`${name} cannot take traffic away from itself`, "switch", "balancer", "component"]);
  if (manager === "process" && start === undefined)
    issues.push(["manager process needs `start`, the executable to run", "switch"]);
  if (manager === "systemd" && units.length === 0) issues.push(["manager systemd needs at least one unit", "units"]);
  if (manager !== "systemd" && units.length > 0)
    issues.push([`units belong to manager systemd, but manager is ${manager}`, "units"]);
  if (strategy === "socket" && sockets.length === 0)
    issues.push(["strategy socket needs `sockets`, the units that keep listening", "switch"]);
  if (strategy !== "socket" && sockets.length > 0)
    issues.push([`sockets belong to strategy socket, but strategy is ${strategy}`, "switch", "sockets"]);
  if (strategy === "socket" && manager !== "systemd")
    issues.push(["strategy socket needs manager systemd", "switch", "strategy"]);
  const template = units.findIndex((unit) => unit.endsWith("@.service"));
  if (strategy === "reuseport" && manager === "systemd" && template !== 0)
    issues.push([
      "strategy reuseport needs a template first, such as web@.service: it runs instances a and b",
      "units",
    ]);
  if (strategy !== "reuseport" && template >= 0)
    issues.push([`a template names no unit that could run; only strategy reuseport takes one`, "units", template]);
  const second = units.findIndex((unit, index) => index > 0 && unit.endsWith("@.service"));
  if (strategy === "reuseport" && second > 0) issues.push(["only the first unit can be a template", "units", second]);
  if (strategy !== "none" && manager === "none")
    issues.push([`strategy ${strategy} needs manager systemd or process`, "switch", "strategy"]);
  issues.push(...signalIssues(manager, change));
  return [...issues, ...repeated(units, ["units"]), ...repeated(sockets, ["switch", "sockets"])];
}

/** What belongs to one strategy misleads beside another. */
function signalIssues(
  manager: Component["manager"],
  { strategy, windDownSignal, reloadSignal, pidFile }: Component["switch"],
): Issue[] {
  const issues: Issue[] = [];
  const only = (owner: string, field: string, value: unknown): void => {
    if (value !== undefined && strategy !== owner)
      issues.push([`${field} belongs to strategy ${owner}, but strategy is ${strategy}`, "switch", field]);
  };
  only("signal", "windDownSignal", windDownSignal);
  only("reload", "reloadSignal", reloadSignal);
  only("signal", "pidFile", pidFile);
  if (strategy !== "signal") return issues;
  if (manager === "systemd" && pidFile === undefined)
    issues.push(["strategy signal needs `pidFile`, where the master writes its pid", "switch"]);
  if (manager === "process" && pidFile !== undefined)
    issues.push(["with manager process the master writes its pid to $CUTOVER_PID_FILE", "switch", "pidFile"]);
  return issues;
}

function taskIssues({ tasks, health, drain, backupTask }: Component): Issue[] {
  const names = tasks.map((task) => task.name);
  const unknown = (name: string): string => `no task ${name} in tasks; known: ${names.join(", ") || "none"}`;
  const issues: Issue[] = [];
  health.forEach((check, index) => {
    if (check.kind === "executable" && !names.includes(check.task))
      issues.push([unknown(check.task), "health", index, "task"]);
    if (check.kind === "http" && check.maxFailures >= check.samples) {
      issues.push([
        `maxFailures must be below samples (${check.samples}), else the check cannot fail`,
        "health",
        index,
        "maxFailures",
      ]);
    }
  });
  if (drain !== undefined) issues.push(...drainIssues(drain, names, unknown));
  issues.push(...backupTaskIssues(tasks, backupTask, unknown));
  names.forEach((name, index) => {
    if (names.indexOf(name) !== index) issues.push([`task ${name} is defined twice`, "tasks", index, "name"]);
    if (tasks[index]?.at === undefined) return;
    if ((taskKinds as readonly string[]).includes(name))
      issues.push([`${name} is what a plan calls a task of its own`, "tasks", index, "name"]);
    if (name === drain?.task) issues.push([`the plan runs ${name} to drain already`, "tasks", index, "at"]);
  });
  return issues;
}

function drainIssues(drain: Drain, names: readonly string[], unknown: (name: string) => string): Issue[] {
  const { task, notReadyFile, inflight, until, settleSeconds = 0, withinSeconds } = drain;
  const issues = drainTasks(drain).flatMap(({ name, path }): Issue[] =>
    names.includes(name) ? [] : [[unknown(name), ...path]],
  );
  if (task === undefined && notReadyFile === undefined && inflight === undefined)
    issues.push([
      "expected notReadyFile or task, which take the host out of service, or inflight to wait for",
      "drain",
    ]);
  if (until === "idle" && inflight === undefined)
    issues.push(["without `inflight` nobody can tell when it is idle", "drain", "until"]);
  if (settleSeconds > withinSeconds)
    issues.push([`withinSeconds is ${withinSeconds}, so this is too long`, "drain", "settleSeconds"]);
  return issues;
}

const mostMigrations = 64;
const isAhead = (at: TaskPlace | undefined): boolean => at === "prepare" || at === "before-switch";

function migrationIssues({ migrations, tasks, upgrade }: Component): Issue[] {
  const named = Object.entries(migrations);
  const issues = named.flatMap(([name, migration]): Issue[] => {
    const task = taskOf(migration);
    if (task === undefined) return [];
    const path = ["migrations", name, "task"];
    const found = tasks.find((each) => each.name === task);
    if (found === undefined)
      return [[`no task ${task} in tasks; known: ${tasks.map((each) => each.name).join(", ") || "none"}`, ...path]];
    if (found.scope === "once" && stepOf(migration) === "contract" && isAhead(found.at))
      return [
        [
          `task ${task} would take away the old form before every host is past it; \`at: finish\` is after that`,
          ...path,
        ],
      ];
    if (found.scope === "once") return [];
    return [[`task ${task} has scope ${found.scope}, and a migration is done once for all hosts`, ...path]];
  });
  if (named.length > mostMigrations) issues.push([`more than ${mostMigrations} migrations`, "migrations"]);
  return [...issues, ...repeated(upgrade?.via ?? [], ["upgrade", "via"])];
}

/** Without a way to put it back, nothing is saved; and it saves on the host that it is put back on. */
function backupTaskIssues(
  tasks: Component["tasks"],
  name: string | undefined,
  unknown: (name: string) => string,
): Issue[] {
  if (name === undefined) return [];
  const task = tasks.find((each) => each.name === name);
  if (task === undefined) return [[unknown(name), "backupTask"]];
  const issues: Issue[] = [];
  if (task.undo === undefined) issues.push([`${name} needs an undo, which puts back what it saved`, "backupTask"]);
  if (task.scope !== "host") issues.push([`${name} saves on every host, so its scope is host`, "backupTask"]);
  if (task.at !== undefined)
    issues.push([`the plan runs ${name} as the backup already, so it has no \`at\``, "backupTask"]);
  return issues;
}

/** Where no release belongs, also when an operator enrolled a base that is too wide (T35). Files of a service in /etc may be backed up. */
const systemPlaces = ["/boot", "/dev", "/etc", "/proc", "/root", "/run", "/sys"];
const secretPlaces = ["/boot", "/dev", "/proc", "/root", "/sys"];

const maxNeededComponents = 64;

function inside(path: string, place: string): boolean {
  return `${path}/`.startsWith(`${place}/`);
}

function valueIssues({ name: component, env, backup, root, needs }: Component): Issue[] {
  const issues: Issue[] = [];
  for (const [name, value] of Object.entries(env)) {
    const problem = environmentProblem(name);
    if (problem !== undefined) issues.push([`${name}: ${problem}`, "env", name]);
    if (/\p{Cc}/u.test(value)) issues.push([`${name}: control characters are not allowed`, "env", name]);
  }
  const rootIn = systemPlaces.find((place) => inside(root, place));
  if (rootIn !== undefined) issues.push([`${rootIn} belongs to the system, not to a release`, "root"]);
  backup.forEach((path, index) => {
    const backupIn = secretPlaces.find((place) => inside(path, place)) ?? systemPlaces.find((place) => path === place);
    if (backupIn !== undefined) issues.push([`${backupIn} is never put back by a release`, "backup", index]);
    if (inside(path, `${root}/versions`) || inside(`${root}/versions`, path)) {
      issues.push(["versions are immutable and are not backed up", "backup", index]);
    }
  });
  if (Object.hasOwn(needs.components, component))
    issues.push([`${component} cannot need itself`, "needs", "components", component]);
  if (Object.keys(needs.components).length > maxNeededComponents)
    issues.push([`more than ${maxNeededComponents} components are needed`, "needs", "components"]);
  return [
    ...issues,
    ...repeated(backup, ["backup"]),
    ...repeated(needs.arch, ["needs", "arch"]),
    ...repeated(needs.libraries, ["needs", "libraries"]),
    ...repeated(needs.ports, ["needs", "ports"]),
  ];
}

function repeated(values: readonly (string | number)[], path: readonly string[]): Issue[] {
  return values.flatMap((value, index): Issue[] =>
    values.indexOf(value) === index ? [] : [[`${value} is listed twice`, ...path, index]],
  );
}
