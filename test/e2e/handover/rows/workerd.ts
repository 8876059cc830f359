// Cloudflare's workerd, a server of somebody else's, under socket activation.
import { rename, rmdir } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { buildWorkerd, workerdVersions } from "../../../support/fetch-workerd.ts";
import { documentOf, unitsIn } from "../document-of.ts";
import type { Row } from "../row.ts";

const component = fileURLToPath(new URL("../../../../deploy/components/workerd/", import.meta.url));
const body = "workerd (?<version>\\S+), all of it\\n";

export const rows: readonly Row[] = [
  {
    name: "workerd-socket",
    of: "components/workerd",
    strategy: "socket",
    manager: "systemd",
    lab: "systemd",
    isLarge: true,
    // It closes what it has not read yet when it is told to end, which the usual rate is too low to show.
    grade: "listener-safe",
    units: await unitsIn(join(component, "units")),
    contract: () => documentOf(join(component, "component.yaml")),
    traffic: ({ ports: [port] }) => [
      { kind: "new", port, body },
      { kind: "long", port, path: "/?ms=400", workMs: 400, body },
    ],
    async build({ version, which, directory }) {
      const answer = `workerd ${version}, all of it\n`;
      // Only A and B are worth another binary: the version that is taken back differs by its Worker, and is on the host sooner.
      const pinned = workerdVersions[which === "A" || version.endsWith("-sick") ? 0 : 1];
      const built = await buildWorkerd({ directory: `${directory}.parts`, version: pinned, answer, headers: {} });
      await rmdir(directory);
      await rename(built, directory);
    },
  },
];
