// Worlds on whole Debian hosts: enrolled in system mode over real SSH with the operator's key, as a person would do it.
import assert from "node:assert/strict";
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { Lab, LabHost } from "../../src/lab/lab.ts";
import type { RunOptions } from "../../src/lab/run-program.ts";
import { type OpenOptions, sshOperatorShell } from "../../src/wiring.ts";
import { type Contract, type Home, withHome } from "./with-home.ts";

export interface SystemdWorldRequest {
  readonly contracts: readonly Contract[];
  /** Unit files by name; the operator puts them on every host and enables those with an [Install] section. */
  readonly units: Readonly<Record<string, string>>;
  readonly others?: readonly string[];
  /** What a host is for; without it every host has all components and units. */
  readonly place?: (host: LabHost) => Place;
  readonly policy?: Readonly<Record<string, unknown>>;
  readonly open?: OpenOptions;
}

export interface Place {
  readonly components: readonly string[];
  readonly labels: Readonly<Record<string, string>>;
  /** Names of units. */
  readonly units: readonly string[];
}

export const systemState = "/var/lib/cutover";

/** Dead links are seen in some seconds: these hosts are a millisecond away, though on a busy machine a login takes its time. */
const nearHosts: OpenOptions = { patienceMs: 60_000, link: { readyMs: 10_000, keepaliveMs: 1_500 } };

export async function withSystemdWorld<T>(
  lab: Lab,
  request: SystemdWorldRequest,
  body: (home: Home) => Promise<T>,
): Promise<T> {
  const { contracts, units, others = [], policy = {}, open = {} } = request;
  const unitsOf = (host: LabHost) => {
    const names = request.place?.(host).units ?? Object.keys(units);
    return Object.fromEntries(names.map((name) => [name, units[name] ?? ""]));
  };
  return withHome(
    lab,
    {
      contracts,
      others,
      policy: { batchSize: 1, ...policy },
      open: { ...nearHosts, ...open },
      enrolment: async (host, directory) => {
        await install(host, unitsOf(host));
        const { components, labels } = request.place?.(host) ?? {};
        const place = {
          ...(components === undefined ? {} : { components }),
          ...(labels === undefined ? {} : { labels }),
        };
        return { ...(await enrolmentOf(lab, host, directory)), ...place };
      },
      retire: (host) => retire(host, Object.keys(unitsOf(host))),
    },
    async (home) => {
      for (const host of lab.hosts) {
        assert.equal(await say(host, "systemctl", "is-enabled", "cutover-guard.service"), "enabled");
      }
      return body(home);
    },
  );
}

/** What a command on the host prints; fails when it fails. */
export async function say(host: LabHost, ...argv: string[]): Promise<string> {
  return sayWith(host, {}, ...argv);
}

export async function sayWith(host: LabHost, options: RunOptions, ...argv: string[]): Promise<string> {
  const ran = await host.run(argv, options);
  assert.equal(ran.exitCode, 0, `${host.name}: ${argv.join(" ")}: ${ran.stdout}${ran.stderr}`);
  return ran.stdout.trim();
}

/** The operator's known_hosts holds only the lab's own host key: a host that shows another is not enrolled. */
async function enrolmentOf(lab: Lab, host: LabHost, directory: string) {
  const { name, address, port, hostKeys } = host;
  assert.ok(lab.operatorKey);
  const knownHostsPath = join(directory, `known_hosts.${name}`);
  await writeFile(knownHostsPath, hostKeys.map((key) => `${address} ${key}\n`).join(""));
  return {
    host: { name, address, port },
    shell: sshOperatorShell({ address, port, user: "root", keyPath: lab.operatorKey, knownHostsPath }),
    mode: "system" as const,
    bases: [host.baseDirectory],
    serviceAddress: address,
  };
}

async function install(host: LabHost, units: SystemdWorldRequest["units"]): Promise<void> {
  await mkdir(host.pathOf("/etc/systemd/system"), { recursive: true });
  for (const [name, text] of Object.entries(units))
    await writeFile(host.pathOf(`/etc/systemd/system/${name}`), text, { mode: 0o644 });
  await say(host, "systemctl", "daemon-reload");
  const enabled = Object.entries(units).filter(([, text]) => text.includes("[Install]"));
  if (enabled.length > 0) await say(host, "systemctl", "enable", ...enabled.map(([name]) => name));
}

async function retire(host: LabHost, units: readonly string[]): Promise<void> {
  const sockets = units.filter((name) => name.endsWith(".socket")); // first, or they would start their services again
  const services = units
    .filter((name) => !name.endsWith(".socket"))
    .map((name) => (name.includes("@.") ? `'${name.replace("@.", "@*.")}'` : name)); // of a template its instances
  const script = `
systemctl stop 'cutover-*.timer' ${sockets.join(" ")}
systemctl kill --signal=KILL ${services.join(" ")}
systemctl stop ${services.join(" ")}
systemctl disable cutover-guard.service ${units.join(" ")}
rm -rf ${units.map((name) => `/etc/systemd/system/${name}`).join(" ")} ${systemState} ${host.baseDirectory}
mkdir -p ${host.baseDirectory}
systemctl daemon-reload
systemctl reset-failed
true`;
  await say(host, "sh", "-c", `(${script}) >/dev/null 2>&1`);
}
