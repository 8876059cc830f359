// Component: the host contract. Where a component lives on a host, how it is switched, judged and taken back.
// It is signed with each published version; a host obeys nothing else.
import { z } from "zod";
import { contractIssues } from "./contract-issues.ts";
import {
  AbsolutePath,
  NumericVersion,
  RelativePath,
  SignalName,
  SocketUnitName,
  TaskFile,
  TaskName,
  UnitName,
} from "./contract-values.ts";
import { Drain } from "./drain.ts";
import { Grade } from "./grade.ts";
import { HealthCheck } from "./health-check.ts";
import { Migration } from "./migration.ts";
import { ComponentName, Version } from "./names.ts";
import { taskPlaces } from "./task.ts";
import { VersionRange } from "./version-range.ts";

export const Balancer = z
  .strictObject({
    component: ComponentName.describe("The balancer; it runs on other hosts, all those of the Fleet that list it"),
    task: TaskName.describe(
      "A task of its own contract: `do` takes the host out of traffic and waits until nothing is open there, `undo` puts it back. It is told the host as CUTOVER_TARGET_HOST and CUTOVER_TARGET_ADDRESS",
    ),
    hold: z
      .boolean()
      .default(false)
      .describe(
        "The balancer keeps what arrives waiting while no host is in traffic, so the last one may leave; without it such a plan is refused",
      ),
  })
  .meta({ id: "Balancer", description: "Who keeps traffic away from a host while it switches" });
export type Balancer = z.infer<typeof Balancer>;

export const Switch = z
  .strictObject({
    strategy: z
      .enum(["none", "restart", "socket", "exec", "takeover", "reuseport", "signal", "reload", "balancer"])
      .default("none")
      .describe(
        "none: only `current` moves. restart: stop and start. socket: systemd keeps the listener. exec: a signal makes the old process start the new one. takeover: the same, and the new one gets listeners and established connections with their state over the Unix socket $CUTOVER_TAKEOVER. reuseport: both run side by side on the same port; manager systemd needs the unit template NAME@.service first in `units` and runs its instances a and b. signal: nginx's protocol, the old master waits without workers until the commit. reload: the main process stays and starts new workers. balancer: like restart, while another machine keeps the traffic away",
      ),
    balancer: Balancer.optional().describe("Strategy balancer: who takes the host out of traffic before its switch"),
    start: RelativePath.optional().describe("Executable in the tree that manager `process` starts"),
    upgradeSignal: SignalName.default("USR2").describe(
      "Strategies exec, takeover and signal: asks the running process to start its successor",
    ),
    windDownSignal: SignalName.optional().describe(
      "Strategy signal: asks the old master to end its workers gracefully and to stay itself. Default WINCH",
    ),
    reloadSignal: SignalName.optional().describe(
      "Strategy reload: asks the main process to start anew what `current` names now. Default HUP",
    ),
    stopSignal: SignalName.optional().describe(
      "Asks a process to finish its work and exit. Default TERM, with strategy signal QUIT",
    ),
    pidFile: AbsolutePath.optional().describe(
      "Strategy signal with manager systemd: where the master writes its pid, the unit's PIDFile=. With manager process it is $CUTOVER_PID_FILE. Beside it stand `.oldbin` (nginx) or `.2` (gunicorn) while two masters live",
    ),
    readyWithinSeconds: z.int().min(1).max(3600).default(30).describe("Time that a new process has to become ready"),
    stopWithinSeconds: z
      .int()
      .min(1)
      .max(3600)
      .default(30)
      .describe("Time that an old process has to finish; then it is killed"),
    sockets: z
      .array(SocketUnitName)
      .max(32)
      .default([])
      .describe("Strategy socket: units that keep listening during the switch"),
  })
  .meta({ id: "Switch", description: "How the running version is replaced" });
export type Switch = z.infer<typeof Switch>;

export const ContractTask = z
  .strictObject({
    name: TaskName,
    do: TaskFile.describe("Executable in the task bundle"),
    undo: TaskFile.optional().describe("Executable that takes `do` back; without it undo does nothing"),
    timeoutSeconds: z.int().min(1).max(86_400).default(300),
    scope: z
      .enum(["host", "once"])
      .default("host")
      .describe("host: on every host. once: on one host of a run, while all others wait"),
    at: z
      .enum(taskPlaces)
      .optional()
      .describe(
        "When plans run it: prepare (ahead, nothing has switched), before-switch, after-switch, finish (before commit). Several of one place run in the order of their names. Without it only drain, a health check or a person does",
      ),
    dryRun: z
      .boolean()
      .optional()
      .describe("It can be run with CUTOVER_DRY_RUN=1, and then only says what it would do"),
  })
  .meta({ id: "ContractTask", description: "An executable of the task bundle with its way back" });
export type ContractTask = z.infer<typeof ContractTask>;

