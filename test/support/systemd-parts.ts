// The switching half of host.sh on a systemd host: enrolled without keys, one task at a time, versions of one program `app`.
import assert from "node:assert/strict";
import { mkdir, writeFile } from "node:fs/promises";
import { dirname } from "node:path";
import { readSideScript } from "../../src/host/join-host-script.ts";
import type { LabHost } from "../../src/lab/lab.ts";
import { hostScriptWithTasks } from "./host-parts.ts";

export const STATE = "/var/lib/cutover";
export const SCRIPT = `${STATE}/host/versions/1/host.sh`;
export const lasting = "#!/bin/sh\nexec sleep 86400\n";

export async function write(host: LabHost, path: string, text: string, mode = 0o755): Promise<void> {
  await mkdir(dirname(host.pathOf(path)), { recursive: true, mode: 0o755 });
  await writeFile(host.pathOf(path), text, { mode });
}
export async function must(host: LabHost, ...argv: string[]): Promise<string> {
  const ran = await host.run(argv);
  assert.equal(ran.exitCode, 0, `${argv.join(" ")}: ${ran.stderr}`);
  return ran.stdout.trim();
}

/** An enrolled host in system mode, without keys: nothing is signed in these tests. */
export async function enrol(host: LabHost): Promise<void> {
  await must(host, "mkdir", "-p", "-m", "700", STATE);
  await write(host, SCRIPT, hostScriptWithTasks());
  await write(
    host,
    `${STATE}/enrolment`,
    `address 127.0.0.1\nbase /srv\nformat cutover-enrolment/1\nhost h1\nmode system\nthreshold 1\n`,
    0o600,
  );
  await must(host, "ln", "-sfn", "versions/1", `${STATE}/host/current`);
  await write(
    host,
    "/usr/local/lib/cutover/stub",
    readSideScript("stub").replaceAll("@STATE@", STATE).replaceAll("@MODE@", "system"),
  );
}
export async function install(
  host: LabHost,
  component: string,
  version: string,
  app: string,
  contract: Record<string, string> = {},
): Promise<void> {
  const digest = `sha256:${version.replace(/\D/g, "").padStart(64, "0")}`;
  await write(host, `/srv/${component}/versions/${version}/app`, app);
  await write(host, `/srv/${component}/versions/${version}/.cutover-verified`, `${digest}\n`);
  const lines = {
    component,
    version,
    tree: digest,
    root: `/srv/${component}`,
    sequence: "1",
    floor: "0",
    "deadline.seconds": "60",
    manager: "systemd",
    "unit.0": `${component}.service`,
    "switch.strategy": "restart",
    "switch.ready-seconds": "5",
    ...contract,
  };
  const text = Object.entries(lines).map(([key, value]) => `${key} ${value}\n`);
  await write(host, `${STATE}/components/${component}/releases/${version}/release`, text.sort().join(""));
  await write(host, `${STATE}/offers/${component}/${version}/release`, text.sort().join(""));
}
export async function task(
  host: LabHost,
  kind: string,
  action: string,
  component: string,
  version: string,
  more: { run?: string; session?: string; options?: string } = {},
) {
  const { run = "r1", session = "a", options = "" } = more;
  const variables = [
    `T_COMPONENT=${component}`,
    `T_VERSION=${version}`,
    `T_RUN=${run}`,
    "T_STEP=s1",
    `T_SESSION=${session}`,
    `T_DIR=${STATE}/components/${component}`,
    `T_OPTIONS=${options}`,
  ];
  const ran = await host.run(["env", ...variables, "sh", SCRIPT, STATE, "task", kind, action]);
  return { exitCode: ran.exitCode, said: ran.stdout + ran.stderr };
}
export async function commit(host: LabHost, component: string, version: string): Promise<void> {
  for (const [kind, session] of [
    ["switch", "a"],
    ["confirm", "b"],
    ["commit", "b"],
  ] as const) {
    const { exitCode, said } = await task(host, kind, "do", component, version, { run: `run-${version}`, session });
    assert.equal(exitCode, 0, `${kind} ${version}: ${said}`);
  }
}
export const current = async (host: LabHost, component: string): Promise<string> =>
  (await host.run(["readlink", `/srv/${component}/current`])).stdout.trim();
export const trial = async (host: LabHost, component: string): Promise<string> =>
  (
    await host.run([
      "sh",
      "-c",
      `ls ${STATE}/components/${component}/trial | grep -E '^(armed|confirmed|reverting|reverted)$'`,
    ])
  ).stdout.trim();
export const timers = async (host: LabHost): Promise<string> =>
  (await host.run(["systemctl", "list-units", "--no-legend", "--plain", "--type=timer", "cutover-*"])).stdout.trim();
