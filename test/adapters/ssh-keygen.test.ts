import assert from "node:assert/strict";
import { mkdir, mkdtemp, readdir, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { after, before, test } from "node:test";
import { sshKeygenKeyMaker, sshKeygenSigner } from "../../src/adapters/ssh-keygen.ts";

const signer = sshKeygenSigner();
const keyMaker = sshKeygenKeyMaker();
const namespace = "cutover-release";
const data = "component web\nversion 1.0\n";

let folder = "";
let temporary = "";
let [first, second] = ["", ""];
const path = (name: string): string => join(folder, name);
const sign = (name: string, over: { namespace?: string; data?: string } = {}): Promise<string> =>
  signer.sign({ keyPath: path(name), namespace, data, ...over });

before(async () => {
  folder = await mkdtemp(join(tmpdir(), "cutover-keys-"));
  // Of this process only: other tests verify beside this one, in the folder that all share.
  temporary = path("temporary");
  await mkdir(temporary);
  Object.assign(process.env, { TMPDIR: temporary });
  [first, second] = (await Promise.all(
    ["first", "second", "stranger"].map((name) => keyMaker.generate({ path: path(name), comment: name })),
  )) as [string, string];
});
after(() => rm(folder, { recursive: true, force: true }));

async function signedBy(
  signatures: string,
  allowedKeys: readonly string[] = [first, second],
  text = data,
): Promise<readonly string[]> {
  return (await signer.verify({ allowedKeys, namespace, data: text, signatures })).keys;
}

test("two keys that signed count as two", async () => {
  assert.deepEqual(new Set(await signedBy((await sign("first")) + (await sign("second")))), new Set([first, second]));
});

test("one key twice counts once (T7)", async () => {
  const signature = await sign("first");
  assert.deepEqual(await signedBy(signature + signature), [first]);
  assert.deepEqual(await signedBy(signature + signature, [first, first, `${first} with a comment`]), [first]);
});

test("a key that is not allowed counts nothing (T7)", async () => {
  assert.deepEqual(await signedBy(await sign("stranger")), []);
  assert.deepEqual(await signedBy(await sign("stranger"), []), []);
});

test("a signature made for git counts nothing (T10)", async () => {
  assert.deepEqual(await signedBy(await sign("first", { namespace: "git" })), []);
  assert.deepEqual(await signedBy(await sign("first", { namespace: "cutover-envelope" })), []);
});

test("one changed byte in the data counts nothing", async () => {
  assert.deepEqual(await signedBy(await sign("first"), [first], data.replace("1.0", "1.1")), []);
  assert.deepEqual(await signedBy(await sign("first"), [first], `${data}\n`), []);
});

test("a broken signature counts nothing, and does not hide the good one behind it", async () => {
  const good = await sign("first");
  const lines = good.split("\n");
  const middle = lines[3] ?? "";
  const broken = good.replace(
    middle,
    middle.replace(/[A-Za-z]/, (letter) => (letter === "A" ? "B" : "A")),
  );
  assert.deepEqual(await signedBy(broken), []);
  assert.deepEqual(await signedBy(broken + good), [first]);
  for (const junk of [
    "",
    "junk",
    "-----BEGIN SSH SIGNATURE-----",
    "-----BEGIN SSH SIGNATURE-----\nAAAA\n-----END SSH SIGNATURE-----\n",
  ]) {
    assert.deepEqual(await signedBy(junk), []);
    assert.deepEqual(await signedBy(`${junk}\n${good}`), [first]);
  }
});

test("a key claimed in a signature that another key made counts nothing", async () => {
  const raw = (text: string): Buffer => Buffer.from(text.split("\n").slice(1, -2).join(""), "base64");
  const [mine, theirs] = [raw(await sign("first")), raw(await sign("stranger"))];
  const forged = Buffer.concat([mine.subarray(0, 14 + 51), theirs.subarray(14 + 51)]).toString("base64");
  const armored = `-----BEGIN SSH SIGNATURE-----\n${forged.replace(/.{70}/g, "$&\n")}\n-----END SSH SIGNATURE-----\n`;
  assert.deepEqual(await signedBy(armored), []);
});

test("signing is deterministic, so that publishing twice gives the same bytes", async () => {
  assert.equal(await sign("first"), await sign("first"));
});

test("verifying leaves no file behind", async () => {
  await signedBy(await sign("first"));
  await signedBy("junk");
  assert.deepEqual(await readdir(temporary), []);
});

test("a private key is readable by its owner only and is never overwritten", async () => {
  assert.equal((await stat(path("first"))).mode & 0o777, 0o600);
  await assert.rejects(keyMaker.generate({ path: path("first"), comment: "again" }), { code: "key-exists" });
  assert.equal(await keyMaker.publicKey(path("first")), first);
});

test("a key that cannot sign is named, with what ssh-keygen said", async () => {
  await writeFile(path("not-a-key"), "hello", { mode: 0o600 });
  await assert.rejects(sign("not-a-key"), (error: { code?: string; evidence?: string; message: string }) => {
    assert.equal(error.code, "cannot-sign");
    assert.match(error.message, /not-a-key/);
    return (error.evidence ?? "") !== "";
  });
  const missing = { code: "cannot-sign", exitCode: 64, message: `there is no key ${path("missing")}` };
  await assert.rejects(sign("missing"), { ...missing, remedy: `ls -l ${dirname(path("missing"))}` });
});
