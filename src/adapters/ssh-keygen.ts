// Signatures and keys through the `ssh-keygen` binary: constant argv, data on stdin, a deadline on every call.
// Who signed is decided by its exit code for one allowed key at a time, never by reading its words.
import { spawn } from "node:child_process";
import { access, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { CutoverError, ExitCode, LackingError } from "../errors.ts";
import { signatureBlocks, signingKeyOf } from "../model/ssh-signature.ts";
import type { KeyMakerPort, SignerPort } from "../ports.ts";

const deadlineMs = 15_000;
const maxOutputBytes = 64 * 1024;
/** Whoever signs is asked for by key, so that any fixed word will do for the principal. */
const principal = "signer";

export function sshKeygenSigner(): SignerPort {
  return {
    async sign({ keyPath, namespace, data }) {
      const { code, stdout, stderr } = await sshKeygen(["-Y", "sign", "-f", keyPath, "-n", namespace], data);
      if (code === 0) return stdout;
      if (await isMissing(keyPath))
        throw new CutoverError({
          code: "cannot-sign",
          exitCode: ExitCode.usage,
          message: `there is no key ${keyPath}`,
          remedy: `ls -l ${dirname(keyPath)}`,
        });
      throw new CutoverError({
        code: "cannot-sign",
        message: `ssh-keygen cannot sign with ${keyPath}`,
        evidence: stderr.trim(),
        remedy: `ssh-keygen -y -f ${keyPath}`,
      });
    },
    async verify({ allowedKeys, namespace, data, signatures }) {
      const signed = new Set<string>();
      const folder = await mkdtemp(join(tmpdir(), "cutover-verify-"));
      try {
        for (const block of signatureBlocks(signatures)) {
          const key = allowedKeys.find((allowed) => keyBody(allowed) === signingKeyOf(block));
          if (key === undefined || signed.has(key)) continue;
          if (await verifies({ folder, key, namespace, data, block })) signed.add(key);
        }
      } finally {
        await rm(folder, { recursive: true, force: true });
      }
      return { keys: [...signed] };
    },
  };
}

export function sshKeygenKeyMaker(): KeyMakerPort {
  return {
    async generate({ path, comment }) {
      if (await exists(path)) {
        throw new CutoverError({
          code: "key-exists",
          message: `${path} exists already`,
          impact: "It was left as it is",
        });
      }
      const { code, stderr } = await sshKeygen(["-q", "-t", "ed25519", "-N", "", "-C", comment, "-f", path], "");
      if (code !== 0)
        throw new CutoverError({
          code: "cannot-make-key",
          message: `ssh-keygen cannot write ${path}`,
          evidence: stderr.trim(),
        });
      return withoutComment(await readFile(`${path}.pub`, "utf8"));
    },
    async publicKey(path) {
      const { code, stdout, stderr } = await sshKeygen(["-y", "-f", path], "");
      if (code === 0) return withoutComment(stdout);
      throw new CutoverError({
        code: "cannot-read-key",
        message: `${path} is not a private key that ssh-keygen can read`,
        evidence: stderr.trim(),
      });
    },
  };
}

async function verifies(input: {
  folder: string;
  key: string;
  namespace: string;
  data: string;
  block: string;
}): Promise<boolean> {
  const { folder, key, namespace, data, block } = input;
  const signers = join(folder, "allowed_signers");
  const signature = join(folder, "signature");
  await writeFile(signers, `${principal} namespaces="${namespace}" ${withoutComment(key)}\n`, { mode: 0o600 });
  await writeFile(signature, block, { mode: 0o600 });
  const { code } = await sshKeygen(
    ["-Y", "verify", "-f", signers, "-I", principal, "-n", namespace, "-s", signature],
    data,
  );
  return code === 0;
}

function withoutComment(key: string): string {
  return key.trim().split(/\s+/).slice(0, 2).join(" ");
}

function keyBody(key: string): string | undefined {
  return key.trim().split(/\s+/)[1];
}

async function exists(path: string): Promise<boolean> {
  return access(path).then(
    () => true,
    () => false,
  );
}

/** One that must not be looked at may be there. */
async function isMissing(path: string): Promise<boolean> {
  return access(path).then(
    () => false,
    ({ code }: NodeJS.ErrnoException) => code === "ENOENT",
  );
}

/** Never asks a person: a key with a passphrase has to be in the agent. */
function sshKeygen(args: readonly string[], input: string): Promise<{ code: number; stdout: string; stderr: string }> {
  const { PATH, HOME, SSH_AUTH_SOCK } = process.env;
  return new Promise((resolve, reject) => {
    const child = spawn("ssh-keygen", args, {
      stdio: ["pipe", "pipe", "pipe"],
      env: { PATH, HOME, SSH_AUTH_SOCK, LC_ALL: "C", SSH_ASKPASS: "/bin/false", SSH_ASKPASS_REQUIRE: "force" },
      timeout: deadlineMs,
      killSignal: "SIGKILL",
    });
    const output = { stdout: "", stderr: "" };
    for (const name of ["stdout", "stderr"] as const) {
      child[name].setEncoding("utf8").on("data", (text: string) => {
        output[name] = (output[name] + text).slice(0, maxOutputBytes);
      });
    }
    child.stdin.on("error", () => {}); // it may refuse before it has read everything; its exit code says so
    child.once("error", (cause: NodeJS.ErrnoException) => {
      const missing = new LackingError(
        "The program ssh-keygen is not installed here",
        "apt-get install openssh-client",
      );
      reject(cause.code === "ENOENT" ? missing : cause);
    });
    child.once("close", (code) => resolve({ code: code ?? 255, ...output }));
    child.stdin.end(input);
  });
}
