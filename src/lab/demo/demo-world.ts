// Everything the demo stands on: four enrolled hosts, published versions, a release repository. Made with cutover's own commands.
import { cp, readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { freePort } from "../free-port.ts";
import type { Lab, LabHost } from "../lab.ts";
import { startLoopbackLab } from "../loopback-lab.ts";
import { mustRun } from "../run-program.ts";
import { buildShopVersions } from "./build-shop.ts";
import { type CutoverArgv, cutover } from "./cutover-process.ts";
import { demoCacheDirectory, fetchNodeRuntimes } from "./fetch-node-runtimes.ts";

const exampleRepository = fileURLToPath(new URL("../../../releases/", import.meta.url));
export const hostNames = ["web1", "web2", "web3", "web4"] as const;
export const shopPort = 8080;

export interface DemoWorld {
  readonly lab: Lab;
  /** Where cutover.yaml is. */
  readonly home: string;
  /** The clone that the operator commits in. */
  readonly clone: string;
  readonly nodeVersions: readonly [string, string];
  down(): Promise<void>;
}

/** `say` gets one line a thing done. Leaves nothing behind when it fails. */
export async function makeDemoWorld(input: {
  readonly directory: string;
  readonly argv: CutoverArgv;
  readonly say: (line: string) => void;
}): Promise<DemoWorld> {
  const { directory, argv, say } = input;
  const runtimes = await fetchNodeRuntimes({ onFetch: (name) => say(`fetch ${name} (once)`) });
  const lab = await startLoopbackLab({ directory: join(directory, "lab"), hosts: hostNames });
  try {
    const home = join(directory, "home");
    await cutover(argv, ["init", home], directory);
    await adjustSettings(join(home, "cutover.yaml"));
    say(`4 hosts behind a real sshd: ${lab.hosts.map(({ name, address }) => `${name} ${address}`).join(", ")}`);
    const clone = join(home, "work");
    const entries = await Promise.all(lab.hosts.map((host) => enrol(argv, home, host)));
    await writeReleases(clone, entries);
    say("each host enrolled: pinned host key, forced command, release and controller keys");
    const nodeVersions = runtimes.map(({ version }) => version) as [string, string];
    await publishAll(input, { home, clone, trees: await demoTrees(directory, runtimes) });
    return { lab, home, clone, nodeVersions, down: () => lab.down() };
  } catch (error) {
    await lab.down();
    throw error;
  }
}

interface Tree {
  readonly component: "node" | "shop";
  readonly version: string;
  readonly directory: string;
}

async function demoTrees(
  directory: string,
  runtimes: readonly { version: string; directory: string }[],
): Promise<Tree[]> {
  const shops = await buildShopVersions(join(directory, "shop"));
  return [
    ...runtimes.map((runtime) => ({ component: "node" as const, ...runtime })),
    ...shops.map((shop) => ({ component: "shop" as const, ...shop })),
  ];
}

/** Returns the host's Fleet entry as YAML, as the command prints it. */
function enrol(argv: CutoverArgv, home: string, host: LabHost): Promise<string> {
  const where = ["--address", host.address, "--port", String(host.port), "--user", host.user];
  const local = [
    "--local",
    "--self",
    host.address,
    "--state",
    host.stateDirectory,
    "--prefix",
    host.prefix,
    "--authorized-keys",
    host.authorizedKeysFile,
  ];
  const keys = host.hostKeys.flatMap((key) => ["--host-key", key]);
  const component = ["--component", "node", "--component", "shop"];
  return cutover(
    argv,
    ["host", "enrol", host.name, ...where, ...local, ...keys, ...component, "--base", host.baseDirectory],
    home,
  );
}

/** The example release repository of this project, with the lab's hosts as its fleet. */
async function writeReleases(clone: string, entries: readonly string[]): Promise<void> {
  const releases = join(clone, "releases");
  const trust = await readFile(join(releases, "trust.yaml"), "utf8");
  await rm(releases, { recursive: true });
  await cp(exampleRepository, releases, { recursive: true });
  await writeFile(join(releases, "trust.yaml"), trust);
  const fleet = ["apiVersion: cutover/v1", "kind: Fleet", "hosts:", ...entries.map((entry) => entry.trimEnd())];
  await writeFile(join(releases, "fleet.yaml"), `${fleet.join("\n")}\n`);
}

async function publishAll(
  { argv, say }: { argv: CutoverArgv; say: (line: string) => void },
  { home, clone, trees }: { home: string; clone: string; trees: readonly Tree[] },
): Promise<void> {
  // Packing 125 MB runtimes takes most of the set-up; the objects are content-addressed, so an earlier demo's serve again.
  const cache = join(demoCacheDirectory(), "demo-trees");
  await cp(cache, join(home, "artifacts", "trees"), { recursive: true }).catch((error: NodeJS.ErrnoException) => {
    if (error.code !== "ENOENT") throw error;
  });
  for (const { component, version, directory } of trees) {
    const file = join(clone, "releases", "components", `${component}.yaml`);
    const keys = ["--release-key", join("keys", "release"), "--artifacts", "artifacts"];
    await cutover(argv, ["publish", directory, "--component", file, "--version", version, ...keys], home);
  }
  await cp(join(home, "artifacts", "trees"), cache, { recursive: true });
  say(`published ${trees.map(({ component, version }) => `${component} ${version}`).join(", ")}`);
}

/** Edits the release, commits with the operator's signing key, and pushes: all that a release takes. Returns the commit. */
export async function pushRelease(
  world: DemoWorld,
  { node, shop, message }: { node: string; shop: string; message: string },
): Promise<string> {
  const path = join(world.clone, "releases", "releases", "shop.yaml");
  const text = await readFile(path, "utf8");
  const edited = setVersion(setVersion(text, "node", node), "shop", shop);
  await writeFile(path, edited);
  const git = (...args: string[]) => mustRun(["git", "-C", world.clone, ...args]);
  await git("add", "--all");
  await git("commit", "--quiet", "--message", message);
  await git("push", "--quiet", "origin", "HEAD:main");
  return (await git("rev-parse", "HEAD")).trim();
}

function setVersion(text: string, component: string, version: string): string {
  const entry = new RegExp(`(- name: ${component}\\n\\s+version: )"[^"]*"`);
  if (!entry.test(text)) throw new Error(`the example release names no ${component}`);
  return text.replace(entry, `$1"${version}"`);
}

/** Pushes are noticed by watching; the poll shows within seconds that a quarantined release starts no loop. */
async function adjustSettings(config: string): Promise<void> {
  const text = await readFile(config, "utf8");
  const port = await freePort(["127.0.0.1"]);
  const edited = text
    .replace(/pollSeconds: \d+/, "pollSeconds: 2")
    .replace(/^listen: .*$/m, `listen: 127.0.0.1:${port}`);
  await writeFile(config, edited);
}
