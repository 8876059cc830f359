// host.sh for real, behind the face of a host under test.
import { spawn } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync } from "node:fs";
import { chmod, mkdir, readdir, readFile, rm, symlink, utimes, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { encodeGroups, parseProbe, parseTaskEvent } from "../../src/host/protocol.ts";
import {
  type ConformanceHost,
  deadlineSeconds,
  eventWords,
  factsOf,
  floorOf,
  quiet,
  sequenceOf,
} from "./conformance-outcome.ts";
import { makeOffer, type Offer, type Session, type TestHost, type TreeEntry } from "./host-session.ts";
import type { Shell } from "./shells.ts";

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
        case "write":
          await writeFile(join(host.base, "data"), command.text);
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
      const probe = await session.request("probe");
      if (sessions.length === 0) await session.end();
      const seen = parseProbe(probe.data).components.find(({ component }) => component === "web");
      const data = await readFile(join(host.base, "data"), "utf8").catch(() => "");
      return { component: factsOf(seen), isOutOfService: existsSync(join(host.base, "out-of-service")), data };
    },
  };
}

function offerOf(host: TestHost, { version, run }: { version: string; run: string }): Offer {
  const flag = (name: string) => join(host.base, name);
  const script = (name: string, more = "") => `#!/bin/sh\n[ ! -e ${flag(`broken.${name}`)} ] || exit 1\n${more}`;
  const bundle: TreeEntry[] = [
    { path: "out", content: script("out", `: >${flag("out-of-service")}\n`), mode: 0o755 },
    { path: "in", content: script("in", `rm -f ${flag("out-of-service")}\n`), mode: 0o755 },
    ...["convert", "plain", "late", "checkit"].map((path) => ({ path, content: script(path), mode: 0o755 })),
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
      "task.late.do": "late",
      "task.late.at": "after-switch",
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

/** What waits for a deadline, or tries again what failed then, does not survive a reboot. */
async function endSleepers(host: TestHost): Promise<void> {
  for (const name of await readdir("/proc")) {
    if (!/^\d+$/.test(name)) continue;
    const words = (await readFile(`/proc/${name}/cmdline`, "latin1").catch(() => "")).split("\0");
    const word = words[words.indexOf(host.state) + 1] ?? "";
    if (!words.includes(host.state) || !["revert", "probation", "undrain"].includes(word)) continue;
    try {
      process.kill(-Number(name), "SIGKILL");
    } catch {} // it ended by itself, or is a part of another
  }
}
