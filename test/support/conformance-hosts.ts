// One host behind two faces: the simulated one, and host.sh for real. Both take the same commands and say what came of them.
import { spawn } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync } from "node:fs";
import { chmod, mkdir, readdir, readFile, rm, symlink, utimes, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { HostRefusedError } from "../../src/errors.ts";
import { encodeGroups, parseProbe, parseTaskEvent } from "../../src/host/protocol.ts";
import type { ObservedComponent } from "../../src/model/observation.ts";
import type { TaskEvent } from "../../src/model/task.ts";
import { type EventQueue, makeEventQueue } from "../../src/simulate/event-queue.ts";
import { makeSimHost, observe } from "../../src/simulate/host/sim-host.ts";
import { type Command, executables } from "./conformance-commands.ts";
import { makeOffer, type Offer, type Session, type Shell, type TestHost, type TreeEntry } from "./host-session.ts";

/** What a command came to, and what the host is then. */
export interface Outcome {
  /** `started`, `already`, or the host's code and word of refusal. */
  readonly answer: string;
  /** `task action state exit reason` of everything told. */
  readonly events: readonly string[];
}
export interface Facts {
  readonly component: Partial<ObservedComponent>;
  readonly isOutOfService: boolean;
}
export interface ConformanceHost {
  act(command: Command): Promise<Outcome>;
  facts(): Promise<Facts>;
}

const deadlineSeconds = 2_000;
const sequenceOf = (version: string): number => Number(version.slice(1));
const floorOf = (version: string): number => (version === "v3" ? 2 : 0);
const quiet: Outcome = { answer: "", events: [] };

function eventWords({ task, action, state, exitCode, reason }: TaskEvent): string {
  return [task, action, state, exitCode, reason === "" ? "-" : reason].join(" ");
}

function factsOf(seen: ObservedComponent | undefined): Facts["component"] {
  if (seen === undefined)
    return { current: undefined, committed: undefined, state: "none", trial: undefined, built: [] };
  const { current, committed, state, trial, built, floor } = seen;
  return { current, committed, state, trial, built: [...built].sort(), ...(floor > 0 ? { floor } : {}) };
}

// ---- simulated ---------------------------------------------------------------------------------------------------------

interface SimSession {
  readonly id: string;
  readonly fence: { readonly run: string; readonly epoch: number; readonly holder: string };
}

export function simulatedHost(): ConformanceHost {
  const queue = makeEventQueue();
  const broken = new Set<string>();
  const host = makeSimHost({
    name: "h1",
    manager: "process",
    queue,
    contract: (_, version) => ({
      sequence: sequenceOf(version),
      floor: floorOf(version),
      deadlineSeconds,
      hasDrain: true,
      hasBackup: true,
      hasHealth: true,
      hooks: new Map(executables.map((name) => [name, { hasUndo: name === "convert" || name === "out" }])),
    }),
    failure: (_component, _version, task) => simulatedFailure(broken, task),
    duration: (ms) => ms,
    treeOf: (component, version) => `${component}@${version}`,
    watcher: { onChange: () => {}, onFence: () => {}, onSubmit: () => {}, onTask: () => {} },
  });
  const component = host.component("web");
  const sessions: SimSession[] = [];
  let opened = 0;
  return {
    async act(command) {
      switch (command.kind) {
        case "deliver":
          host.offer({ component: "web", version: command.version, run: command.run, isPatch: false });
          return quiet;
        case "connect": {
          const { run, epoch, holder } = command;
          const fence = { run, epoch, holder };
          return refusable(async () => {
            host.fence(fence);
            sessions.unshift({ id: `session-${++opened}`, fence });
            sessions.splice(3);
            return { answer: "ok", events: [] };
          });
        }
        case "submit": {
          const { session: index, step, groups } = command;
          const session = sessions[index] ?? sessions[0];
          if (session === undefined) return quiet;
          return refusable(async () => {
            const answer = host.submit({ step, groups, fence: session.fence, session: session.id });
            const kept = host.step(session.fence.run, step);
            while (host.stateOf(kept) === undefined && (await queue.next()));
            return { answer, events: kept.events.map(eventWords) };
          });
        }
        case "break":
          if (command.isBroken) broken.add(command.executable);
          else broken.delete(command.executable);
          return quiet;
        case "damage":
          if (component.built.has(command.version)) component.damaged.add(command.version);
          return quiet;
        case "drift":
          if (component.built.has(command.version)) component.current = command.version;
          return quiet;
        case "expire":
          if (component.trial !== undefined) Object.assign(component.trial, { deadlineAt: 0 });
          host.guard();
          await pass(queue, 5_000);
          return quiet;
        case "reboot":
          sessions.length = 0;
          host.losePower();
          host.boot();
          if (command.isGuarded) host.guard();
          await pass(queue, 5_000);
          return quiet;
      }
    },
    async facts() {
      await pass(queue, 3_000);
      return { component: factsOf(observe(component, () => "")), isOutOfService: component.isDrained };
    },
  };
}

async function refusable(act: () => Promise<Outcome>): Promise<Outcome> {
  try {
    return await act();
  } catch (error) {
    if (!(error instanceof HostRefusedError)) throw error;
    return { answer: `${error.hostCode} ${error.code}`, events: [] };
  }
}

function simulatedFailure(broken: ReadonlySet<string>, task: string) {
  const failed = { exitCode: 71, reason: "task-failed" };
  const names: Readonly<Record<string, string>> = {
    drain: "out",
    undrain: "in",
    "hook:convert": "convert",
    "hook:plain": "plain",
  };
  if (task === "health") return broken.has("checkit") ? { exitCode: 71, reason: "unhealthy" } : undefined;
  return broken.has(names[task] ?? "") ? failed : undefined;
}

/** Lets what is due within `ms` happen. */
async function pass(queue: EventQueue, ms: number): Promise<void> {
  const until = queue.now() + ms;
  while ((queue.due() ?? Number.POSITIVE_INFINITY) <= until && (await queue.next()));
}

// ---- host.sh -----------------------------------------------------------------------------------------------------------

export function scriptHost(host: TestHost, shell: Shell): ConformanceHost {
  const sessions: Session[] = [];
  const runs = new Map<Session, string>();
  let delivered = 0;
  const trial = (...path: string[]) => join(host.state, "components/web/trial", ...path);
  const version = (name: string, ...path: string[]) => join(host.root, "versions", name, ...path);
  const isBuilt = (name: string) => existsSync(version(name, ".cutover-verified"));
  const close = async (leaving: readonly Session[]) => {
    await Promise.all(leaving.map((session) => session.end()));
  };
  return {
    async act(command) {
      switch (command.kind) {
        case "deliver": {
          const offer = offerOf(host, command);
          delivered += 1;
          await layOffer(host, offer, delivered);
          return quiet;
        }
        case "connect": {
          const session = await host.session();
          const { run, epoch, holder } = command;
          const answer = await session.request("fence", [run, `${epoch}`, holder]);
          if (answer.code !== 0) {
            await session.end();
            return { answer: `${answer.code} ${answer.reason}`, events: [] };
          }
          sessions.unshift(session);
          runs.set(session, run);
          await close(sessions.splice(3));
          return { answer: "ok", events: [] };
        }
        case "submit": {
          const session = sessions[command.session] ?? sessions[0];
          if (session === undefined) return quiet;
          const run = runs.get(session) ?? "";
          const payload = encodeGroups(command.groups);
          const submitted = await session.request("submit", [run, command.step, `${payload.length}`], payload);
          if (submitted.code !== 0) return { answer: `${submitted.code} ${submitted.reason}`, events: [] };
          const told = await session.request("events", [run, command.step]);
          const events = told.data.filter((one) => one[0] !== ".").map((one) => eventWords(parseTaskEvent(one).event));
          return { answer: submitted.fields[0] ?? "", events };
        }
        case "break": {
          const flag = join(host.base, `broken.${command.executable}`);
          await (command.isBroken ? writeFile(flag, "") : rm(flag, { force: true }));
          return quiet;
        }
        case "damage":
          if (!isBuilt(command.version)) return quiet;
          await chmod(version(command.version, "bin/app"), 0o755);
          await writeFile(version(command.version, "bin/app"), "#!/bin/sh\necho damaged\n");
          return quiet;
        case "drift":
          if (!isBuilt(command.version)) return quiet;
          await rm(join(host.root, "current"), { force: true });
          await symlink(`versions/${command.version}`, join(host.root, "current"));
          return quiet;
        case "expire":
          for (const state of ["armed", "confirmed", "reverting", "reverted"])
            await edit(trial(state, "trial"), /^deadline .*$/m, "deadline 1");
          await word(host, shell, "guard");
          return quiet;
        case "reboot":
          await close(sessions.splice(0));
          await endSleepers(host);
          for (const state of ["armed", "confirmed", "reverting", "reverted"])
            await edit(trial(state, "trial"), /^boot-id .*$/m, "boot-id before");
          await edit(join(host.state, "components/web/drained"), /^boot-id .*$/m, "boot-id before");
          if (command.isGuarded) await word(host, shell, "guard");
          return quiet;
      }
    },
    async facts() {
      const session = sessions[0] ?? (await host.session());
      const { data } = await session.request("probe");
      if (sessions.length === 0) await session.end();
      const seen = parseProbe(data).components.find(({ component }) => component === "web");
      return { component: factsOf(seen), isOutOfService: existsSync(join(host.base, "out-of-service")) };
    },
  };
}

function offerOf(host: TestHost, { version, run }: { version: string; run: string }): Offer {
  const flag = (name: string) => join(host.base, name);
  const script = (name: string, more = "") => `#!/bin/sh\n[ ! -e ${flag(`broken.${name}`)} ] || exit 1\n${more}`;
  const bundle: TreeEntry[] = [
    { path: "out", content: script("out", `: >${flag("out-of-service")}\n`), mode: 0o755 },
    { path: "in", content: script("in", `rm -f ${flag("out-of-service")}\n`), mode: 0o755 },
    ...["convert", "plain", "checkit"].map((path) => ({ path, content: script(path), mode: 0o755 })),
    { path: "unconvert", content: "#!/bin/sh\n", mode: 0o755 },
  ];
  return makeOffer(host, {
    version,
    sequence: sequenceOf(version),
    bundle,
    entries: [
      { path: "bin", directory: true },
      { path: "bin/app", content: `#!/bin/sh\necho ${version}\n`, mode: 0o755 },
    ],
    unsigned: true,
    envelope: { run },
    release: {
      floor: `${floorOf(version)}`,
      "deadline.seconds": `${deadlineSeconds}`,
      "task.out.do": "out",
      "task.out.undo": "in",
      "task.convert.do": "convert",
      "task.convert.undo": "unconvert",
      "task.plain.do": "plain",
      "task.checkit.do": "checkit",
      "drain.task": "out",
      "health.0.kind": "executable",
      "health.0.task": "checkit",
      "backup.0": flag("data"),
    },
  });
}

/** As an offer that was verified leaves it, with the bytes; the order of offers is told by their times. */
async function layOffer(host: TestHost, offer: Offer, order: number): Promise<void> {
  const directory = join(host.state, "offers/web", offer.version);
  await mkdir(directory, { recursive: true, mode: 0o700 });
  for (const [name, text] of Object.entries(offer.documents)) await writeFile(join(directory, name), text);
  for (const payload of [offer.payload, offer.bundlePayload ?? Buffer.alloc(0)])
    await writeFile(join(host.state, "incoming", createHash("sha256").update(payload).digest("hex")), payload);
  await utimes(directory, 1_700_000_000 + order, 1_700_000_000 + order);
}

async function edit(path: string, from: RegExp, to: string): Promise<void> {
  const text = await readFile(path, "utf8").catch(() => undefined);
  if (text !== undefined) await writeFile(path, text.replace(from, to));
}

/** Runs a word of host.sh to its end. */
function word(host: TestHost, shell: Shell, name: string): Promise<void> {
  const [file = "sh", ...before] = shell.argv;
  const path = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
  const child = spawn(file, [...before, host.script, host.state, name], {
    stdio: "ignore",
    env: { PATH: path, LC_ALL: "C" },
  });
  return new Promise((resolve) => child.once("exit", () => resolve()));
}

/** What waits for a deadline does not survive a reboot. */
async function endSleepers(host: TestHost): Promise<void> {
  const directory = join(host.state, "components/web/trial");
  for (const name of await readdir(directory).catch(() => [])) {
    if (!name.startsWith("watch-")) continue;
    const pid = Number((await readFile(join(directory, name), "utf8")).split(" ")[1]);
    try {
      process.kill(-pid, "SIGKILL");
    } catch {} // it ended by itself
  }
}
