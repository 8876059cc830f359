// `cutover grade` as a user types it: services that keep their promise, on a loopback host over TLS and under systemd, and one that
// promises more than its strategy can give.
import assert from "node:assert/strict";
import { once } from "node:events";
import { access, copyFile, cp, mkdir, writeFile } from "node:fs/promises";
import { type AddressInfo, createServer } from "node:net";
import { extname, join } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { stringify } from "yaml";
import { initRelease } from "../../../src/app/init.ts";
import { publish } from "../../../src/app/publish.ts";
import { freePort } from "../../../src/lab/free-port.ts";
import type { GradeReport } from "../../../src/lab/grade/grade-component.ts";
import { mustRun } from "../../../src/lab/run-program.ts";
import { Component } from "../../../src/model/component.ts";
import { artifactWriter, keyMaker, signer } from "../../../src/wiring.ts";
import { buildTakeover } from "../../support/build-skeleton.ts";
import { type Command, cutoverCommand } from "../../support/cutover-command.ts";
import { inFullForm } from "../../support/full-form.ts";
import { skipReason } from "../../support/skip-reason.ts";
import { withTemporaryDirectory } from "../../support/temporary-directory.ts";
import { debianServersSkip, loopbackSkip } from "../../support/with-lab.ts";
import { documentOf } from "./document-of.ts";

const pathOf = (name: string) => fileURLToPath(new URL(`../../../${name}`, import.meta.url));
const openSslSkip = skipReason({ programs: ["openssl"] });
const versions = ["1.0.0", "2.0.0"] as const;

interface Tree {
  readonly directory: string;
  readonly version: string;
}

/** A home in which a component was published twice. */
async function withPublished(
  document: unknown,
  build: (tree: Tree) => Promise<void>,
  body: (cutover: Command, work: string) => Promise<void>,
): Promise<void> {
  await withTemporaryDirectory(async (directory) => {
    const home = join(directory, "home");
    const { config, work } = await initRelease(home, { keyMaker });
    const component = Component.parse(document);
    for (const version of versions) {
      const tree = join(directory, version);
      await mkdir(join(tree, "bin"), { recursive: true });
      await build({ directory: tree, version });
      await publish({
        ...{ directory: tree, component, version, releaseKeys: [join(home, "keys", "release")], signer },
        ...{ store: artifactWriter(join(home, "artifacts")), now: Date.now(), zstdLevel: 1 },
      });
    }
    await body(cutoverCommand({ home, config }), work);
  });
}

function web(port: number, fields: Readonly<Record<string, unknown>>): unknown {
  return {
    ...{ apiVersion: "cutover/v1", kind: "Component", name: "web", root: "/opt/apps/web", manager: "process" },
    ...{ env: { PORT: String(port) }, health: [{ kind: "http", url: `http://self:${port}/` }], ...fields },
  };
}

/** The fixture of that name as `service`, and what starts it. */
async function layNodeService({ directory }: Tree, fixture: string, before = ":"): Promise<void> {
  const service = `service${extname(fixture)}`;
  await cp(pathOf(`test/support/fixtures/${fixture}`), join(directory, service));
  const start = `#!/bin/sh\ncd -P "$(dirname "$0")/.." || exit 70\n${before}\nexec '${process.execPath}' ./${service}\n`;
  await writeFile(join(directory, "bin", "start"), start, { mode: 0o755 });
}

async function buildPlain(tree: Tree): Promise<void> {
  // Where it is stopped first, nobody listens for so long that the meter, however busy its machine, notices.
  await layNodeService(tree, "upgrading-service.cjs", "sleep 2");
  await writeFile(join(tree.directory, "behaviour.json"), JSON.stringify({ version: tree.version }));
}

async function buildStreaming(tree: Tree): Promise<void> {
  const { directory, version } = tree;
  await layNodeService(tree, "streaming-service.mjs");
  await cp(pathOf("deploy/skeletons/node-cluster/websocket.mjs"), join(directory, "websocket.mjs"));
  await writeFile(join(directory, "version"), version);
  const [key, cert] = [join(directory, "key.pem"), join(directory, "cert.pem")];
  const curve = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1"];
  await mustRun(["openssl", "req", "-x509", ...curve, "-nodes", "-subj", "/CN=web", "-keyout", key, "-out", cert]);
}

