// Ports that are chosen long before anybody listens there, while other tests and labs choose theirs.
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { test } from "node:test";
import { freePort, listenOnce } from "../../../src/lab/free-port.ts";

const source = new URL("../../../src/lab/free-port.ts", import.meta.url).href;
const loopback = ["127.0.0.1"];

test("a port that was chosen is nobody else's until its process has ended, though nobody listens there", async () => {
  const from = await freePort(loopback);
  const only = { from, to: from + 1 };
  await assert.rejects(freePort(loopback, only), { code: "lacking" }, "this process has it already");
  const choose = `import { freePort } from ${JSON.stringify(source)}; console.log(await freePort(["127.0.0.1"]));`;
  const child = spawn(process.execPath, ["--input-type=module", "-e", `${choose} process.stdin.resume();`], {
    stdio: ["pipe", "pipe", "inherit"],
  });
  const [said] = await once(child.stdout, "data");
  const theirs = { from: Number(String(said)), to: Number(String(said)) + 1 };
  await assert.rejects(freePort(loopback, theirs), { code: "lacking" }, "another process has it");
  child.stdin.end();
  await once(child, "close");
  assert.equal(await freePort(loopback, theirs), theirs.from);
});

test("a port of ours is none that the kernel gives to whoever asks for any", async () => {
  const given = await Promise.all(Array.from({ length: 20 }, () => listenOnce("127.0.0.1", 0)));
  const ours = await Promise.all(given.map(() => freePort(loopback)));
  assert.ok(Math.max(...ours) < Math.min(...given), `${ours.join()} and ${given.join()}`);
  assert.equal(new Set(ours).size, ours.length);
});
