// host.sh for real, in user mode: an enrolled state directory, sessions over pipes, and a look at what was left behind.
import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, readdirSync, readFileSync, readlinkSync, writeFileSync } from "node:fs";
import { mkdir, mkdtemp, readdir, realpath, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import { createInterface } from "node:readline";
import { readHostScript } from "../../src/host/join-host-script.ts";
import {
  encodeGroups,
  encodeRequest,
  type Greeting,
  parseGreeting,
  parseReply,
  parseTaskEvent,
  type SequencedTaskEvent,
} from "../../src/host/protocol.ts";
import { encodeKeyValues, encodeValue, type KeyValue } from "../../src/model/key-values.ts";
import type { Task } from "../../src/model/task.ts";
import type { Shell } from "./shells.ts";
import { makeTar, type TarMember } from "./tar-block.ts";

export interface Answer {
  readonly data: readonly (readonly string[])[];
  readonly fields: readonly string[];
  /** 0 for ok, else 64–78. */
  readonly code: number;
  readonly reason: string;
  readonly evidence: string;
}
export interface Session {
  readonly greeting: Greeting;
  readonly child: ChildProcess;
  request(verb: string, args?: readonly string[], payload?: string | Buffer): Promise<Answer>;
  /** Bytes as they are, for what `encodeRequest` would not write. */
  raw(bytes: string): void;
  answer(): Promise<Answer>;
  /** Closes stdin and resolves with the exit code. */
  end(): Promise<number>;
}
export interface TestHost {
  readonly directory: string;
  readonly state: string;
  readonly base: string;
  readonly root: string;
  readonly script: string;
  readonly keys: Keys;
  session(fence?: { run?: string; epoch?: number; holder?: string }): Promise<Session>;
  /** Sends all documents and offers. */
  offer(session: Session, offer: Offer): Promise<Answer>;
  /** Sends what the host has not yet of a payload. */
  put(session: Session, payload: Buffer): Promise<Answer>;
  /** Submits groups and collects all events. */
  run(
    session: Session,
    step: string,
    groups: readonly (readonly Task[])[],
    run?: string,
  ): Promise<SequencedTaskEvent[]>;
  task(kind: Task["kind"], version: string, more?: Partial<Task>): Task;
  /** Runs shell code in place of main: everything of host.sh is defined, STATE and the rest is not. */
  evaluate(code: string): string;
  /** Paths below `directory` that a failed attempt must not leave: building directories, parts, session directories. */
  leftovers(): string[];
}
export interface Keys {
  readonly release: string;
  readonly release2: string;
  readonly controller: string;
  readonly stranger: string;
}

/** Memory where there is some: hosts fsync a lot, and durability has tests of its own. */
const scratch = existsSync("/dev/shm") ? "/dev/shm" : tmpdir();

/** Removed when the test process ends; keys are made once for all tests of a file. */
let shared: Promise<{ keys: Keys; busyBoxPath: string }> | undefined;
let sharedDirectory = "";

async function makeShared(): Promise<{ keys: Keys; busyBoxPath: string }> {
  sharedDirectory = await mkdtemp(join(tmpdir(), "cutover-keys-"));
  process.once("exit", () => execFileSync("rm", ["-rf", sharedDirectory]));
  const make = (name: string): string => {
    const path = join(sharedDirectory, name);
    execFileSync("ssh-keygen", ["-q", "-t", "ed25519", "-N", "", "-C", name, "-f", path]);
    return path;
  };
  const busyBoxPath = join(sharedDirectory, "bin");
  await mkdir(busyBoxPath);
  const applets = execFileSync("busybox", ["--list"], { encoding: "utf8" }).split("\n").filter(Boolean);
  const busyBox = which("busybox");
  for (const applet of applets.filter((one) => !["xz", "flock"].includes(one)))
    await symlink(busyBox, join(busyBoxPath, applet));
  // Debian leaves flock out of its BusyBox; others have it.
  for (const tool of ["ssh-keygen", "zstd", "xz", "bspatch", "flock"])
    await symlink(which(tool), join(busyBoxPath, tool));
  return {
    keys: {
      release: make("release"),
      release2: make("release2"),
      controller: make("controller"),
      stranger: make("stranger"),
    },
    busyBoxPath,
  };
}

function which(tool: string): string {
  const found = (process.env.PATH ?? "")
    .split(delimiter)
    .map((folder) => join(folder, tool))
    .find(existsSync);
  if (found === undefined) throw new Error(`${tool} is not on this machine`);
  return found;
}

/** Armored SSHSIG of `text`. Signatures are remembered: the same text by the same key is signed once. */
export function sign(key: string, namespace: string, text: string): string {
  const name = `${key}\0${namespace}\0${text}`;
  const known = signatures.get(name);
  if (known !== undefined) return known;
  const made = execFileSync("ssh-keygen", ["-Y", "sign", "-f", key, "-n", namespace, "-q"], {
    input: text,
    encoding: "utf8",
    stdio: ["pipe", "pipe", "ignore"],
  });
  signatures.set(name, made);
  return made;
}
const signatures = new Map<string, string>();

export interface TreeEntry {
  readonly path: string;
  readonly content?: string | Buffer;
  readonly mode?: number;
  readonly link?: string;
  readonly directory?: true;
}
export const sha256 = (bytes: string | Buffer): string => createHash("sha256").update(bytes).digest("hex");
export const digest = (bytes: string | Buffer): string => `sha256:${sha256(bytes)}`;

export function manifestOf(entries: readonly TreeEntry[]): string {
  const lines = entries.map(({ path, content = "", mode, link, directory }) => {
    if (link !== undefined) return `${encodeValue(path)} l 0777 0 ${encodeValue(link)}\n`;
    const bits = (mode ?? (directory ? 0o755 : 0o644)).toString(8).padStart(4, "0");
    if (directory) return `${encodeValue(path)} d ${bits} 0 -\n`;
    return `${encodeValue(path)} f ${bits} ${Buffer.byteLength(content)} ${sha256(content)}\n`;
  });
  return lines.sort().join("");
}

/** The honest archive of a tree. */
export function membersOf(entries: readonly TreeEntry[]): TarMember[] {
  const order = new Map(entries.map((entry) => [manifestOf([entry]), entry]));
  return [...order]
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([, { path, content = "", mode, link, directory }]) => {
      if (link !== undefined) return { name: path, type: "2", link, mode: 0o777 };
      if (directory) return { name: `${path}/`, type: "5", mode: mode ?? 0o755 };
      return { name: path, content, mode: mode ?? 0o644 };
    });
}

