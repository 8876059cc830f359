// The host contract as `key value` entries, and back. Lists count from 1 without gaps; every field is written, also those at their default. Pure.
import type { Component } from "../model/component.ts";
import { type Drain, readUntil, untilText } from "../model/drain.ts";
import type { HealthCheck } from "../model/health-check.ts";
import type { KeyValue } from "../model/key-values.ts";
import { stepOf, taskOf } from "../model/migration.ts";

type Values = ReadonlyMap<string, string>;
type Raw = Record<string, unknown>;

/** All entries of a contract but its component name, which the release metadata states itself. */
export function contractEntries(contract: Component): KeyValue[] {
  const { switch: change, drain, needs, probation, upgrade } = contract;
  const entries: [string, string | number | undefined][] = [
    ["root", contract.root],
    ["manager", contract.manager],
    ["store", contract.store],
    ["deadline.seconds", contract.deadlineSeconds],
    ["switch.strategy", change.strategy],
    ["switch.balancer.component", change.balancer?.component],
    ["switch.balancer.task", change.balancer?.task],
    ["switch.balancer.hold", change.balancer?.hold === true ? "yes" : undefined],
    ["switch.start", change.start],
    ["switch.upgrade-signal", change.upgradeSignal],
    ["switch.stop-signal", change.stopSignal ?? usualStopSignal(change.strategy)],
    // Only where they mean something: a host.sh from before them refuses what it does not know.
    ["switch.wind-down-signal", change.strategy === "signal" ? (change.windDownSignal ?? "WINCH") : undefined],
    ["switch.reload-signal", change.strategy === "reload" ? (change.reloadSignal ?? "HUP") : undefined],
    ["switch.pid-file", change.pidFile],
    ["switch.ready-seconds", change.readyWithinSeconds],
    ["switch.stop-seconds", change.stopWithinSeconds],
    ["grade", contract.grade],
    ["backup.task", contract.backupTask],
    ...(drain === undefined ? [] : drainEntries(drain)),
    ["needs.kernel", needs.kernel],
    ["needs.glibc", needs.glibc],
    ["needs.disk-mb", needs.diskMb],
    ["needs.memory-mb", needs.memoryMb],
    ["probation.seconds", probation?.seconds],
    ["probation.at-end", probation?.atEnd],
    ["upgrade.from", upgrade?.from],
    ...numbered("upgrade.via", upgrade?.via ?? []),
    ...numbered("unit", contract.units),
    ...numbered("switch.socket", change.sockets),
    ...numbered("env", sortedEnvironment(contract.env)),
    ...numbered("backup", contract.backup),
    ...numbered("needs.arch", needs.arch),
    ...numbered("needs.library", needs.libraries),
    ...numbered("needs.port", needs.ports),
    ...Object.entries(needs.components).map(([name, range]): [string, string] => [`needs.component.${name}`, range]),
    ...Object.entries(contract.migrations).flatMap(([name, migration]): [string, string | undefined][] => [
      [`migration.${name}`, stepOf(migration)],
      [`migration.${name}.task`, taskOf(migration)],
    ]),
    ...contract.health.flatMap((check, index) => healthEntries(`health.${index + 1}`, check)),
    ...contract.tasks.flatMap((task): [string, string | number | undefined][] => [
      [`task.${task.name}.do`, task.do],
      [`task.${task.name}.undo`, task.undo],
      [`task.${task.name}.seconds`, task.timeoutSeconds],
      [`task.${task.name}.scope`, task.scope],
      [`task.${task.name}.at`, task.at],
      [`task.${task.name}.dry-run`, task.dryRun === true ? "yes" : undefined],
    ]),
  ];
  return entries.flatMap(([key, value]) => (value === undefined ? [] : [[key, `${value}`]]));
}

