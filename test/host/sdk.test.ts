// The SDK's promises beside edits of keys: what undo puts back, once only, waiting, dry run, and that sh and Python keep one journal.
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import {
  chmodSync,
  chownSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { Worker } from "node:worker_threads";
import { readSdk } from "../../src/host/read-sdk.ts";
import { type SdkBench, type SdkCall, sdkLanguages, withSdk } from "../support/with-sdk.ts";

const undo = { CUTOVER_ACTION: "undo" };
const root = process.getuid?.() === 0;

function layHost(bench: SdkBench): void {
  bench.write("etc/app.conf", "port=80\n", 0o640);
  bench.write("etc/secret", Buffer.from([0, 255, 10]), 0o400);
  bench.write("data/one/deep file", "1\n", 0o600);
  bench.write("data/one/tool", "#!/bin/sh\n", 0o755);
  symlinkSync("deep file", join(bench.root, "data/one/link"));
  symlinkSync("../etc/app.conf", join(bench.root, "data/settings"));
  chmodSync(join(bench.root, "data/one"), 0o2750);
  if (root) for (const path of ["etc/app.conf", "data/one", "data/one/tool"]) chownSync(join(bench.root, path), 12, 34);
  if (root) chmodSync(join(bench.root, "data/one"), 0o2750); // a change of owner takes the bit away
}

const changes: readonly SdkCall[] = [
  ["edit", "/data/settings", "port", "90"],
  ["write_file", "/etc/secret", "600", "new\n"],
  ["write_file", "/etc/new", "640", "new\n"],
  ["make_dir", "/data/two", "700"],
  ["write_file", "/data/two/file", "", "in a new directory\n"],
  ["keep", "/data/one"],
  [
    "raw",
    'rm "$CUTOVER_PREFIX/data/one/tool"; echo x >>"$CUTOVER_PREFIX/data/one/deep file"',
    'import os; os.unlink(cutover.path("/data/one/tool")); open(cutover.path("/data/one/deep file"), "a").write("x\\n")',
  ],
  ["write_file", "/data/one/deep file", "", "again\n"],
  ["remove", "/data/settings"],
];

const owners = (bench: SdkBench): string[] =>
  [...bench.tree().keys()].map((path) => {
    const { uid, gid } = lstatSync(join(bench.root, path));
    return `${path} ${uid}:${gid}`;
  });

for (const [index, language] of sdkLanguages.entries()) {
  const other = sdkLanguages[(index + 1) % sdkLanguages.length] ?? language;

  test(`${language.name}: R35: undo puts back bytes, modes, owners, links and directories exactly, and leaves nothing beside them`, () =>
    withSdk(language, (bench) => {
      layHost(bench);
      const [before, owned] = [bench.tree(), owners(bench)];
      const done = bench.run(changes);
      assert.equal(done.exitCode, 0, done.said);
      assert.equal(bench.read("etc/app.conf"), "port=90\n", "through the link");
      assert.equal(bench.read("data/one/deep file"), "again\n");
      assert.deepEqual([bench.tree().get("etc/new")?.mode, bench.tree().get("data/two")?.mode], [0o640, 0o700]);
      if (root) assert.equal(lstatSync(join(bench.root, "etc/app.conf")).uid, 12, "an edited file keeps its owner");
      for (const _ of [1, 2]) {
        const undone = bench.run([["undo"]], undo);
        assert.equal(undone.exitCode, 0, undone.said);
        assert.deepEqual(bench.tree(), before);
        assert.deepEqual(owners(bench), owned);
      }
      assert.deepEqual(readdirSync(join(bench.state, "edits")), []);
    }));

  test(`${language.name}: R35: the original is found again whatever happened since to the file or to its directories`, () =>
    withSdk(language, (bench) => {
      bench.write("data/in/file", "old\n");
      bench.write("data/in/edited", "k=1\n");
      const file: SdkCall = ["original", "/data/in/file"];
      const edited: SdkCall = ["get", "/data/in/edited", "k"];
      const seen = (): string[] => {
        const { exitCode, said } = bench.run([file, edited]);
        assert.equal(exitCode, 0, said);
        const [path = "", value = ""] = said.trim().split("\n");
        return [readFileSync(path, "utf8"), value];
      };
      const steps: readonly SdkCall[] = [
        ["edit", "/data/in/edited", "k", "2"],
        ["remove", "/data/in"],
        ["remove", "/data"],
        ["make_dir", "/data"],
        ["make_dir", "/data/in"],
        ["write_file", "/data/in/file", "", "new\n"],
        ["write_file", "/data/in/edited", "", "k=3\n"],
      ];
      for (const step of steps) {
        assert.deepEqual(seen(), ["old\n", "1"]);
        const { exitCode, said } = bench.run([step]);
        assert.equal(exitCode, 0, said);
      }
      assert.deepEqual(seen(), ["old\n", "1"]);
      assert.notEqual(
        bench.run([["original", "/data/other"]]).said.trim(),
        join(bench.root, "data/other"),
        "it was not there",
      );
      assert.equal(bench.run([["undo"]], undo).exitCode, 0);
      assert.deepEqual(seen(), ["old\n", "1"]);
      assert.deepEqual([bench.read("data/in/file"), bench.read("data/in/edited")], ["old\n", "k=1\n"]);
    }));

  test(`${language.name}: R35: what is kept of a link is what it points to, files and directories`, () =>
    withSdk(language, (bench) => {
      layHost(bench);
      symlinkSync("data", join(bench.root, "linked"));
      const before = bench.tree();
      const kept = bench.run([
        ["keep", "/data/settings"],
        ["keep", "/linked"],
        [
          "raw",
          'rm -r "$CUTOVER_PREFIX/data/one"; echo >"$CUTOVER_PREFIX/etc/app.conf"',
          'import shutil; shutil.rmtree(cutover.path("/data/one")); open(cutover.path("/etc/app.conf"), "w")',
        ],
        ["get", "/data/settings", "port"],
        ["original", "/linked/one/deep file"],
      ]);
      assert.equal(kept.exitCode, 0, kept.said);
      assert.match(kept.said, /^80\n.*\/original\/one\/deep file$/m);
      assert.equal(bench.run([["undo"]], undo).exitCode, 0);
      assert.deepEqual(bench.tree(), before);
    }));

  test(`${language.name}, then ${other.name}: one journal: what the first did the second undoes`, () =>
    withSdk(language, (bench) =>
      withSdk(other, (second) => {
        layHost(bench);
        const before = bench.tree();
        const places = { CUTOVER_PREFIX: bench.root, CUTOVER_STATE: bench.state, CUTOVER_UNITS: bench.state };
        assert.equal(bench.run([...changes, ["stop", "app.service"]], { CUTOVER_UNITS: bench.state }).exitCode, 0);
        assert.equal(
          second.run([["get", "/data/settings", "port", "none"]], places).said,
          "none\n",
          "the link is gone",
        );
        assert.equal(second.run([["get", "/etc/app.conf", "port"]], places).said, "80\n", "as before the task");
        const undone = second.run([["undo"]], { ...places, ...undo });
        assert.equal(undone.exitCode, 0, undone.said);
        assert.match(undone.said, /^start app\.service$/m);
        assert.deepEqual(bench.tree(), before);
      }),
    ));

  test(`${language.name}: R32: a dry run says what it would do, changes nothing and keeps nothing; no value is ever printed (P15)`, () =>
    withSdk(language, (bench) => {
      layHost(bench);
      mkdirSync(join(bench.state, "units"));
      const before = bench.tree();
      const calls: SdkCall[] = [
        ...changes.filter(([name]) => name !== "raw"),
        ["edit", "/etc/app.conf", "password", "canary"],
        ["replace", "/etc/app.conf", "port", "canary"],
        ["write_file", "/etc/other", "", "canary"],
        ["edit", "/etc/not-yet", "key", "canary"],
        ["stop", "app.service"],
        ["wait_for", "1", "file", "/none"],
        [
          "raw",
          "cutover_once name false; cutover_run false canary",
          'cutover.once("name", None); cutover.run(["false", "canary"])',
        ],
      ];
      const env = { CUTOVER_UNITS: join(bench.state, "units") };
      const dry = bench.run(calls, { ...env, CUTOVER_DRY_RUN: "1" });
      assert.equal(dry.exitCode, 0, dry.said);
      for (const words of [
        "set port in /data/settings",
        "write /etc/new",
        "make /data/two",
        "keep /data/one",
        "remove /data/settings",
        "stop app.service",
        "do name",
        "run false",
      ])
        assert.match(dry.said, new RegExp(`^would ${words}$`, "m"));
      assert.deepEqual(bench.tree(), before);
      assert.deepEqual(readdirSync(join(bench.state, "units")), []);
      assert.equal(readdirSync(bench.state).includes("edits"), false);
      assert.equal(bench.run(calls.slice(0, -1), env).exitCode, 1, "nobody makes /none");
      const wet = bench.run(calls.slice(0, -4), env);
      assert.doesNotMatch(dry.said + wet.said, /canary/);
    }));

  test(`${language.name}: R35: once is once, until the other action begins; what did not end well is done again`, () =>
    withSdk(language, (bench) => {
      const append = (name: string, how = "true"): SdkCall => [
        "raw",
        `f() { echo ${name} >>"$CUTOVER_PREFIX/log"; ${how}; }; cutover_once ${name} f`,
        `def f():\n    open(cutover.path("/log"), "a").write("${name}\\n")\n    ${how === "true" ? "pass" : "raise SystemExit(1)"}\ncutover.once("${name}", f)`,
      ];
      bench.write("log", "");
      assert.equal(bench.run([append("a"), append("b", "false"), append("c")]).exitCode, 1);
      if (language.shell !== undefined) {
        const midway = bench.run([["raw", "f() { false; true; }; cutover_once midway f"]]);
        assert.equal(midway.exitCode, 1, "set -e counts within the command");
        const plain = bench.run([["raw", "set +e; cutover_once plain false; cutover_say went on"]]);
        assert.deepEqual([plain.exitCode, plain.said], [1, "cutover: plain failed\n"]);
      }
      assert.equal(bench.run([append("a"), append("b"), append("c")]).exitCode, 0);
      assert.equal(bench.run([append("a"), append("b"), append("c")]).exitCode, 0);
      assert.equal(bench.read("log"), "a\nb\nb\nc\n");
      assert.equal(bench.run([append("a")], { ...undo, CUTOVER_DRY_RUN: "1" }).exitCode, 0);
      assert.equal(bench.run([append("a")]).exitCode, 0);
      assert.equal(bench.read("log"), "a\nb\nb\nc\n", "a dry run of undo forgets nothing");
      for (const _ of [1, 2]) assert.equal(bench.run([append("a")], undo).exitCode, 0);
      assert.equal(bench.read("log"), "a\nb\nb\nc\na\n", "undo has its own");
      assert.equal(bench.run([append("a")]).exitCode, 0);
      assert.equal(bench.read("log"), "a\nb\nb\nc\na\na\n", "after an undo it is done again");
    }));

  test(`${language.name}: R35: waiting ends when it is so, or ends the task at its deadline`, () =>
    withSdk(language, async (bench) => {
      // In a thread of its own: this one waits for the script.
      const worker = new Worker(
        `const { createServer } = require("node:http");
         const server = createServer((request, reply) => {
           reply.writeHead(request.url === "/ok" ? 204 : request.url === "/moved" ? 302 : 500, { location: "/ok" }).end();
         });
         server.listen(0, "127.0.0.1", () => require("node:worker_threads").parentPort.postMessage(server.address().port));`,
        { eval: true },
      );
      try {
        const port = await new Promise<number>((done) => worker.once("message", done));
        writeFileSync(join(bench.root, "there"), "");
        const holds: SdkCall[] = [
          ["wait_for", "5", "tcp", "127.0.0.1", `${port}`],
          ["wait_for", "5", "http", `http://127.0.0.1:${port}/ok`],
          ["wait_for", "5", "file", "/there"],
          [
            "raw",
            'later() { [ -e "$CUTOVER_STATE/tried" ] || { : >"$CUTOVER_STATE/tried"; cutover_fail "not yet"; }; }; cutover_wait_for 5 run later',
            'import os\ndef later():\n    if not os.path.exists(cutover.facts.state + "/tried"):\n        open(cutover.facts.state + "/tried", "w")\n        raise cutover.Failed("not yet")\n    return True\ncutover.wait_for(5, "run", later)',
          ],
          ["raw", "cutover_wait_for 5 run test -e /", 'import os\ncutover.wait_for(5, "run", os.path.exists, "/")'],
        ];
        const waited = bench.run(holds);
        assert.equal(waited.exitCode, 0, waited.said);
        const never: SdkCall[] = [
          ["wait_for", "1", "http", `http://127.0.0.1:${port}/moved`],
          ["wait_for", "1", "file", "/not-there"],
          ["wait_for", "0", "tcp", "127.0.0.1", "1"],
        ];
        for (const call of never) {
          const late = bench.run([call]);
          assert.equal(late.exitCode, 1, late.said);
          assert.match(late.said, /did not come true within [01] s/);
        }
      } finally {
        await worker.terminate();
      }
    }));
}

for (const language of sdkLanguages.filter(({ shell }) => shell !== undefined))
  test(`${language.name}: R35: waiting on a host without the program for it says which one is missing`, () =>
    withSdk(language, (bench) => {
      for (const [what, needed] of [
        ["http http://127.0.0.1:1/", "curl or wget"],
        ["tcp 127.0.0.1 1", "bash or nc"],
      ] as const) {
        // biome-ignore format: one line
        const { exitCode, said } = bench.run([["raw", `_c_has() { return 1; }; cutover_wait_for 5 ${what}`, ""]]);
        assert.equal(exitCode, 1, said);
        assert.match(said, new RegExp(`cutover: ${needed} is needed`));
      }
    }));

test("the SDK for Python is written for 3.9, with nothing but the standard library", () => {
  const check = `
import ast, sys
tree = ast.parse(sys.stdin.read(), feature_version=(3, 9))
names = {alias.name.split(".")[0] for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
names |= {node.module.split(".")[0] for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
print(sorted(names - set(sys.stdlib_module_names)))`;
  const { stdout, stderr } = spawnSync("/usr/bin/python3", ["-c", check], {
    encoding: "utf8",
    input: readSdk("cutover.py"),
  });
  assert.equal(stdout, "[]\n", stderr);
});
