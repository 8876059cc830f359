// nginx under strategy signal on a systemd host, with the unit of deploy/components and Debian's program.
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import type { LabHost } from "../../src/lab/lab.ts";
import { takeFromDebian } from "./debian-files.ts";
import { nginxFiles } from "./master-services.ts";
import { enrol, install, must, write } from "./systemd-parts.ts";

const source = fileURLToPath(new URL("../../deploy/components/nginx/", import.meta.url));
export const nginxContract = {
  "switch.strategy": "signal",
  "switch.upgrade-signal": "USR2",
  "switch.wind-down-signal": "WINCH",
  "switch.stop-signal": "QUIT",
  "switch.pid-file": "/run/nginx/nginx.pid",
  "switch.ready-seconds": "10",
  "switch.stop-seconds": "10",
};

/** The text of its unit, for trees below /srv. */
export async function nginxUnit(): Promise<string> {
  return (await readFile(join(source, "units/nginx.service"), "utf8")).replaceAll("/srv/cutover/", "/srv/");
}

/** The unit as text, read by systemd. */
export async function layNginxUnit(host: LabHost, text: string): Promise<void> {
  await write(host, "/etc/systemd/system/nginx.service", text, 0o644);
  await must(host, "systemctl", "daemon-reload");
}

/** Enrolled, with its unit, started at boot, and v1 and v2 built. */
export async function enrolNginx(host: LabHost): Promise<void> {
  await enrol(host);
  await layNginxUnit(host, await nginxUnit());
  await must(host, "systemctl", "enable", "nginx.service");
  for (const version of ["v1", "v2"]) await installNginx(host, version);
}

/** A version that answers with its name on port 8080; `main` stands before its configuration. */
export async function installNginx(host: LabHost, version: string, main = ""): Promise<void> {
  await install(host, "nginx", version, "", nginxContract);
  const tree = `/srv/nginx/versions/${version}`;
  await takeFromDebian(nginxFiles, host.pathOf(tree));
  await write(host, `${tree}/nginx.conf`, main + (await readFile(join(source, "tree/nginx.conf"), "utf8")), 0o644);
  const site = `server { listen 0.0.0.0:8080; location / { return 200 "${version}\\n"; } }\n`;
  await write(host, `${tree}/site.conf`, site, 0o644);
}