/** The way there, the way back, and a version that was taken back: as the report has them. */
const threeTurns = [
  ["do", "1.0.0", "2.0.0"],
  ["do", "2.0.0", "1.0.0"],
  ["do", "1.0.0", "2.0.0-unwell"],
  ["undo", "2.0.0-unwell", "1.0.0"],
];

function movesOf({ switches }: GradeReport): readonly (readonly string[])[] {
  return switches.map(({ action, from, to }) => [action, from, to]);
}

test("a service that hands its listener over keeps its grade also when a version is taken back; over TLS each kind is told apart (R27)", {
  skip: loopbackSkip || openSslSkip,
}, async () => {
  const port = await freePort(["127.0.1.1"]);
  const document = web(port, {
    switch: { strategy: "exec", start: "bin/start" },
    health: [{ kind: "tcp", address: "self", port }],
    grade: "request-safe",
  });
  await withPublished(document, buildStreaming, async (cutover) => {
    // No `--http`: a handshake for each of a hundred requests a second would measure this machine.
    const all = ["--long", `${port}/?ms=200=200`, "--websocket", `${port}/ws`, "--events", `${port}/events=50`];
    const body = ["--body", "(?<version>[0-9.]+)\\n"];
    const { stdout } = await cutover(0, "grade", "web", "--switches", "3", "--tls", ...all, ...body, "--json");
    const report = JSON.parse(stdout) as GradeReport;
    assert.deepEqual([report.grade, report.declared, report.strategy], ["request-safe", "request-safe", "exec"]);
    assert.deepEqual(movesOf(report), threeTurns);
    assert.equal(report.takenBack, 1);
    const [long, ...streams] = report.measured.kinds;
    assert.deepEqual([long?.failed, Object.keys(long?.versions ?? {}).sort()], [0, ["1.0.0", "2.0.0"]]);
    assert.deepEqual(
      streams.map(({ kind }) => kind),
      ["websocket", "sse"],
    );
    for (const { kind, ok, streams: opened, cut, ended } of streams)
      assert.ok(ok > 0 && cut + ended > 0 && opened > cut + ended, `${kind}: ${ok} right, ${opened} opened`);
    assert.deepEqual(report.unmeasured, ["new", "keep-alive", "http2", "tcp"]);
    await assert.rejects(access("/opt/apps"), { code: "ENOENT" }, "a loopback host keeps to its own directory");
  });
});

inFullForm(
  "under systemd, with the units that the user has, a service that hands its connections over is stream-safe (R27)",
  { skip: debianServersSkip },
  async () =>
    withPublished(
      await documentOf(pathOf("deploy/skeletons/c-takeover/component.yaml"), {
        ...{ manager: "systemd", units: ["c-takeover.service"], env: {} },
        switch: { strategy: "takeover", readyWithinSeconds: 20, stopWithinSeconds: 10 },
      }),
      async ({ directory, version }) => {
        await copyFile(await buildTakeover(), join(directory, "server"));
        await writeFile(join(directory, "version"), `${version}\n`);
      },
      async (cutover) => {
        const units = ["--units", pathOf("deploy/skeletons/c-takeover/units")];
        const all = ["--http", "/", "--long", "/work?ms=200=200", "--events", "/events=100", "--tcp", "8081"];
        const { stdout } = await cutover(0, "grade", "c-takeover", "--switches", "3", ...units, ...all, "--json");
        const report = JSON.parse(stdout) as GradeReport;
        assert.deepEqual(
          [report.grade, report.because, report.unmeasured],
          ["stream-safe", [], ["http2", "websocket"]],
        );
        assert.deepEqual(movesOf(report), threeTurns);
        for (const { kind, ok } of report.measured.kinds) assert.ok(ok > 0, `${kind} had no right answer`);
      },
    ),
);

test("a service that is stopped and started is below what it declares: the table says what failed, and it exits 4 (R27)", {
  skip: loopbackSkip,
}, async () => {
  const restart = { switch: { strategy: "restart", start: "bin/start" }, grade: "request-safe" };
  await withPublished(web(await freePort(["127.0.1.1"]), restart), buildPlain, async (cutover) => {
    const { stdout } = await cutover(4, "grade", "web", "--switches", "1");
    assert.match(stdout, /^asks \d+\/, its first http health check/m);
    assert.match(stdout, /^ {2}new(?: +[\d,]+){4} .*refused/m);
    assert.match(stdout, /^not measured: long, http2 \(the port of --http does not speak it\), websocket, sse, tcp; /m);
    assert.match(stdout, /^not measured: the way back from a version that is not well; /m);
    assert.match(stdout, /^web: 1 switch by restart, no grade.*; its contract declares request-safe$/m);
  });
});

