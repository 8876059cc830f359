// The fleet of R2: four real servers on six whole hosts, each waiting for what it depends on. One story in chapters on one
// lab: installed, upgraded under load, split over versions, without one of its hosts, refused, and taken back.
import assert from "node:assert/strict";
import { cp, readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { spawnLoad } from "../../src/lab/demo/spawn-load.ts";
import { debianVersions, fetchDebianPackage } from "../../src/lab/fetch-debian-package.ts";
import type { LabHost } from "../../src/lab/lab.ts";
import type { Component } from "../../src/model/component.ts";
import type { JournalEvent } from "../../src/model/run-event.ts";
import { assertOutcomes } from "../support/assert-outcome.ts";
import { fleetComponents } from "../support/fleet-trees.ts";
import {
  type FleetWorld,
  listenerOf,
  mainPid,
  releaseText,
  runningVersion,
  switchOrder,
  withFleet,
} from "../support/fleet-world.ts";
import { isFull, loadShare } from "../support/full-form.ts";
import { until } from "../support/until.ts";
import { debianServersSkip } from "../support/with-lab.ts";
import { say } from "../support/with-systemd-world.ts";

const ratePerSecond = 50 * loadShare;
const upwards = ["+database", "-database", "+cache", "-cache", "+api", "-api", "+gateway", "-gateway"];
const downwards = ["+gateway", "-gateway", "+api", "-api", "+cache", "-cache", "+database", "-database"];

test(
  "a fleet of four real servers in four roles on six hosts (R2, R28, R34, R54)",
  { skip: debianServersSkip, timeout: 1_200_000 },
  (context) =>
    withFleet(async (fleet) => {
      const pairs = fleetComponents.filter((name) => fleet.debian[name][0] !== fleet.debian[name][1]);
      for (const name of fleetComponents) context.diagnostic(`${name}: Debian ${fleet.debian[name].join(" → ")}`);
      if (pairs.length < 2) return context.skip("Debian has fewer than two of these servers in two versions now");
      const chapter = chapters(context);
      let full: Sent = new Map();
      await chapter(
        "the first install goes in the order of dependencies, and every host is read back (R28, P10)",
        async () => {
          full = await install(fleet);
        },
      );
      await chapter("the text of R2 upgrades all four under load by patches, and no request fails (R2, R7, P11)", () =>
        upgrade(fleet, context, full),
      );
      await chapter("one release gives one component three versions, by site (R34)", () => split(fleet));
      await chapter("a host that is down is named and left alone, and caught up when it is back (R63, P10)", () =>
        catchUp(fleet),
      );
      // `compatibility.test.ts` keeps R54 at every push, with hosts of its own.
      if (isFull)
        await chapter("a host that lacks a library is refused by name, and nothing moves anywhere (R54)", () =>
          refuse(fleet),
        );
      await chapter("a bad gateway takes the whole release back, in reverse order (R14, R28, P16)", () =>
        takeBack(fleet),
      );
    }),
);

/** A chapter stands on the one before it: after the first that fails, the others are skipped with that reason. */
function chapters(context: TestContext): (title: string, body: () => Promise<void>) => Promise<void> {
  let failed: string | undefined;
  return async (title, body) => {
    const skip = failed === undefined ? false : `it stands on “${failed}”, which failed`;
    await context.test(title, { skip }, async () => {
      failed = title;
      await body();
      failed = undefined;
    });
  };
}

/** Bytes that one host of each component was sent. */
type Sent = ReadonlyMap<string, number>;

async function install(fleet: FleetWorld): Promise<Sent> {
  await Promise.all(
    fleetComponents.map(async (component) => {
      await fleet.publishServer({ component, version: "v1", which: "older" });
      await fleet.publishServer({ component, version: "v2", which: "newer" });
      await fleet.publishServer({ component, version: "v3", which: "newer" });
    }),
  );
  await fleet.pushText(releaseText.replaceAll("v2", "v1"));
  const { result, events } = await pass(fleet, "done");
  assert.deepEqual(switchOrder(events, "do"), upwards);
  assert.deepEqual([result.state?.type, result.state?.message], ["Ready", "6 of 6 read back as asked"]);
  await assertRuns(fleet, () => "v1");
  return bytesSent(events);
}

async function upgrade(fleet: FleetWorld, context: TestContext, full: Sent): Promise<void> {
  const listening = [...fleet.hostsOf("api"), ...fleet.hostsOf("gateway")];
  const listeners = await Promise.all(listening.map(listenerOf));
  const [database] = fleet.hostsOf("database");
  const [gateway] = fleet.hostsOf("gateway");
  assert.ok(database && gateway);
  const build = () => say(database, "sh", "-c", `${redisCli} info server | grep ^redis_build_id`);
  const older = await build();
  const visitsBefore = Number(await say(database, "sh", "-c", `${redisCli} get visits`));
  const load = spawnLoad({
    targets: [{ name: gateway.name, address: gateway.address, port: 8080 }],
    ratePerSecond,
    keepAliveShare: 0,
    timeoutMs: 15_000,
    maxSeconds: 900,
    onSecond: () => {},
  });
  let passed: Awaited<ReturnType<typeof pass>>;
  try {
    await fleet.pushText(releaseText);
    passed = await pass(fleet, "done");
  } finally {
    await load.stop();
  }
  const { result, events } = passed;
  const { sent, failed, failures, hosts } = await load.stop();
  context.diagnostic(`${sent} requests during the upgrade, ${failed} failed`);
  assert.deepEqual([failed, failures], [0, []]);
  assert.ok(sent > ratePerSecond, `only ${sent} requests were sent`);
  assert.deepEqual(Object.keys(hosts[gateway.name]?.versions ?? {}).sort(), ["v1", "v2"]);
  assert.deepEqual(await Promise.all(listening.map(listenerOf)), listeners);
  const visits = Number(await say(database, "sh", "-c", `${redisCli} get visits`));
  assert.ok(visits - visitsBefore >= sent, `${visits - visitsBefore} visits were kept of ${sent}`);
  assert.deepEqual(switchOrder(events, "do"), upwards);
  await assertRuns(fleet, () => "v2");
  if (fleet.debian.database[0] !== fleet.debian.database[1]) assert.notEqual(await build(), older);
  const transfers = result.plan.transfers ?? [];
  for (const component of fleetComponents) {
    const path = transfers.find((transfer) => transfer.component === component)?.path;
    const [bytes = Number.NaN, before = 0] = [bytesSent(events).get(component), full.get(component)];
    context.diagnostic(`${component}: ${bytes} bytes a host instead of ${before}`);
    assert.equal(path, "direct", component);
    assert.ok(bytes < before / 5, `${component}: ${bytes} of ${before}`);
  }
}

async function split(fleet: FleetWorld): Promise<void> {
  const selectors = `    selectors:
      - match: { role: app, site: south }
        version: v1
      - match: { site: west }
        version: v3
`;
  await fleet.pushText(releaseText.replace("    depends_on: [cache]\n", (line) => line + selectors));
  await pass(fleet, "done");
  await assertRuns(fleet, (host) => ({ "app-2": "v1", "app-3": "v3" })[host] ?? "v2");
  const [gateway] = fleet.hostsOf("gateway");
  const answers = new Set<string | null>();
  // In turn, as soon as its own checks have found all of them well.
  await until("an answer of each version", 60_000, async () => {
    const once = { headers: { connection: "close" }, signal: AbortSignal.timeout(60_000) };
    const response = await fetch(`http://${gateway?.address}:8080/`, once);
    await response.text();
    // While its checks find nobody well, it answers by itself.
    if (response.ok) answers.add(response.headers.get("shop-version"));
    return answers.size >= 3;
  });
  assert.deepEqual([...answers].sort(), ["v1", "v2", "v3"]);
}

async function catchUp(fleet: FleetWorld): Promise<void> {
  const away = fleet.host("app-2");
  await away.crash();
  await fleet.pushText(releaseText.replaceAll("v2", "v3"));
  const { result } = await pass(fleet, "done");
  assert.deepEqual(
    result.plan.held.map(({ host, reason }) => [host, reason]),
    [["app-2", "unreachable"]],
  );
  assert.notEqual(result.state?.type === "Ready" && result.state.status === "True", true, "5 of 6 is not done");
  assert.match(result.state?.message ?? "", /app-2/);
  await assertRuns(fleet, () => "v3", [away.name]);
  await away.boot();
  assert.equal(await say(away, "readlink", "/srv/cutover/api/current"), "versions/v1");
  const { events } = await pass(fleet, "done");
  assert.deepEqual(switchOrder(events, "do"), ["+api", "-api"]);
  await assertRuns(fleet, () => "v3");
}

async function refuse(fleet: FleetWorld): Promise<void> {
  const library = "libluajit-5.1.so.2";
  const contract = (document: Component): Component => {
    return { ...document, needs: { ...document.needs, libraries: [...document.needs.libraries, library] } };
  };
  const edit = (tree: string) => rm(join(tree, "lib", library));
  await fleet.publishServer({ component: "api", version: "v4", which: "newer", contract, edit });
  await fleet.publishServer({ component: "database", version: "v4", which: "newer" });
  for (const name of ["app-1", "app-3"] as const) await installLibrary(fleet.host(name), library);
  const before = await Promise.all(fleet.lab.hosts.map(mainPid));
  await fleet.pushText(releaseText.replaceAll("v2", "v3").replace(/(name: (database|api)\n {4}version:) v3/g, "$1 v4"));
  const { result, events } = await pass(fleet, "stuck");
  const refused = [...(result.run?.state.tasks ?? [])].filter(([, { state }]) => state === "failed");
  assert.deepEqual(
    refused.map(([id, { reason, evidence }]) => [id, reason, evidence.trim()]),
    [["app-2/api/check", "needs-missing", `library ${library} not found`]],
  );
  assert.match(result.state?.message ?? "", /app-2/);
  assert.deepEqual(switchOrder(events, "do"), []);
  assert.deepEqual(await Promise.all(fleet.lab.hosts.map(mainPid)), before);
  await assertRuns(fleet, () => "v3");
}

async function takeBack(fleet: FleetWorld): Promise<void> {
  await Promise.all(
    fleetComponents.map((component) => {
      const edit = component === "gateway" ? { edit: leadNowhere } : {};
      return fleet.publishServer({ component, version: "v5", which: "newer", ...edit });
    }),
  );
  const text = releaseText.replaceAll("v2", "v5").replace("rollback_policy: auto", "rollback_policy: release");
  await fleet.pushText(text);
  const { result, events } = await pass(fleet, "rolled-back");
  assert.deepEqual(switchOrder(events, "do"), upwards);
  assert.deepEqual(switchOrder(events, "undo"), downwards);
  const bad = events.flatMap((event) => (event.kind === "quarantined" ? [`${event.component} ${event.version}`] : []));
  assert.deepEqual(bad, ["gateway v5"]);
  assert.match(result.run?.state.tasks.get("gw-1/gateway/health")?.evidence ?? "", /503/);
  await assertRuns(fleet, () => "v3");
}

function bytesSent(events: readonly JournalEvent[]): Sent {
  return new Map(events.flatMap((event) => (event.kind === "delivered" ? [[event.component, event.bytes]] : [])));
}

/** One pass; its first release must end like this. */
async function pass(fleet: FleetWorld, outcome: string) {
  const events: JournalEvent[] = [];
  const passed = await fleet.reconcile({ onEvent: (event) => events.push(event) });
  assertOutcomes(passed, outcome);
  const [result] = passed.results;
  assert.ok(result);
  return { result, events };
}

/** Every server runs from its version's tree, by the host's own word; `except` names hosts that are down. */
async function assertRuns(
  fleet: FleetWorld,
  wanted: (host: string) => string,
  except: readonly string[] = [],
): Promise<void> {
  const hosts = fleet.lab.hosts.filter(({ name }) => !except.includes(name));
  const found = await Promise.all(hosts.map(async (host) => [host.name, await runningVersion(host)]));
  assert.deepEqual(found, hosts.map(({ name }) => [name, wanted(name)])); // biome-ignore format: one line
}

/** As `apt-get install` of its package would on that host. */
async function installLibrary(host: LabHost, library: string): Promise<void> {
  const name = "libluajit2-5.1-2";
  const [version] = (await debianVersions([name])).get(name) ?? [];
  assert.ok(version);
  const unpacked = join(await fetchDebianPackage({ name, version }), "usr/lib");
  await cp(unpacked, host.pathOf("/usr/lib"), { recursive: true, verbatimSymlinks: true });
  await say(host, "ldconfig");
  assert.ok((await say(host, "ldconfig", "-p")).includes(library));
}

/** A gateway whose configuration is sound and whose hosts nobody serves on: it starts, and answers 503. */
async function leadNowhere(tree: string): Promise<void> {
  const path = join(tree, "haproxy.cfg");
  await writeFile(path, (await readFile(path, "utf8")).replaceAll(":8081", ":8082"));
}

const redisCli =
  "LD_LIBRARY_PATH=/srv/cutover/database/current/lib /srv/cutover/database/current/bin/redis-cli -h localhost";