/** A Component document as it would stand in YAML; the schema still has to accept it. */
export function readContract(component: string, values: Values): Raw {
  const unless = (usual: string, key: string): string | undefined =>
    values.get(key) === usual ? undefined : values.get(key);
  return {
    apiVersion: "cutover/v1",
    kind: "Component",
    name: component,
    root: values.get("root"),
    manager: values.get("manager"),
    store: values.get("store"),
    deadlineSeconds: integer(values, "deadline.seconds"),
    units: list(values, "unit"),
    switch: present({
      strategy: values.get("switch.strategy"),
      balancer: readBalancer(values),
      start: values.get("switch.start"),
      upgradeSignal: values.get("switch.upgrade-signal"),
      windDownSignal: unless("WINCH", "switch.wind-down-signal"),
      reloadSignal: unless("HUP", "switch.reload-signal"),
      stopSignal: unless(usualStopSignal(values.get("switch.strategy")), "switch.stop-signal"),
      pidFile: values.get("switch.pid-file"),
      readyWithinSeconds: integer(values, "switch.ready-seconds"),
      stopWithinSeconds: integer(values, "switch.stop-seconds"),
      sockets: list(values, "switch.socket"),
    }),
    ...(values.has("grade") ? { grade: values.get("grade") } : {}),
    env: Object.fromEntries(list(values, "env").map(splitEnvironment)),
    ...(values.has("drain.seconds") ? { drain: readDrain(values) } : {}),
    health: readHealth(values),
    backup: list(values, "backup"),
    ...(values.has("backup.task") ? { backupTask: values.get("backup.task") } : {}),
    tasks: readTasks(values),
    needs: present({
      arch: list(values, "needs.arch"),
      kernel: values.get("needs.kernel"),
      glibc: values.get("needs.glibc"),
      libraries: list(values, "needs.library"),
      diskMb: integer(values, "needs.disk-mb"),
      memoryMb: integer(values, "needs.memory-mb"),
      ports: list(values, "needs.port").map(Number),
      components: neededComponents(values),
    }),
    ...(values.has("upgrade.from")
      ? { upgrade: { from: values.get("upgrade.from"), via: list(values, "upgrade.via") } }
      : {}),
    migrations: readMigrations(values),
    ...(values.has("probation.seconds")
      ? { probation: { seconds: integer(values, "probation.seconds"), atEnd: values.get("probation.at-end") } }
      : {}),
  };
}

function drainEntries(drain: Drain): [string, string | number | undefined][] {
  const { task, notReadyFile, settleSeconds, inflight, withinSeconds } = drain;
  return [
    ["drain.task", task],
    ["drain.seconds", withinSeconds],
    ["drain.not-ready-file", notReadyFile],
    ["drain.settle-seconds", settleSeconds],
    ["drain.until", untilText(drain)],
    ["drain.inflight.url", inflight !== undefined && "metrics" in inflight ? inflight.metrics.url : undefined],
    ["drain.inflight.metric", inflight !== undefined && "metrics" in inflight ? inflight.metrics.name : undefined],
    ["drain.inflight.file", inflight !== undefined && "file" in inflight ? inflight.file : undefined],
    ["drain.inflight.task", inflight !== undefined && "task" in inflight ? inflight.task : undefined],
  ];
}

function readDrain(values: Values): Raw {
  const url = values.get("drain.inflight.url");
  const inflight = present({
    metrics: url === undefined ? undefined : { url, name: values.get("drain.inflight.metric") },
    file: values.get("drain.inflight.file"),
    task: values.get("drain.inflight.task"),
  });
  return present({
    notReadyFile: values.get("drain.not-ready-file"),
    task: values.get("drain.task"),
    settleSeconds: integer(values, "drain.settle-seconds"),
    inflight: Object.keys(inflight).length === 0 ? undefined : inflight,
    until: readUntil(values.get("drain.until")),
    withinSeconds: integer(values, "drain.seconds"),
  });
}

