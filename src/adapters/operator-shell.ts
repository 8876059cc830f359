// The operator's hand on a machine, for enrolment only: the OpenSSH client with the operator's own configuration, or this very machine.
import { spawn } from "node:child_process";
import type { OperatorShell } from "../ports.ts";

const deadlineMs = 120_000;
const maxOutputBytes = 256 * 1024;

export interface SshOperator {
  readonly address: string;
  readonly port: number;
  readonly user: string;
  /** By default whatever the operator's ssh configuration and agent offer. */
  readonly keyPath?: string;
  /** `known_hosts` file instead of the operator's own. */
  readonly knownHostsPath?: string;
}

/** Never asks: an unknown host key or a missing credential is an error that ssh explains. */
export function sshOperatorShell({ address, port, user, keyPath, knownHostsPath }: SshOperator): OperatorShell {
  const options = ["-T", "-o", "BatchMode=yes", "-o", "ConnectTimeout=15", "-p", String(port), "-l", user];
  if (keyPath !== undefined) options.push("-i", keyPath, "-o", "IdentitiesOnly=yes");
  if (knownHostsPath !== undefined) options.push("-o", `UserKnownHostsFile=${knownHostsPath}`);
  return (script) => runWithInput(["ssh", ...options, "--", address, "sh -s"], script);
}

export const localOperatorShell: OperatorShell = (script) => runWithInput(["sh", "-s"], script);

function runWithInput([program = "", ...args]: readonly string[], input: string): ReturnType<OperatorShell> {
  return new Promise((resolve, reject) => {
    const child = spawn(program, args, { stdio: ["pipe", "pipe", "pipe"], timeout: deadlineMs, killSignal: "SIGKILL" });
    const output = { stdout: "", stderr: "" };
    for (const name of ["stdout", "stderr"] as const) {
      child[name].setEncoding("utf8").on("data", (chunk: string) => {
        output[name] = (output[name] + chunk).slice(0, maxOutputBytes);
      });
    }
    child.on("error", reject);
    child.on("close", (code, signal) => {
      const late = signal === "SIGKILL" ? `\nended after ${deadlineMs / 1_000} s` : "";
      resolve({ exitCode: code ?? 255, stdout: output.stdout, stderr: `${output.stderr}${late}` });
    });
    child.stdin.on("error", () => {}); // a refused login reads nothing; its exit code says so
    child.stdin.end(input);
  });
}
