// `reconcile --profile` on real hosts: the tables speak of this very run, and the files open.
import assert from "node:assert/strict";
import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { runProgram } from "../../src/lab/run-program.ts";
import type { CpuProfile, Profile } from "../../src/model/profile.ts";
import { loopbackSkip, withLoopbackLab } from "../support/with-lab.ts";
import { withWorld } from "../support/with-world.ts";

const main = fileURLToPath(new URL("../../src/main.ts", import.meta.url));

test(
  "--profile says where the time of a pass went, and writes a CPU profile and a flame graph",
  { skip: loopbackSkip },
  () =>
    withLoopbackLab(2, (lab) =>
      withWorld(lab, async (world) => {
        await world.publishWeb("1.0.0");
        await world.pushWeb("1.0.0");
        const directory = join(world.directory, "profiles");
        const reconcile = ["reconcile", "--once", "-c", world.config, "--profile", directory];
        const { exitCode, stdout, stderr } = await runProgram([process.execPath, main, ...reconcile, "--json"]);
        assert.equal(exitCode, 0, stderr);
        const lines = stdout.trim().split("\n").map((line) => JSON.parse(line) as Line); // biome-ignore format: one line
        const profile = lines.at(-1) as Line & Profile;
        assert.equal(profile.kind, "profile");

        const [run = ""] = profile.runs;
        assert.deepEqual((await readdir(directory)).sort(), [`profile-${run}.cpuprofile`, `profile-${run}.svg`]);
        const ended = lines.filter(({ kind, event }) => kind === "task" && event?.state === "done");
        const kindsOfRun = ended.map(({ event }) => event?.task.split("/").at(-1) ?? "");
        for (const { kind, count, p50Ms, p99Ms, maxMs, totalMs } of profile.tasks) {
          assert.equal(count, kindsOfRun.filter((each) => each === kind).length, kind);
          assert.ok(p50Ms <= p99Ms && p99Ms <= maxMs && maxMs <= totalMs, kind);
        }
        assert.deepEqual(profile.tasks.map(({ kind }) => kind).sort(), [...new Set(kindsOfRun)].sort());
        const calls = new Map(profile.calls.map((each) => [each.call, each]));
        for (const call of [
          "executor.probe",
          "executor.deliver",
          "executor.submit",
          "executor.events",
          "journal.append",
        ])
          assert.ok((calls.get(call)?.count ?? 0) >= 2, call);
        for (const call of ["repository.fetch", "lease.acquire", "notes.publish", "signer.sign", "artifacts.release"])
          assert.ok((calls.get(call)?.totalMs ?? 0) > 0, call);
        assert.ok(profile.process.peakRssBytes > 2 ** 20 && profile.process.cpuUserMs > 0);

        const cpu = JSON.parse(await readFile(join(directory, `profile-${run}.cpuprofile`), "utf8")) as CpuProfile;
        // A profile is made of samples: which of our functions it met is chance, that it met some is not.
        assert.ok(cpu.nodes.some(({ callFrame }) => /\/src\/(app|adapters|run)\//.test(callFrame.url)));
        assert.equal(cpu.samples?.length, cpu.timeDeltas?.length);
        const svg = await readFile(join(directory, `profile-${run}.svg`), "utf8");
        assertWellFormed(svg);
        assert.match(svg, /<title>[^<]+ src\/(app|adapters|run)\/[^<]+\.ts:\d+ · /);

        const again = await runProgram([process.execPath, main, ...reconcile]);
        assert.equal(again.exitCode, 0, again.stderr);
        assert.match(again.stdout, /outside call +count +total +p50 +p99 +max +errors\n +\S/);
        assert.match(
          again.stdout,
          /flame graph .*profile-pass-\d{8}-\d{6}\.svg/,
          "a pass that ran nothing is named by its time",
        );
      }),
    ),
);

interface Line {
  readonly kind: string;
  readonly event?: { readonly task: string; readonly state: string };
}

/** Every element is closed in order, and no text holds a bare `<` or `&`. */
function assertWellFormed(xml: string): void {
  const open: string[] = [];
  for (const [tag, close, name = "", rest = ""] of xml.matchAll(/<(\/?)([a-z]+)((?:\s[\w:-]+="[^"<]*")*\s*\/?)>/g)) {
    if (close === "/") assert.equal(open.pop(), name, tag);
    else if (!rest.endsWith("/")) open.push(name);
  }
  assert.deepEqual(open, []);
  assert.doesNotMatch(xml.replace(/<\/?[a-z]+(?:\s[\w:-]+="[^"<]*")*\s*\/?>/g, ""), /[<>]|&(?!amp;|lt;|gt;|quot;)/);
}
