// Programs that comparisons are made with; one that is missing is skipped by name.
import { runProgram } from "../../src/lab/run-program.ts";

/** Program → Debian package. */
const programs = {
  time: "time",
  zstd: "zstd",
  bsdiff: "bsdiff",
  bspatch: "bsdiff",
  xdelta3: "xdelta3",
  rsync: "rsync",
  "ansible-playbook": "ansible-core",
  sshd: "openssh-server",
  "systemd-nspawn": "systemd-container",
} as const;
export type Tool = keyof typeof programs;

export interface Tools {
  has(tool: Tool): boolean;
  /** `bsdiff 4.3`, for the report; missing ones are named as such. */
  readonly versions: Readonly<Record<string, string>>;
  /** One sentence for each missing program. */
  readonly missing: readonly string[];
}

export async function findTools(): Promise<Tools> {
  const versions: Record<string, string> = {};
  const missing: string[] = [];
  for (const [tool, debianPackage] of Object.entries(programs)) {
    const found = await runProgram(["sh", "-c", 'command -v "$1"', "sh", tool]);
    if (found.exitCode === 0) versions[tool] = await versionOf(debianPackage);
    else missing.push(`${tool} is not installed (Debian: ${debianPackage}); what it would show is left out`);
  }
  return { has: (tool) => versions[tool] !== undefined, versions, missing };
}

async function versionOf(debianPackage: string): Promise<string> {
  const form = "$\u007bVersion}"; // dpkg's own placeholder
  const asked = await runProgram(["dpkg-query", "-W", "-f", form, debianPackage]).catch(() => undefined);
  return asked?.exitCode === 0 ? asked.stdout.trim() : "unknown";
}
