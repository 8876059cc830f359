// `npm run demo`: the main job before one's eyes, on real hosts under real load. Ends well only if all of it was seen to be true.
import { mkdir, mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { CutoverError, ExitCode } from "../../errors.ts";
import { mustRun } from "../run-program.ts";
import { type CutoverArgv, type ServeProcess, spawnServe } from "./cutover-process.ts";
import { makeDemoPicture } from "./demo-picture.ts";
import { type DemoWorld, hostNames, makeDemoWorld, pushRelease, shopPort } from "./demo-world.ts";
import { type EventLog, makeEventLog } from "./event-log.ts";
import type { LoadSecond, LoadSummary } from "./load-report.ts";
import { type LoadProcess, spawnLoad } from "./spawn-load.ts";

const requestsPerSecond = 250;
/** Four clustered services, their sshd, the controller and the load share this machine; slower than this is a failure all the same. */
const requestTimeoutMs = 5_000;
const leastRequests = 20_000;
const mostSeconds = 600;

export interface DemoInput {
  readonly argv: CutoverArgv;
  readonly out: NodeJS.WriteStream;
  /** Leave hosts, controller and load up until the signal, and print how to play. */
  readonly keep: boolean;
  readonly signal: AbortSignal;
}

interface Stage {
  readonly world: DemoWorld;
  readonly log: EventLog;
  readonly serve: { current: ServeProcess; start(): ServeProcess };
  readonly load: {
    readonly process: LoadProcess;
    readonly latest: () => LoadSecond | undefined;
    readonly nextSecond: () => Promise<void>;
  };
  readonly say: (line: string) => void;
  readonly chapter: (title: string) => void;
}

/** Throws `demo-failed` naming the first thing that was not as promised. */
export async function runDemo(input: DemoInput): Promise<void> {
  const directory = await mkdtemp(join(tmpdir(), "cutover-demo-"));
  const picture = makeDemoPicture({ out: input.out, hosts: hostNames });
  const log = makeEventLog(picture.event, input.signal);
  const closing: (() => Promise<unknown>)[] = [];
  try {
    await mkdir(directory, { recursive: true });
    const world = await makeDemoWorld({ directory, argv: input.argv, say: picture.say });
    closing.push(() => world.down());
    const serve = makeServe(input.argv, world, log);
    closing.push(() => serve.current.stop());
    picture.chapter("release 1: first install on every host");
    const [oldNode, newNode] = world.nodeVersions;
    const first = await pushRelease(world, { node: oldNode, shop: "1.0.0", message: "Release 1" });
    serve.start();
    await log.runOf(first, "done");
    let latest: LoadSecond | undefined;
    let wake = () => {};
    const load = spawnLoad({
      targets: world.lab.hosts.map(({ name, address }) => ({ name, address, port: shopPort })),
      ratePerSecond: requestsPerSecond,
      timeoutMs: requestTimeoutMs,
      maxSeconds: mostSeconds,
      maxRequests: requestsPerSecond * mostSeconds,
      onSecond: (second) => {
        latest = second;
        wake();
        picture.load(second);
      },
    });
    closing.push(() => load.stop());
    const stage: Stage = {
      world,
      log,
      serve,
      load: { process: load, latest: () => latest, nextSecond: () => new Promise((resolve) => (wake = resolve)) },
      say: picture.say,
      chapter: picture.chapter,
    };
    await tell(stage, newNode);
    await sayNotes(stage, join(directory, "reader"));
    const summary = await enoughRequests(stage, input);
    judge(stage, summary);
    picture.end();
    if (input.keep) await stayUp(stage, input);
  } catch (error) {
    picture.end();
    if (!input.signal.aborted) await sayLog(input.out, join(directory, "home", "serve.log"));
    throw error;
  } finally {
    for (const close of closing.reverse())
      await close().catch((error: unknown) => input.out.write(`while tidying up: ${String(error)}\n`));
    await rm(directory, { recursive: true, force: true });
  }
}

/** The directory goes away with the demo, so what the controller said last is shown now. */
async function sayLog(out: NodeJS.WriteStream, path: string): Promise<void> {
  const text = await readFile(path, "utf8").catch(() => "");
  const last = text.trimEnd().split("\n").slice(-15);
  if (text !== "")
    out.write(`the controller's log ended with\n${last.map((line) => `  ${line.slice(0, 400)}\n`).join("")}`);
}

function makeServe(argv: CutoverArgv, world: DemoWorld, log: EventLog): Stage["serve"] {
  const start = () =>
    spawnServe({
      argv,
      cwd: world.home,
      logPath: join(world.home, "serve.log"),
      onEvent: log.add,
      onPass: log.countPass,
      onExit: (code) => log.fail(`cutover serve ended with ${code}; its log follows`),
    });
  const serve = {
    current: { pid: 0, kill: async () => {}, stop: async () => {} } as ServeProcess,
    start() {
      serve.current = start();
      return serve.current;
    },
  };
  return serve;
}

async function tell(stage: Stage, newNode: string): Promise<void> {
  const { world, log, chapter, say, serve } = stage;
  chapter("(a) git push of release 2: a new runtime and a new app, under load");
  const second = await pushRelease(world, { node: newNode, shop: "2.0.0", message: "Release 2: new runtime, new app" });
  await log.runOf(second, "done");
  const { patches, whole } = log.deliveriesOf(second);
  const sent = `${(log.bytesOf(second) / 1e6).toFixed(1)} MB sent, ${patches} versions as patches, ${whole} whole`;
  say(`failed requests: ${failedSoFar(stage)}; ${sent}`);
  expect(failedSoFar(stage) === 0, "release 2 loses no request", JSON.stringify(stage.load.latest()));

  chapter("(b) git push of release 3: it answers 500 to one request in ten");
  const third = await pushRelease(world, { node: newNode, shop: "3.0.0", message: "Release 3: broken" });
  await log.runOf(third, "rolled-back");
  const touched = log.switchedHosts(third);
  say(`back by itself; hosts that were touched: ${touched.join(", ")}`);
  expect(touched.join() === hostNames[0], "only the canary was touched", touched.join());
  expect(log.quarantined("shop", "3.0.0"), "shop 3.0.0 is quarantined", "no such event");
  const passes = log.passes();
  await log.until(() => log.passes() >= passes + 2, "two more passes");
  expect(
    log.runsOf(third) === 1,
    "git still asks for release 3, and no second run starts",
    `${log.runsOf(third)} runs`,
  );

  chapter("(c) git push of release 4; the controller is killed in the middle");
  const fourth = await pushRelease(world, { node: newNode, shop: "4.0.0", message: "Release 4: mended" });
  await log.until(() => log.switchedHosts(fourth).length >= 2, "the second host of release 4");
  await serve.current.kill();
  say("controller killed with SIGKILL; hosts keep serving; starting it again");
  serve.start();
  await log.runOf(fourth, "done");
  expect(
    log.switchedHosts(fourth).length === hostNames.length,
    "every host runs release 4",
    log.switchedHosts(fourth).join(),
  );
}

/** A clone by itself tells the fleet's history (R3). */
async function sayNotes({ world, log, say, chapter }: Stage, reader: string): Promise<void> {
  // The pass ends once its status is in git.
  const passes = log.passes();
  await log.until(() => log.passes() > passes, "the status of release 4");
  chapter("(d) git log --notes=cutover, in a fresh clone");
  await mustRun(["git", "clone", "--quiet", join(world.home, "releases.git"), reader]);
  await mustRun(["git", "-C", reader, "fetch", "--quiet", "origin", "+refs/notes/cutover:refs/notes/cutover"]);
  const text = await mustRun(["git", "-C", reader, "log", "--notes=cutover", "--format=%h %s%n%N"]);
  for (const line of text.split("\n").filter((line) => line !== "" && !/^\s*(data|signature):/.test(line)))
    say(`    ${line.slice(0, 140)}`);
  expect(
    /4\.0\.0/.test(text) && /quarantine/i.test(text),
    "the notes name release 4 and the quarantine",
    text.slice(0, 2_000),
  );
}

/** The load generator's own bounds end this wait, too. */
async function enoughRequests({ load, say }: Stage, { signal }: DemoInput): Promise<LoadSummary> {
  const sent = () => load.latest()?.total.sent ?? 0;
  if (sent() < leastRequests) say(`waiting until ${leastRequests.toLocaleString("en")} requests were sent`);
  let ended = false;
  const end = load.process.ended().then(() => {
    ended = true;
  });
  while (sent() < leastRequests && !ended) {
    signal.throwIfAborted();
    await Promise.race([end, load.nextSecond()]);
  }
  return load.process.stop();
}

function judge({ log, say }: Stage, summary: LoadSummary): void {
  const elsewhere = Object.entries(summary.hosts).filter(([host, { failed }]) => host !== hostNames[0] && failed > 0);
  say(
    `requests ${summary.sent.toLocaleString("en")}, failed ${summary.failed}, all of them 500s of release 3 on the canary`,
  );
  expect(summary.sent >= leastRequests, "at least 20,000 requests", String(summary.sent));
  expect(elsewhere.length === 0, "no other host failed a request", JSON.stringify(elsewhere));
  const canary = summary.hosts[hostNames[0]];
  const others = Object.entries(canary?.failedBy ?? {}).filter(([reason]) => reason !== "non-2xx");
  expect(others.length === 0, "the canary failed only with the 500s of release 3", JSON.stringify(others));
  const nameless = log.switchesWithoutPids();
  expect(nameless.length === 0, "the journal shows old and new process of every switch", nameless.join("\n"));
}

function failedSoFar({ load }: Stage): number {
  return load.latest()?.total.failed ?? 0;
}

async function stayUp({ world, say }: Stage, { signal, out }: DemoInput): Promise<void> {
  say("all of it was true; everything stays up until Ctrl-C");
  out.write(`
  cd ${world.home}
  play:  edit work/releases/releases/shop.yaml, then  git -C work commit -am "…" && git -C work push origin HEAD:main
  look:  cutover status --watch        (from a checkout: npm run -s cutover -- -c ${join(world.home, "cutover.yaml")} status --watch)
  break: ln -sfn versions/1.0.0 ${world.lab.hosts[1]?.prefix ?? ""}/srv/cutover/shop/current
`);
  await new Promise<void>((resolve) => signal.addEventListener("abort", () => resolve(), { once: true }));
}

function expect(isTrue: boolean, promise: string, evidence: string): void {
  if (isTrue) return;
  throw new CutoverError({
    code: "demo-failed",
    message: `Not true: ${promise}`,
    evidence,
    exitCode: ExitCode.bug,
    remedy: "npm run demo",
  });
}