export const Needs = z
  .strictObject({
    arch: z
      .array(z.string().regex(/^[a-z0-9_]{1,32}$/, "as `uname -m` prints it, such as x86_64"))
      .max(16)
      .default([])
      .describe("Any of these; empty is any at all"),
    kernel: NumericVersion.optional().describe("Oldest kernel"),
    glibc: NumericVersion.optional().describe("Oldest glibc"),
    libraries: z
      .array(z.string().regex(/^[A-Za-z0-9_][A-Za-z0-9_.+-]{0,127}$/, "a library such as libssl.so.3"))
      .max(64)
      .default([]),
    diskMb: z.int().min(0).max(100_000_000).optional().describe("Free space below the root, beside the tree itself"),
    memoryMb: z.int().min(1).max(100_000_000).optional().describe("Memory of the machine, as MemTotal says"),
    ports: z.array(z.int().min(1).max(65_535)).max(64).default([]).describe("Must be free, or already ours"),
    components: z
      .record(ComponentName, VersionRange)
      .default({})
      .describe("Other components on the same host and the versions of them that this one works with"),
  })
  .meta({ id: "Needs", description: "What a host must have, checked before anything is touched" });

export const Upgrade = z
  .strictObject({
    from: VersionRange.describe(
      "Versions that a host may come from; from any other the way leads through stepping stones",
    ),
    via: z
      .array(Version)
      .max(32)
      .default([])
      .describe("Of those the ones that may be a stepping stone; empty: every published version within `from`"),
  })
  .meta({
    id: "Upgrade",
    description: "From which versions this one may be reached. First installs go direct",
  });
export type Upgrade = z.infer<typeof Upgrade>;

const ComponentFields = z.strictObject({
  apiVersion: z.literal("cutover/v1"),
  kind: z.literal("Component"),
  name: ComponentName,
  root: AbsolutePath.describe(
    "Holds versions/ and current; must be below a base directory that the host was enrolled with",
  ),
  manager: z
    .enum(["systemd", "process", "none"])
    .default("none")
    .describe(
      "Who runs the processes; `none` when there are none. `process`: cutover itself starts `switch.start`, with the environment of `env` and CUTOVER_ADDRESS, CUTOVER_ROOT, CUTOVER_START and CUTOVER_VERSION beside it; the service stays in the foreground and writes its pid to the file $CUTOVER_PID_FILE when it is ready to serve",
    ),
  store: z.literal("directory").default("directory").describe("How versions are kept on the host"),
  units: z.array(UnitName).max(32).default([]).describe("Manager systemd: the units, the main one first"),
  switch: Switch.prefault({}),
  grade: Grade.optional().describe(
    "What its author promises clients during a switch, as `cutover grade` measures it; plans show it beside the strategy",
  ),
  env: z
    .record(z.string(), z.string().max(4096))
    .default({})
    .describe(
      "Environment of tasks and, with manager process, of the service; nothing else is inherited. Under systemd the service has that of its unit",
    ),
  drain: Drain.optional(),
  health: z
    .array(HealthCheck)
    .max(32)
    .default([])
    .describe("Tried on the host after the switch, in order; all must pass"),
  backup: z
    .array(AbsolutePath)
    .max(64)
    .default([])
    .describe("Paths that the switch may damage; saved before, put back on the way back"),
  backupTask: TaskName.optional().describe(
    "A task that saves what no copy of files can, such as a database: `do` writes into $CUTOVER_BACKUP before the switch, `undo` puts back what it finds there, unchanged, on every way back, while the component is stopped (strategy restart), early at boot too. It may write /proc/uptime to $CUTOVER_MOMENT when it has frozen what it copies",
  ),
  tasks: z.array(ContractTask).max(64).default([]),
  needs: Needs.prefault({}),
  upgrade: Upgrade.optional(),
  migrations: z
    .record(TaskName, Migration)
    .default({})
    .describe(
      "By name, the step of each migration of shared data that this version stands for. Keep naming `contract` for as long as hosts may come from before it",
    ),
  deadlineSeconds: z
    .int()
    .min(1)
    .max(86_400)
    .default(120)
    .describe("Longest time a switched host waits to be confirmed before it reverts by itself"),
  probation: z
    .strictObject({
      seconds: z
        .int()
        .min(1)
        .max(30 * 86_400),
      atEnd: z.enum(["stay", "revert"]).describe("What a host does by itself when nobody commits"),
    })
    .optional()
    .describe("Time between confirm and commit in which the version is still judged"),
});
export type Component = z.infer<typeof ComponentFields>;

export const Component = ComponentFields.superRefine((component, context) => {
  for (const { message, path } of contractIssues(component))
    context.addIssue({ code: "custom", message, path: [...path] });
}).meta({
  id: "Component",
  description: "The host contract: where a component lives and how it is switched, judged and taken back",
});
