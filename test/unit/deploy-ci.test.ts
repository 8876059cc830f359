// The CI templates as text: least permissions, pinned actions, no foreign text in a shell line, only options that exist.
import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { Command } from "commander";
import { parse } from "yaml";
import { addPlan } from "../../src/cli/plan.ts";
import { addPublish } from "../../src/cli/publish.ts";

const folder = join(import.meta.dirname, "../../deploy/ci");

interface Step {
  readonly uses?: string;
  readonly run?: string;
  readonly env?: Readonly<Record<string, string>>;
}
interface Workflow {
  readonly on: Readonly<Record<string, unknown>>;
  readonly permissions: Readonly<Record<string, string>>;
  readonly jobs: Readonly<Record<string, { readonly steps: readonly Step[] }>>;
}

const workflows = readdirSync(join(folder, "github-actions")).map((name) => {
  const workflow = parse(readFileSync(join(folder, "github-actions", name), "utf8")) as Workflow;
  return { name, workflow, steps: Object.values(workflow.jobs).flatMap(({ steps }) => steps) };
});
const gitlab = parse(readFileSync(join(folder, "gitlab-ci.yml"), "utf8")) as {
  readonly "cutover-plan": { readonly script: readonly string[] };
};
const scripts = [
  ...workflows.flatMap(({ steps }) => steps.flatMap(({ run }) => run ?? [])),
  ...gitlab["cutover-plan"].script,
];

test("no expression of a forge is put into a shell line, and every variable in one is quoted", () => {
  for (const script of scripts) {
    assert.doesNotMatch(script, /\$\{\{/, script);
    // What is left once quoted text is taken away holds no variable, but for numbers in tests and assignments of them.
    const bare = script.replaceAll(/"(?:[^"\\]|\\.)*"|'[^']*'/g, "").replaceAll(/code=\$\?|key=\$\(mktemp\)/g, "");
    assert.doesNotMatch(bare, /\$/, script);
  }
});

test("actions are pinned by whole commits, permissions are named, and `pull_request_target` is not used", () => {
  for (const { name, workflow, steps } of workflows) {
    for (const { uses } of steps) if (uses !== undefined) assert.match(uses, /^[\w-]+\/[\w-]+@[0-9a-f]{40}$/, name);
    const writes = Object.entries(workflow.permissions).filter(([, right]) => right !== "read");
    const wanted = name === "cutover-plan.yml" ? ["pull-requests", "statuses"] : [];
    assert.deepEqual(writes.map(([right]) => right).sort(), wanted, name);
    assert.ok(!("pull_request_target" in workflow.on), name);
  }
});

test("nothing runs on main, and no step names a command that reaches a host", () => {
  for (const { name, workflow } of workflows)
    assert.ok(!JSON.stringify(workflow.on.push ?? {}).includes("branches"), name);
  for (const script of scripts)
    assert.doesNotMatch(script, /cutover (reconcile|serve|rollback|host|retry|hold|resume)\b/);
});

test("secrets are in the environment of the one step that needs them, never among arguments (P15)", () => {
  for (const { name, steps } of workflows) {
    const holding = steps.filter(({ env }) =>
      Object.values(env ?? {}).some((value) => /secrets\.|github\.token/.test(value)),
    );
    assert.equal(holding.length, 1, name);
    for (const { run = "" } of holding) assert.doesNotMatch(run, /--[a-z-]+[ =]"?\$(RELEASE_KEY|GITHUB_TOKEN)/, name);
  }
});

test("every option that a template gives to cutover exists", () => {
  const program = new Command();
  addPlan(program, (command) => command);
  addPublish(program, (command) => command);
  const known = new Map(program.commands.map((command) => [command.name(), command.options.map(({ long }) => long)]));
  const calls = scripts.flatMap((script) => [
    ...script.replaceAll("\\\n", " ").matchAll(/bin\/cutover (\w+)([^\n|>]*)/g),
  ]);
  assert.equal(calls.length, 3);
  for (const [, name = "", rest = ""] of calls)
    for (const [option] of rest.matchAll(/--[a-z-]+/g))
      assert.ok(option === "--config" || known.get(name)?.includes(option), `cutover ${name} ${option}`);
});
