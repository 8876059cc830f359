import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { abortsProcess } from "../../src/adapters/ssh/native-ciphers.ts";

const root = fileURLToPath(new URL("../../", import.meta.url));
const hooked = Buffer.from("\0_ZN4node28RemoveEnvironmentCleanupHookEPN2v87IsolateEPFvPvES4_\0");

async function evaluate(code: string): Promise<string> {
  const { stdout } = await promisify(execFile)(process.execPath, ["--input-type=module", "-e", code], {
    ...{ cwd: root, timeout: 120_000 },
  });
  return stdout.trim();
}

test("an addon whose objects remove a hook is kept from runtimes that abort at it", () => {
  const runs = ["24.18.1", "24.19.0", "24.21.0", "24.22.0", "24.22.1", "24.30.0", "26.3.1", "26.4.0", "27.0.0"];
  assert.deepEqual(
    runs.filter((version) => abortsProcess(hooked, version)),
    ["24.18.1", "24.19.0", "24.21.0", "24.22.0", "26.3.1"],
  );
  assert.deepEqual(
    runs.filter((version) => abortsProcess(Buffer.from("\0built before\0"), version)),
    [],
  );
});

test("ssh2 encrypts in JavaScript when its addon is kept from loading, and natively where that is safe", async () => {
  const addon = join(root, "node_modules/ssh2/lib/protocol/crypto/build/Release/sshcrypto.node");
  const isSafe = existsSync(addon) && !abortsProcess(readFileSync(addon), process.versions.node);
  const available = `const { bindingAvailable } = (await import("ssh2/lib/protocol/crypto.js")).default; console.log(bindingAvailable)`;
  const kept = `
    import { createRequire } from "node:module";
    import { keepFromLoading } from "./src/adapters/ssh/native-ciphers.ts";
    keepFromLoading(createRequire(import.meta.url).resolve("ssh2/lib/protocol/crypto/build/Release/sshcrypto.node"));`;
  assert.equal(await evaluate(kept + available), "false");
  assert.equal(await evaluate(`import "./src/adapters/ssh/native-ciphers.ts";${available}`), String(isSafe));
});

test("what the pinned Node.js was built with survives the garbage collection of thousands of ciphers", async () => {
  const code = `
    import "./src/adapters/ssh/native-ciphers.ts";
    import crypto from "ssh2/lib/protocol/crypto.js";
    await crypto.init;
    const decipherInfo = { sslName: "aes-128-gcm", keyLen: 16, ivLen: 12, authLen: 16 };
    const keys = { decipherKey: Buffer.alloc(16), decipherIV: Buffer.alloc(12) };
    const config = { inbound: { onPayload() {}, seqno: 0, decipherInfo, ...keys } };
    let kept = [];
    await new Promise((resolve) => {
      let rounds = 0;
      const timer = setInterval(() => {
        for (let each = 0; each < 2_000; each += 1) {
          crypto.createDecipher(config);
          kept.push(Buffer.alloc(1_000), { each });
        }
        rounds += 1;
        if (rounds % 10 === 0) kept = [];
        if (rounds === 100) resolve(clearInterval(timer));
      }, 5); // it aborts where memory is collected between two tasks
    });
    console.log("alive");`;
  assert.equal(await evaluate(code), "alive");
});
