// From nothing to a built version: enrolment, the stub, a release that the real publisher signed, and what is found when a byte flips later.
import assert from "node:assert/strict";
import { spawn, spawnSync } from "node:child_process";
import { mkdir, readFile, realpath, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { enrolHost } from "../../src/app/enrol-host.ts";
import { encodeGroups, parseTaskEvent } from "../../src/host/protocol.ts";
import type { Task } from "../../src/model/task.ts";
import { openSession, type Session } from "../support/host-session.ts";
import { type Publishing, withPublishing } from "../support/published-release.ts";
import { inTurn, shells } from "../support/shells.ts";

for (const shell of shells) {
  const test = inTurn(shell.name);
  test(`${shell.name}: an enrolled host takes what the publisher made, through the stub; a second enrolment changes nothing`, () =>
    withPublishing(async (publishing) => {
      const folder = await realpath(publishing.folder);
      const enrol = (name: string) => enrolHere(publishing, { folder, name, argv: shell.argv });
      assert.equal((await enrol("h1")).changed, true);
      assert.equal((await enrol("h1")).changed, false);
      await assert.rejects(enrol("h2"), /./, "another name is refused");
      const stub = join(folder, "state/stub");

      for (const word of ["id", "", "session; id", "guard", "revert web t1", "session x", "../x", "$(id)", "SESSION"]) {
        const refused = spawnSync(stub, [], { env: { SSH_ORIGINAL_COMMAND: word }, encoding: "utf8" });
        assert.deepEqual([refused.status, refused.stdout], [77, ""], `T28: ${word}`);
      }
      assert.equal(
        spawnSync(stub, ["guard"], { env: { SSH_CONNECTION: "1.2.3.4 5 6.7.8.9 22" } }).status,
        77,
        "guard is not for connections",
      );

      await publishing.publish({
        version: "1.0",
        component: { root: join(folder, "srv/web") },
        bundle: { migrate: "#!/bin/sh\n" },
      });
      const delivery = await publishing.offer({ version: "1.0", hosts: ["h1", "h2"] });
      const { state, evidence } = await withStub(stub, async (session) => {
        const { release } = delivery;
        const documents = {
          release: release.metadata,
          "release.sig": release.signatures,
          manifest: release.manifest,
          envelope: delivery.envelope,
          "envelope.sig": delivery.envelopeSignature,
          "bundle-manifest": release.bundleManifest ?? "",
        };
        for (const [name, text] of Object.entries(documents))
          await session.request("doc", [name, `${Buffer.byteLength(text)}`], text);
        const offered = await session.request("offer", ["web", "1.0"]);
        assert.deepEqual([offered.fields, offered.reason, offered.evidence], [["needed", "needed"], "", ""]);
        for (const { path, digest } of [delivery.payload, delivery.bundlePayload ?? assert.fail("no bundle")]) {
          const bytes = await readFile(path);
          assert.equal((await session.request("put", [digest, "0", `${bytes.length}`], bytes)).code, 0);
        }
        assert.equal((await step(session, "build", "build")).state, "done");
        return step(session, "check", "check");
      });
      assert.deepEqual([state, evidence.trim().slice(0, 15)], ["done", "verified sha256"]);

      const file = join(folder, "srv/web/versions/1.0/bin/run");
      await writeFile(file, (await readFile(file, "utf8")).replace("1.0", "1.1"));
      const flipped = await withStub(stub, (session) => step(session, "check-again", "check"));
      assert.deepEqual(
        [flipped.state, flipped.exitCode, flipped.reason],
        ["failed", 65, "verify-failed"],
        "F21: found before it is used",
      );
      assert.match(flipped.evidence, /bin\/run/);
    }));
}

async function enrolHere(
  publishing: Publishing,
  { folder, name, argv }: { folder: string; name: string; argv: readonly string[] },
) {
  const publicKey = async (path: string) =>
    (await readFile(`${path}.pub`, "utf8")).split(" ").slice(0, 2).join(" ").trim();
  await mkdir(join(folder, "srv"), { recursive: true });
  const releaseKey = await publicKey(publishing.releaseKey.privateKeyPath);
  const controllerKey = await publicKey(publishing.controllerKey.privateKeyPath);
  const [program = "sh", ...before] = argv;
  return enrolHost({
    host: { name, address: "127.0.0.1", port: 22 },
    shell: async (input) => {
      const { status, stdout, stderr } = spawnSync(program, [...before, "-s"], { input, encoding: "utf8" });
      return { exitCode: status ?? 1, stdout, stderr };
    },
    mode: "user",
    stateDirectory: join(folder, "state"),
    authorizedKeysFile: join(folder, "authorized_keys"),
    bases: [join(folder, "srv")],
    components: ["web"],
    hostKeys: [releaseKey],
    trust: { releaseKeys: [releaseKey], threshold: 1, controllerKeys: [controllerKey] },
    controllerSshKey: controllerKey,
  });
}

async function withStub<T>(stub: string, work: (session: Session) => Promise<T>): Promise<T> {
  const session = await openSession(
    spawn(stub, [], { env: { SSH_ORIGINAL_COMMAND: "session" }, stdio: ["pipe", "pipe", "ignore"] }),
  );
  assert.equal((await session.request("fence", ["run-1", "1", "me"])).code, 0);
  const result = await work(session);
  assert.equal(await session.end(), 0);
  return result;
}

async function step(session: Session, name: string, kind: Task["kind"]) {
  const task: Task = {
    id: `h1/web/${kind}`,
    host: "h1",
    component: "web",
    version: "1.0",
    kind,
    action: "do",
    options: {},
  };
  const payload = encodeGroups([[task]]);
  const submitted = await session.request("submit", ["run-1", name, `${payload.length}`], payload);
  assert.equal(submitted.code, 0, `${submitted.reason} ${submitted.evidence}`);
  const { data } = await session.request("events", ["run-1", name]);
  return parseTaskEvent(data.at(-1) ?? []).event;
}