export interface OfferInput {
  readonly version?: string;
  readonly component?: string;
  readonly sequence?: number;
  readonly entries?: readonly TreeEntry[];
  readonly bundle?: readonly TreeEntry[];
  /** Instead of the honest archive. */
  readonly tar?: Buffer;
  readonly payload?: Buffer;
  readonly codec?: string;
  /** Tree digest that a payload of codec `patch` starts from; then no manifest is sent. */
  readonly base?: string;
  readonly release?: Readonly<Record<string, string | undefined>>;
  readonly envelope?: Readonly<Record<string, string | undefined>>;
  readonly hosts?: readonly string[];
  readonly manifest?: string;
  readonly releaseKeys?: readonly string[];
  readonly controllerKey?: string;
  /** Leaves the signatures empty, for what comes after they were checked. */
  readonly unsigned?: boolean;
}
export interface Offer {
  readonly component: string;
  readonly version: string;
  readonly documents: Readonly<Record<string, string>>;
  readonly payload: Buffer;
  readonly bundlePayload: Buffer | undefined;
}
export const defaultTree: readonly TreeEntry[] = [
  { path: "bin", directory: true },
  { path: "bin/app", content: "#!/bin/sh\necho hi\n", mode: 0o755 },
  { path: "data ä", directory: true },
  { path: "data ä/a -> b", content: "spaces and arrows" },
  { path: "link", link: "bin/app" },
];

