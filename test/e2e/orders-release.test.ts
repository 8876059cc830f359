// The component that the SDK's ten minutes are about, as it is published: a whole release on a Debian host, and the way back.
import assert from "node:assert/strict";
import { cp, mkdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { parse } from "yaml";
import { assertOutcomes } from "../support/assert-outcome.ts";
import { cutoverCommand } from "../support/cutover-command.ts";
import { installOnHost } from "../support/debian-files.ts";
import type { Contract } from "../support/with-home.ts";
import { systemdSkip, withSystemdLab } from "../support/with-lab.ts";
import { say, withSystemdWorld } from "../support/with-systemd-world.ts";

const orders = fileURLToPath(new URL("../../deploy/components/orders/", import.meta.url));
const contract = parse(await readFile(join(orders, "component.yaml"), "utf8")) as Contract;
/** Version 1 knows neither the tasks nor the settings that its health would be asked by. */
const { tasks: _, health: __, ...first } = contract;
const units = { "orders.service": await readFile(join(orders, "units/orders.service"), "utf8") };
const python = ["python3", "python3-minimal", "python3.11", "python3.11-minimal", "libpython3.11-minimal", "libpython3.11-stdlib", "libexpat1"]; // biome-ignore format: one line
const settings = { conf: "/etc/orders/orders.conf", data: "/var/lib/orders/orders.csv" };

test(
  "R35: orders goes through a release on a systemd host: settings and data are converted beside the old ones, which version 1 finds again after a rollback",
  { skip: systemdSkip, timeout: 1_200_000 },
  () =>
    withSystemdLab(1, (lab) =>
      withSystemdWorld(lab, { contracts: [contract], units }, async (world) => {
        const [host] = lab.hosts;
        assert.ok(host);
        await installOnHost(host, python);
        for (const [file, from] of [
          [settings.conf, "convert-config/usual/before/etc/orders/orders.conf"],
          [settings.data, "convert-data/usual/before/var/lib/orders/orders.csv"],
        ] as const) {
          await mkdir(join(host.pathOf(file), ".."), { recursive: true });
          await cp(join(orders, "tests", from), host.pathOf(file));
        }
        const before = await say(host, "cat", settings.conf, settings.data);

        const old = join(world.directory, "trees/1.0.0");
        await mkdir(join(old, "bin"), { recursive: true });
        await writeFile(join(old, "bin/orders"), `#!/bin/sh\n[ -f ${settings.conf} ] && exec sleep 86400\n`, { mode: 0o755 }); // biome-ignore format: one line
        await world.publish(first, "1.0.0", old);
        await world.pushVersion("orders", "1.0.0");
        assertOutcomes(await world.reconcile(), "done");

        await world.publish(contract, "2.0.0", join(orders, "tree"), join(orders, "tasks"));
        await world.pushVersion("orders", "2.0.0");
        assertOutcomes(await world.reconcile(), "done");
        assert.match(await say(host, "cat", "/etc/orders/orders.ini"), /^\[server\]$/m);
        assert.equal(await say(host, "systemctl", "is-active", "orders.service"), "active");
        assert.match(await say(host, "readlink", "/srv/cutover/orders/current"), /2\.0\.0$/);

        await cutoverCommand(world)(0, "rollback", "--reason", "look");
        assert.equal(await say(host, "cat", settings.conf, settings.data), before);
        assert.equal(await say(host, "systemctl", "is-active", "orders.service"), "active");
        assert.match(await say(host, "readlink", "/srv/cutover/orders/current"), /1\.0\.0$/);
      }),
    ),
);