test("a port that somebody holds is named, with who to ask for, before anything is installed", {
  skip: loopbackSkip,
}, async () => {
  await using holder = createServer().listen(0, "0.0.0.0");
  await once(holder, "listening");
  const { port } = holder.address() as AddressInfo;
  const document = web(port, { switch: { strategy: "restart", start: "bin/start" } });
  await withPublished(document, buildPlain, async (cutover) => {
    const { text } = await cutover(69, "grade", "web", "--switches", "1");
    assert.match(
      text,
      new RegExp(`^error: Port ${port} is in use on this machine, and web on its lab host could not`, "m"),
    );
    assert.match(text, new RegExp(`^next: ss -ltnp 'sport = :${port}' shows who listens; .*cutover grade web`, "m"));
    assert.doesNotMatch(text, /installs web/);
  });
});

test("what cannot be graded is refused with what to type", { skip: loopbackSkip }, () =>
  withPublished(
    web(8080, { health: [], switch: { strategy: "exec", start: "bin/start" } }),
    buildPlain,
    async (cutover, work) => {
      assert.match(
        (await cutover(64, "grade", "web")).text,
        /has no http health check.*--http PORT\/PATH, or --tcp PORT/s,
      );
      assert.match(
        (await cutover(64, "grade", "web", "--versions", "1.0.0")).text,
        /needs two versions of web, not 1;/,
      );
      const twice = await cutover(64, "grade", "web", "--versions", "1.0.0,1.0.0");
      assert.match(twice.text, /needs two versions of web, not 1\.0\.0 twice; published: /);
      const unknown = await cutover(64, "grade", "web", "--versions", "1.0.0,1.0.9");
      assert.match(unknown.text, /web 1\.0\.9 is not published.*published: /s);
      assert.match((await cutover(64, "grade", "web", "--http", "80")).text, /--http 80 is not PORT\/PATH/);
      assert.match((await cutover(64, "grade", "nowhere")).text, /No version of a component nowhere.*cutover publish/s);
      const document = web(8080, { switch: { strategy: "exec", start: "bin/start" } });
      await writeFile(join(work, "releases", "web.yaml"), stringify(document));
      await mustRun(["git", "-C", work, "add", "--all"]);
      await mustRun(["git", "-C", work, "commit", "--quiet", "-m", "web"]);
      await mustRun(["git", "-C", work, "push", "--quiet", "origin", "HEAD:main"]);
      assert.match(
        (await cutover(64, "grade", "wbe")).text,
        /component wbe .*; did you mean web\?\n.*cutover grade web$/ms,
      );
    },
  ),
);

test("a service behind a balancer is refused before a host starts: the only host of the lab cannot leave its traffic", {
  skip: loopbackSkip,
}, () => {
  const balancer = { component: "pool", task: "pool" };
  const change = { strategy: "balancer", balancer, start: "bin/start" };
  return withPublished(web(8080, { switch: change, grade: "request-safe" }), buildPlain, async (cutover) => {
    const { text } = await cutover(5, "grade", "web");
    assert.match(text, /the lab is one host.*balancer: \{ component: pool, hold: false \}.*cutover grade web/s);
    assert.doesNotMatch(text, /starts a host/);
    // One that holds could, if it were there.
    const holds = { ...change, balancer: { ...balancer, hold: true } };
    await withPublished(web(8080, { switch: holds }), buildPlain, async (other) => {
      const said = await other(64, "grade", "web");
      assert.match(said.text, /switched behind pool, which its lab host does not have.*--beside pool@VERSION/s);
    });
  });
});

test("a contract for systemd is refused before a host boots when its units are not there", { skip: loopbackSkip }, () =>
  withPublished(
    web(8080, { manager: "systemd", units: ["web@a.service"], env: {}, switch: { strategy: "restart" } }),
    buildPlain,
    async (cutover) => {
      assert.match((await cutover(64, "grade", "web")).text, /has no unit web@a\.service.*--units DIR/s);
      const others = ["--units", pathOf("deploy/skeletons/go/units")];
      assert.match((await cutover(64, "grade", "web", ...others)).text, /no web@a\.service, .*; it has go@\.service/);
    },
  ),
);