/** Everything one version consists of, signed; any field can be another. */
export function makeOffer(host: Pick<TestHost, "root" | "keys">, input: OfferInput = {}): Offer {
  const { version = "v1", component = "web", sequence = 1, entries = defaultTree, bundle, codec = "none" } = input;
  const manifest = input.manifest ?? manifestOf(entries);
  const files = entries.filter((entry) => entry.link === undefined && !entry.directory);
  const tar = input.tar ?? makeTar(membersOf(entries));
  const payload = input.payload ?? tar;
  const bundleManifest = bundle === undefined ? undefined : manifestOf(bundle);
  const bundleTar = bundle === undefined ? undefined : makeTar(membersOf(bundle));
  const release = text({
    format: "cutover-release/1",
    component,
    version,
    root: host.root,
    manager: "none",
    store: "directory",
    sequence: `${sequence}`,
    expires: "4000000000",
    floor: "0",
    "deadline.seconds": "60",
    "switch.strategy": "none",
    tree: digest(manifest),
    "tree.bytes": `${files.reduce((sum, { content = "" }) => sum + Buffer.byteLength(content), 0)}`,
    "tree.files": `${files.length}`,
    ...(bundle === undefined
      ? {}
      : {
          bundle: digest(bundleManifest ?? ""),
          "bundle.bytes": `${bundle.reduce((sum, { content = "" }) => sum + Buffer.byteLength(content), 0)}`,
        }),
    ...input.release,
  });
  const envelope = text(
    {
      format: "cutover-envelope/1",
      base: input.base ?? "none",
      component,
      version,
      epoch: "1",
      run: "run-1",
      expires: "4000000000",
      "memory-mib": "64",
      release: digest(release),
      tree: digest(manifest),
      "tree.codec": codec,
      "tree.payload": digest(payload),
      "tree.payload-bytes": `${payload.length}`,
      "tree.output-bytes": `${tar.length}`,
      ...(bundleTar === undefined
        ? {}
        : {
            bundle: digest(bundleManifest ?? ""),
            "bundle.codec": "none",
            "bundle.payload": digest(bundleTar),
            "bundle.payload-bytes": `${bundleTar.length}`,
            "bundle.output-bytes": `${bundleTar.length}`,
          }),
      ...input.envelope,
    },
    (input.hosts ?? ["h1"]).map((host): KeyValue => ["host", host]),
  );
  const { releaseKeys = [host.keys.release], controllerKey = host.keys.controller } = input;
  return {
    component,
    version,
    payload,
    bundlePayload: bundleTar,
    documents: {
      release,
      envelope,
      ...(input.base === undefined ? { manifest } : {}),
      "release.sig": input.unsigned ? "" : releaseKeys.map((key) => sign(key, "cutover-release", release)).join(""),
      "envelope.sig": input.unsigned ? "" : sign(controllerKey, "cutover-envelope", envelope),
      ...(bundleManifest === undefined ? {} : { "bundle-manifest": bundleManifest }),
    },
  };
}

function text(values: Readonly<Record<string, string | undefined>>, more: readonly KeyValue[] = []): string {
  return encodeKeyValues([
    ...Object.entries(values).flatMap(([key, value]): KeyValue[] => (value === undefined ? [] : [[key, value]])),
    ...more,
  ]);
}

export interface HostOptions {
  readonly threshold?: number;
  readonly releaseSigners?: readonly (keyof Keys)[];
  /** Shell functions that are joined in before the session, to have tasks that tests control. */
  readonly extra?: string;
  readonly env?: Readonly<Record<string, string>>;
}

/** A fresh enrolled host; afterwards no process of it lives and no session or building directory is left. */
export async function withHost(
  shell: Shell,
  options: HostOptions,
  work: (host: TestHost) => Promise<void>,
): Promise<void> {
  shared ??= makeShared();
  const { keys, busyBoxPath } = await shared;
  const directory = await realpath(await mkdtemp(join(scratch, "cutover-host-")));
  try {
    const host = await layOut({ directory, keys, busyBoxPath, shell, options });
    await work(host);
    await settle(directory);
    const left = [
      ...host.leftovers(),
      ...processesOf(directory).map((pid) => `process ${pid} ${commandOf(pid).replaceAll("\0", " ")}`),
    ];
    if (left.length > 0) throw new Error(`left behind: ${left.join(", ")}`);
  } finally {
    for (const pid of processesOf(directory)) {
      try {
        process.kill(pid, "SIGKILL");
      } catch {} // it ended by itself meanwhile
    }
    await rm(directory, { recursive: true, force: true });
  }
}