function healthEntries(prefix: string, check: HealthCheck): [string, string | number | undefined][] {
  const common: [string, string | number][] = [
    [`${prefix}.kind`, check.kind],
    [`${prefix}.within-seconds`, check.withinSeconds],
  ];
  switch (check.kind) {
    case "http":
      return [
        ...common,
        [`${prefix}.url`, check.url],
        [`${prefix}.samples`, check.samples],
        [`${prefix}.max-failures`, check.maxFailures],
        [`${prefix}.interval-ms`, check.intervalMs],
      ];
    case "tcp":
      return [...common, [`${prefix}.address`, check.address], [`${prefix}.port`, check.port]];
    case "unit":
      return [...common, [`${prefix}.unit`, check.unit]];
    case "executable":
      return [...common, [`${prefix}.task`, check.task]];
  }
}

function readBalancer(values: Values): Raw | undefined {
  if (!values.has("switch.balancer.component")) return undefined;
  return {
    component: values.get("switch.balancer.component"),
    task: values.get("switch.balancer.task"),
    hold: values.get("switch.balancer.hold") === "yes",
  };
}

function readHealth(values: Values): Raw[] {
  const checks: Raw[] = [];
  for (let n = 1; values.has(`health.${n}.kind`); n += 1) {
    const prefix = `health.${n}`;
    checks.push(
      present({
        kind: values.get(`${prefix}.kind`),
        withinSeconds: integer(values, `${prefix}.within-seconds`),
        url: values.get(`${prefix}.url`),
        samples: integer(values, `${prefix}.samples`),
        maxFailures: integer(values, `${prefix}.max-failures`),
        intervalMs: integer(values, `${prefix}.interval-ms`),
        address: values.get(`${prefix}.address`),
        port: integer(values, `${prefix}.port`),
        unit: values.get(`${prefix}.unit`),
        task: values.get(`${prefix}.task`),
      }),
    );
  }
  return checks;
}

function readTasks(values: Values): Raw[] {
  const names = [...values.keys()].flatMap((key) => /^task\.([a-z0-9-]+)\.do$/.exec(key)?.[1] ?? []);
  return names.sort().map((name) =>
    present({
      name,
      do: values.get(`task.${name}.do`),
      undo: values.get(`task.${name}.undo`),
      timeoutSeconds: integer(values, `task.${name}.seconds`),
      scope: values.get(`task.${name}.scope`),
      at: values.get(`task.${name}.at`),
      dryRun: values.get(`task.${name}.dry-run`) === "yes" || undefined,
    }),
  );
}

function readMigrations(values: Values): Record<string, string | Raw> {
  const names = [...values.keys()].flatMap((key) => /^migration\.([a-z0-9-]+)$/.exec(key)?.[1] ?? []);
  return Object.fromEntries(
    names.map((name) => {
      const [step, task] = [values.get(`migration.${name}`) ?? "", values.get(`migration.${name}.task`)];
      return [name, task === undefined ? step : { step, task }];
    }),
  );
}

function neededComponents(values: Values): Record<string, string> {
  const prefix = "needs.component.";
  const named = [...values].filter(([key]) => key.startsWith(prefix));
  return Object.fromEntries(named.map(([key, range]) => [key.slice(prefix.length), range]));
}

/** TERM makes nginx drop what it is doing. */
function usualStopSignal(strategy: string | undefined): string {
  return strategy === "signal" ? "QUIT" : "TERM";
}

function numbered(prefix: string, items: readonly (string | number)[]): [string, string | number][] {
  return items.map((item, index) => [`${prefix}.${index + 1}`, item]);
}

function list(values: Values, prefix: string): string[] {
  const items: string[] = [];
  for (let item = values.get(`${prefix}.1`); item !== undefined; item = values.get(`${prefix}.${items.length + 1}`))
    items.push(item);
  return items;
}

function sortedEnvironment(env: Readonly<Record<string, string>>): string[] {
  return Object.entries(env)
    .map(([name, value]) => `${name}=${value}`)
    .sort();
}

function splitEnvironment(text: string): [string, string] {
  const equals = text.indexOf("=");
  return [text.slice(0, equals), text.slice(equals + 1)];
}

function integer(values: Values, key: string): number | undefined {
  const text = values.get(key);
  return text === undefined ? undefined : Number(text);
}

function present(raw: Raw): Raw {
  return Object.fromEntries(Object.entries(raw).filter(([, value]) => value !== undefined));
}
