// `cutover grade` as a user types it: a service that keeps its promise, and one that promises more than its strategy can give.
import assert from "node:assert/strict";
import { access, cp, mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { initRelease } from "../../../src/app/init.ts";
import { publish } from "../../../src/app/publish.ts";
import type { GradeReport } from "../../../src/lab/grade/grade-component.ts";
import { freePort } from "../../../src/lab/loopback-lab.ts";
import { Component } from "../../../src/model/component.ts";
import { artifactWriter, keyMaker, signer } from "../../../src/wiring.ts";
import { type Command, cutoverCommand } from "../../support/cutover-command.ts";
import { withTemporaryDirectory } from "../../support/temporary-directory.ts";
import { loopbackSkip } from "../../support/with-lab.ts";

const service = fileURLToPath(new URL("../../support/fixtures/upgrading-service.mjs", import.meta.url));

/** A home in which `web` was published twice. */
async function withPublishedWeb(
  fields: Readonly<Record<string, unknown>>,
  body: (cutover: Command) => Promise<void>,
): Promise<void> {
  await withTemporaryDirectory(async (directory) => {
    const home = join(directory, "home");
    const { config } = await initRelease(home, { keyMaker });
    const port = await freePort(["127.0.1.1"]);
    const component = Component.parse({
      ...{ apiVersion: "cutover/v1", kind: "Component", name: "web", root: "/opt/apps/web", manager: "process" },
      ...{ env: { PORT: String(port) }, health: [{ kind: "http", url: `http://self:${port}/` }] },
      ...fields,
    });
    for (const version of ["1.0.0", "2.0.0"]) {
      const tree = join(directory, version);
      await mkdir(join(tree, "bin"), { recursive: true });
      await cp(service, join(tree, "service.mjs"));
      await writeFile(join(tree, "behaviour.json"), JSON.stringify({ version }));
      const start = `#!/bin/sh\ncd -P "$(dirname "$0")/.." || exit 70\nexec '${process.execPath}' ./service.mjs\n`;
      await writeFile(join(tree, "bin", "start"), start, { mode: 0o755 });
      await publish({
        ...{ directory: tree, component, version, releaseKeys: [join(home, "keys", "release")], signer },
        ...{ store: artifactWriter(join(home, "artifacts")), now: Date.now(), zstdLevel: 1 },
      });
    }
    await body(cutoverCommand({ home, config }));
  });
}

test(
  "a service that hands its listener over is graded request-safe, its kinds are told apart, and it exits 0 (R27)",
  {
    skip: loopbackSkip,
  },
  () =>
    withPublishedWeb({ switch: { strategy: "exec", start: "bin/start" }, grade: "request-safe" }, async (cutover) => {
      const { stdout } = await cutover(
        0,
        "grade",
        "web",
        "--switches",
        "2",
        "--body",
        "(?<version>[0-9.]+)\\n",
        "--json",
      );
      const report = JSON.parse(stdout) as GradeReport;
      assert.deepEqual([report.grade, report.declared, report.strategy], ["request-safe", "request-safe", "exec"]);
      assert.deepEqual(
        report.switches.map(({ from, to }) => [from, to]),
        [
          ["1.0.0", "2.0.0"],
          ["2.0.0", "1.0.0"],
        ],
      );
      const [fresh] = report.measured.kinds;
      assert.deepEqual([fresh?.failed, Object.keys(fresh?.versions ?? {}).sort()], [0, ["1.0.0", "2.0.0"]]);
      assert.deepEqual(
        report.measured.notSpoken.map(({ kind }) => kind),
        ["http2"],
      );
      await assert.rejects(access("/opt/apps"), { code: "ENOENT" }, "a loopback host keeps to its own directory");
      assert.deepEqual(report.unmeasured, ["long", "http2", "websocket", "sse", "tcp"]);
    }),
);

test(
  "a service that is stopped and started is below what it declares: the table says what failed, and it exits 4 (R27)",
  {
    skip: loopbackSkip,
  },
  () =>
    withPublishedWeb(
      { switch: { strategy: "restart", start: "bin/start" }, grade: "request-safe" },
      async (cutover) => {
        const { stdout } = await cutover(4, "grade", "web", "--switches", "1");
        assert.match(stdout, /^ {2}new +\d+ +\d+ +\d+ +\d+ .*refused/m);
        assert.match(stdout, /^not measured: long, http2 \(it does not speak it\), websocket, sse, tcp; /m);
        assert.match(stdout, /^web: 1 switch by restart, no grade.*; its contract declares request-safe$/m);
      },
    ),
);

test("what cannot be graded is refused with what to type", { skip: loopbackSkip }, () =>
  withPublishedWeb({ health: [], switch: { strategy: "exec", start: "bin/start" } }, async (cutover) => {
    assert.match(
      (await cutover(64, "grade", "web")).text,
      /has no http health check.*--http PORT\/PATH, or --tcp PORT/s,
    );
    assert.match((await cutover(64, "grade", "web", "--versions", "1.0.0")).text, /needs two versions of web/);
    assert.match((await cutover(64, "grade", "web", "--http", "80")).text, /--http 80 is not PORT\/PATH/);
  }),
);