async function layOut({
  directory,
  keys,
  busyBoxPath,
  shell,
  options,
}: {
  directory: string;
  keys: Keys;
  busyBoxPath: string;
  shell: Shell;
  options: HostOptions;
}): Promise<TestHost> {
  const state = join(directory, "state");
  const base = join(directory, "srv");
  const root = join(base, "web");
  for (const folder of ["trust", "host/versions/1", "incoming", "offers", "components", "bundles", "runs"])
    await mkdir(join(state, folder), { recursive: true, mode: 0o700 });
  await mkdir(base, { mode: 0o755 });
  const publicKey = (key: string): string => readFileSync(`${key}.pub`, "utf8").split(" ").slice(0, 2).join(" ");
  const signers = (principal: string, of: readonly string[]): string =>
    of
      .map(
        (key) =>
          `${principal} namespaces="cutover-${principal === "release" ? "release" : "envelope"}" ${publicKey(key)}\n`,
      )
      .join("");
  const write = (path: string, content: string) => writeFile(join(state, path), content, { mode: 0o600 });
  await write(
    "enrolment",
    encodeKeyValues([
      ["format", "cutover-enrolment/1"],
      ["host", "h1"],
      ["address", "127.0.0.1"],
      ["base", base],
      ["threshold", `${options.threshold ?? 1}`],
      ["mode", "user"],
    ]),
  );
  await write(
    "trust/release_signers",
    signers(
      "release",
      (options.releaseSigners ?? ["release"]).map((name) => keys[name]),
    ),
  );
  await write("trust/controllers", signers("controller", [keys.controller]));
  await write("trust/revoked", "");
  const script = join(state, "host/versions/1/host.sh");
  await writeFile(script, readHostScript().replace(/main "\$@"\n$/, `${options.extra ?? ""}\nmain "$@"\n`), {
    mode: 0o600,
  });
  await symlink("versions/1", join(state, "host/current"));
  const [file = "sh", ...before] = shell.argv;
  const env = {
    PATH: shell.busyBox ? busyBoxPath : "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
    LC_ALL: "C",
    ...options.env,
  };
  const program = which(file);
  const host: TestHost = {
    directory,
    state,
    base,
    root,
    script,
    keys,
    async session(fence) {
      const session = await openSession(
        spawn(program, [...before, script, state, "session"], {
          env,
          stdio: ["pipe", "pipe", process.env.CUTOVER_TEST_TRACE ? "inherit" : "ignore"],
        }),
      );
      if (fence !== undefined) {
        const answer = await session.request("fence", [
          fence.run ?? "run-1",
          `${fence.epoch ?? 1}`,
          fence.holder ?? "me",
        ]);
        if (answer.code !== 0) throw new Error(`fence: ${answer.code} ${answer.reason} ${answer.evidence}`);
      }
      return session;
    },
    async offer(session, offer) {
      for (const [name, content] of Object.entries(offer.documents)) {
        const answer = await session.request("doc", [name, `${Buffer.byteLength(content)}`], content);
        if (answer.code !== 0) return answer;
      }
      return session.request("offer", [offer.component, offer.version]);
    },
    async put(session, payload) {
      const { fields } = await session.request("have", [digest(payload)]);
      const rest = payload.subarray(Number(fields[0]));
      return session.request("put", [digest(payload), fields[0] ?? "0", `${rest.length}`], rest);
    },
    async run(session, step, groups, run = "run-1") {
      const payload = encodeGroups(groups);
      const submitted = await session.request("submit", [run, step, `${payload.length}`], payload);
      if (submitted.code !== 0) throw new Error(`submit: ${submitted.code} ${submitted.reason} ${submitted.evidence}`);
      const { data, fields } = await session.request("events", [run, step]);
      if (fields[0] !== "ended") throw new Error(`step ${fields[0]}`);
      return data.filter((one) => one[0] !== ".").map((one) => parseTaskEvent(one));
    },
    task: (kind, version, more = {}) => ({
      id: `h1/${more.component ?? "web"}/${kind}`,
      host: "h1",
      component: "web",
      version,
      kind,
      action: "do",
      options: {},
      ...more,
    }),
    evaluate(code) {
      const path = join(directory, "evaluate.sh");
      writeFileSync(path, readHostScript().replace(/main "\$@"\n$/, `${code}\n`));
      return execFileSync(program, [...before, path], {
        env,
        encoding: "utf8",
        cwd: directory,
        stdio: ["ignore", "pipe", "inherit"],
      });
    },
    leftovers() {
      const names = (folder: string): string[] =>
        existsSync(folder) ? readdirSync(folder).map((name) => join(folder, name)) : [];
      const odd = [
        ...names(root),
        ...names(join(state, "bundles")),
        ...names(join(state, "incoming")),
        ...names(join(state, "components/web")),
        ...names(join(state, "offers/web")),
      ];
      return odd.filter((path) => /\/\.(building|session|check|current\.new|v\d)/.test(path) || /\.new\./.test(path));
    },
  };
  return host;
}

