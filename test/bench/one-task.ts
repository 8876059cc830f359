// (e) What document 001 asks for (R68): taking one task back, mending it and trying it again, and trying one task alone, beside a
// whole run of the same release on the same hosts.
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { startLoopbackLab } from "../../src/lab/loopback-lab.ts";
import type { JournalEvent } from "../../src/model/run-event.ts";
import { type Home, withHome } from "../support/with-home.ts";
import { enrolment, retire } from "../support/with-world.ts";
import type { BenchInput } from "./bench-input.ts";
import { measured, median, rounded } from "./measure.ts";
import type { Section } from "./report.ts";

const main = fileURLToPath(new URL("../../src/main.ts", import.meta.url));
const most = 0.25;

const contract = {
  apiVersion: "cutover/v1",
  kind: "Component",
  name: "orders",
  root: "/srv/cutover/orders",
  tasks: [{ name: "convert", do: "convert", undo: "unconvert", at: "before-switch", dryRun: true }],
  deadlineSeconds: 600,
};

/** Two seconds stand for converting data on every host: without them nothing but process starts would be compared. */
const convert = (stumblesOn: string | undefined) => `#!/bin/sh
[ -z "\${CUTOVER_DRY_RUN-}" ] || { echo "would convert"; exit 0; }
sleep 2
${stumblesOn === undefined ? "" : `[ "$CUTOVER_HOST" != ${stumblesOn} ] || { echo "an odd row"; exit 1; }`}
`;

interface Sample {
  readonly fullMs: number;
  readonly undoMs: number;
  /** From the command to the moment when the host that had failed is through its step. */
  readonly retryMs: number;
  readonly aloneMs: number;
}

export async function benchOneTask({ quick, directory, say }: BenchInput): Promise<Section> {
  const hosts = quick ? 4 : 12;
  const lab = await startLoopbackLab({ directory: join(directory, "lab"), hosts });
  try {
    const policy = { canaries: 1, batchSize: 1 };
    return await withHome(lab, { contracts: [contract], policy, enrolment, retire }, async (home) => {
      const odd = lab.hosts[Math.floor(hosts / 2)]?.name ?? "";
      const samples: Sample[] = [];
      await publishVersion(home, "1.0.0", convert(undefined));
      await home.pushVersion("orders", "1.0.0");
      await run(home, [0], "reconcile", "--once");
      for (let at = 1; at <= (quick ? 1 : 3); at++) {
        samples.push(await sample(home, { odd, number: at * 2 }));
        say(`(e) sample ${at} is done`);
      }
      return sectionOf(samples, hosts);
    });
  } finally {
    await lab.down();
  }
}

async function sample(home: Home, { odd, number }: { readonly odd: string; readonly number: number }): Promise<Sample> {
  const [good, bad] = [`${number}.0.0`, `${number + 1}.0.0`];
  await publishVersion(home, good, convert(undefined));
  await home.pushVersion("orders", good, { rollback_policy: "manual" });
  const full = await run(home, [0], "reconcile", "--once");
  await publishVersion(home, bad, convert(odd));
  await home.pushVersion("orders", bad, { rollback_policy: "manual" });
  await run(home, [4], "reconcile", "--once");
  const task = `${odd}/orders/convert`;
  const alone = await run(home, [0], "task", "run", task, "--dry-run", "--reason", "try");
  const undo = await run(home, [0], "task", "undo", task, "--reason", "odd row");
  await amend(home, bad);
  const began = Date.now();
  const retry = await run(home, [0], "task", "retry", task, "--amend", "--reason", "mended", "--json");
  const events = retry.stdout.trim().split("\n").map((line) => JSON.parse(line) as JournalEvent); // biome-ignore format: one line
  const through = events.find(
    (event) => event.kind === "host-ended" && event.host === odd && event.step.startsWith("switch."),
  );
  if (through === undefined) throw new Error(`${odd} did not get through its step`);
  return { fullMs: full.ms, undoMs: undo.ms, retryMs: through.at - began, aloneMs: alone.ms };
}

const treeOf = (home: Home, version: string) => join(home.directory, "trees", version);

async function publishVersion(home: Home, version: string, script: string): Promise<void> {
  const tree = treeOf(home, version);
  const bundle = join(home.directory, "components", version, "tasks");
  await Promise.all([tree, bundle].map((each) => mkdir(each, { recursive: true })));
  await writeFile(join(tree, "version"), version);
  await writeFile(join(bundle, "convert"), script, { mode: 0o755 });
  await writeFile(join(bundle, "unconvert"), "#!/bin/sh\nsleep 2\n", { mode: 0o755 });
  await home.publish(contract, version, tree, bundle);
}

/** The mended script, published as the operator does it. */
async function amend(home: Home, version: string): Promise<void> {
  const folder = join(home.directory, "components", version);
  await writeFile(join(folder, "tasks", "convert"), convert(undefined), { mode: 0o755 });
  await writeFile(join(folder, "component.yaml"), JSON.stringify(contract));
  const words = ["publish", treeOf(home, version), "--component", join(folder, "component.yaml"), "--version", version];
  const place = ["--release-key", join(home.home, "keys", "release"), "--artifacts", join(home.home, "artifacts")];
  await run(home, [0], ...words, "--amend", ...place);
}

async function run(home: Home, exitCodes: readonly number[], ...words: readonly string[]) {
  const began = performance.now();
  const ran = await measured([process.execPath, main, ...words, "-c", home.config], { timeoutMs: 600_000, exitCodes });
  return { ...ran, ms: performance.now() - began };
}

function sectionOf(samples: readonly Sample[], hosts: number): Section {
  const of = (key: keyof Sample) => median(samples.map((each) => each[key]));
  const full = of("fullMs");
  const row = (what: string, ms: number) => [what, `${rounded(ms / 1_000)} s`, `${Math.round((100 * ms) / full)} %`];
  const mended = of("undoMs") + of("retryMs");
  const aim = (name: string, ms: number) => ({
    name,
    wanted: "≤ 25 % of a whole run",
    got: `${Math.round((100 * ms) / full)} %`,
    met: ms / full <= most,
  });
  return {
    id: "e",
    tables: [
      {
        title: `(e) one task beside a whole run, ${hosts} hosts one after the other, 2 s of conversion on each`,
        header: ["", "time", "of a whole run"],
        rows: [
          row("a whole run", full),
          row("taking the task back", of("undoMs")),
          row("the mended one tried again, until its host is through", of("retryMs")),
          row("the task alone, dry", of("aloneMs")),
        ],
      },
    ],
    aims: [aim("mending and retrying one task", mended), aim("trying one task alone", of("aloneMs"))],
    skipped: [],
    data: { hosts, samples },
  };
}
