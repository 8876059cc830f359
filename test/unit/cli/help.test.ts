// Help, usage errors and where words go, through the command line as a function.
import assert from "node:assert/strict";
import { test } from "node:test";
import { runCli } from "../../../src/cli/cli.ts";
import type { Services } from "../../../src/cli/services.ts";

const unused = () => Promise.reject(new TypeError("this command needs nothing from outside"));
const services: Services = {
  version: "1.2.3",
  openController: unused,
  openProfiledController: unused,
  openReviewer: unused,
  openForge: unused,
  openServer: unused,
  openJournal: unused,
  operatorShell: unused,
  controllerSshKey: unused,
  artifactWriter: unused,
  signer: unused,
  patchTools: unused,
  keyMaker: unused,
  hostScript: unused,
};

async function run(
  args: readonly string[],
  env: Readonly<Record<string, string>> = {},
  signal = new AbortController().signal,
) {
  const texts = { out: "", err: "" };
  const sink = (name: "out" | "err") => ({
    isTTY: false,
    columns: undefined,
    rows: undefined,
    write: (part: string) => {
      texts[name] += part;
    },
  });
  const exitCode = await runCli(args, {
    services,
    out: sink("out"),
    err: sink("err"),
    env,
    self: [],
    signal,
    unread: new AbortController().signal,
  });
  return { exitCode, ...texts };
}

const commands = [
  ["init"],
  ["keys", "new"],
  ["keys", "show"],
  ["keys", "sign-host"],
  ["host", "enrol"],
  ["host", "check"],
  ["host", "list"],
  ["validate"],
  ["publish"],
  ["propose"],
  ["plan"],
  ["reconcile"],
  ["serve"],
  ["status"],
  ["rollback"],
  ["retry"],
  ["hold"],
  ["resume"],
  ["task", "list"],
  ["task", "run"],
  ["task", "undo"],
  ["task", "retry"],
  ["task", "skip"],
  ["task", "test"],
  ["task", "replay"],
  ["task", "sdk"],
  ["lab", "up"],
  ["lab", "down"],
  ["lab", "demo"],
  ["schemas"],
];

test("every command has help with examples, and takes --json, --config and --no-color", async () => {
  for (const command of commands) {
    const { exitCode, out, err } = await run([...command, "--help"]);
    const name = command.join(" ");
    assert.equal(exitCode, 0, name);
    assert.equal(err, "", name);
    for (const part of [`Usage: cutover ${name} `, "\nExamples:\n", "--json", "--config", "--no-color"])
      assert.ok(out.includes(part), `${name} lacks ${part}`);
    assert.doesNotMatch(out, / +$/m, `${name} has an example without a word, or trailing blanks`);
  }
});

test("help lists every command, grouped, and the exit codes", async () => {
  const { out } = await run(["help"]);
  for (const [name] of commands) assert.match(out, new RegExp(`^ {2}${name} `, "m"));
  for (const group of ["Start:", "Release:", "By hand:", "Beside it:"]) assert.ok(out.includes(`\n${group}\n`));
  assert.match(out, /Exit codes: 0 done, 2 changes pending/);
});

test("help of a command within a command can be asked for both ways", async () => {
  const { out } = await run(["help", "host", "enrol"]);
  assert.ok(out.includes("Usage: cutover host enrol "));
  assert.equal(out, (await run(["host", "enrol", "--help"])).out);
});

test("--json is understood on both sides of the command", async () => {
  for (const args of [
    ["--json", "version"],
    ["version", "--json"],
  ]) {
    const { exitCode, out } = await run(args);
    assert.equal(exitCode, 0);
    assert.equal((JSON.parse(out) as { cutover: string }).cutover, "1.2.3");
  }
});

test("what was typed wrongly exits 64 and says where help is", async () => {
  const cases: readonly (readonly [readonly string[], RegExp])[] = [
    [["hold", "--reason", "x"], /Name hosts, or say --all\nnext: cutover hold HOST/],
    [["hold", "web1", "--all", "--reason", "x"], /Name hosts, or say --all/],
    [["hold", "web1", "--reason", " "], /--reason is empty/],
    [["reconcile"], /next: cutover reconcile --once/],
    [["keys", "nwe"], /the nearest is new\nnext: cutover help keys$/m],
    [["task"], /^error: cutover task wants one of its commands: list, show, run, undo, .*\nnext: cutover help task$/m],
    [["task", "run", "h1/app/convert"], /'--reason <text>' not specified\nnext: cutover help task run$/m],
    [["-c", "x.yaml", "task", "sdk"], /missing required argument 'dir'\nnext: cutover help task sdk$/m],
    [["lab", "up", "--hosts", "none"], /--hosts is a number/],
    [["publish", "tree"], /required option '--component <file>' not specified\nnext: cutover help publish/],
  ];
  for (const [args, expected] of cases) {
    const { exitCode, out, err } = await run(args);
    assert.equal(exitCode, 64, args.join(" "));
    assert.equal(out, "");
    assert.match(err, expected);
  }
});

test("a fault of our own exits 70 in three lines; the stack only with CUTOVER_DEBUG=1", async () => {
  const quiet = await run(["plan"]);
  assert.equal(quiet.exitCode, 70);
  assert.ok(quiet.err.startsWith("error: cutover met a fault of its own\n  | TypeError: this command needs nothing"));
  assert.ok(!quiet.err.includes("help.test.ts"));
  const loud = await run(["plan"], { CUTOVER_DEBUG: "1" });
  assert.ok(loud.err.includes("help.test.ts"));
});

test("what was stopped by a signal says what it left: a grade has its own lab, a run may be open", async () => {
  const stopped = AbortSignal.abort("SIGINT");
  const graded = await run(["-c", "x.yaml", "grade", "web"], {}, stopped);
  assert.equal(graded.exitCode, 130);
  assert.match(graded.err, /stopped by SIGINT[\s\S]*nothing of yours was touched[\s\S]*cutover help grade/);
  const passed = await run(["reconcile", "--once"], {}, stopped);
  assert.equal(passed.exitCode, 130);
  assert.match(passed.err, /stopped by SIGINT[\s\S]*stays open[\s\S]*cutover status/);
});