export async function openSession(child: ReturnType<typeof spawn>): Promise<Session> {
  const { stdin, stdout } = child;
  if (stdin === null || stdout === null) throw new Error("no pipes");
  stdin.on("error", () => {});
  const exited = new Promise<number>((done) =>
    child.once("exit", (code, signal) => done(code ?? (signal === null ? -1 : 255))),
  );
  const lines = createInterface({ input: stdout })[Symbol.asyncIterator]();
  const nextLine = async (): Promise<string> => {
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<never>((_, reject) => {
      timer = setTimeout(() => reject(new Error("the host is silent for 60 s")), 60_000);
    });
    const { value, done } = await Promise.race([lines.next(), late]).finally(() => clearTimeout(timer));
    if (done) throw new Error("the session ended");
    return value;
  };
  const greeting = parseGreeting(await nextLine());
  let id = 0;
  const answer = async (): Promise<Answer> => {
    const data: (readonly string[])[] = [];
    for (;;) {
      const reply = parseReply(await nextLine());
      if (reply.kind === "data") data.push(reply.fields);
      else if (reply.kind === "ok") return { data, fields: reply.fields, code: 0, reason: "", evidence: "" };
      else return { data, fields: [], code: reply.code, reason: reply.reason, evidence: reply.evidence };
    }
  };
  return {
    greeting,
    child,
    answer,
    request(verb, args = [], payload) {
      id += 1;
      stdin.write(encodeRequest(id, verb, ...args));
      if (payload !== undefined) stdin.write(payload);
      return answer();
    },
    raw: (bytes) => void stdin.write(bytes, "latin1"),
    async end() {
      stdin.end();
      return exited;
    },
  };
}

/** Processes whose command line or working directory names the test's folder. */
export function processesOf(directory: string): number[] {
  return readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name) && Number(name) !== process.pid)
    .flatMap((name) => {
      try {
        const seen = `${readFileSync(`/proc/${name}/cmdline`, "latin1")}\n${readlinkSync(`/proc/${name}/cwd`)}`;
        return seen.includes(directory) && !/\) [ZX] /.test(readFileSync(`/proc/${name}/stat`, "latin1"))
          ? [Number(name)]
          : [];
      } catch {
        return [];
      }
    });
}

/** Its arguments, each with a NUL behind it; nothing of one that has ended meanwhile. */
export function commandOf(pid: number | string): string {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, "latin1");
  } catch {
    return "";
  }
}

/** Sessions that were told to end may need a moment. */
async function settle(directory: string): Promise<void> {
  for (let round = 0; round < 500 && processesOf(directory).length > 0; round += 1)
    await new Promise((done) => setTimeout(done, 20));
}

/** Every path below a folder with its content's digest, to see that nothing changed. */
export async function snapshot(folder: string): Promise<string> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true });
  return entries
    .map((entry) => {
      const path = join(entry.parentPath, entry.name);
      return `${path} ${entry.isFile() ? sha256(readFileSync(path)) : entry.isSymbolicLink() ? readlinkSync(path) : "-"}`;
    })
    .sort()
    .join("\n");
}
