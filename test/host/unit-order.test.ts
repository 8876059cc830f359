// What a probe says of the order of units (R28): from systemd's own answer, whichever names a contract uses.
import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { withHost } from "../support/host-session.ts";
import { inTurn, shells } from "../support/shells.ts";

/** Three components: `api` has a service and a socket; `database` is known to its contract by an alias; `lone` cares for nobody. */
const answer = `Id=api.service
Names=api.service
Requires=postgresql.service api.socket system.slice
Wants=cache.service
BindsTo=
After=system.slice postgresql.service api.socket basic.target

Id=api.socket
Names=api.socket
Requires=sysinit.target
After=sysinit.target -.mount

Id=postgresql.service
Names=postgresql.service db.service
Requires=system.slice
After=cache.service

Id=cache.service
Names=cache.service
BindsTo=api.socket
`;

for (const shell of shells) {
  const test = inTurn(shell.name);
  test(`${shell.name}: R28: a probe names each unit that comes after, or needs, a unit of another component, and the directive`, () =>
    withHost(shell, {}, async (host) => {
      const said = join(host.directory, "said");
      const asked = join(host.directory, "asked");
      writeFileSync(said, answer);
      const words = "api.service api api.socket api db.service database cache.service cache cache.service cache";
      const printed = host.evaluate(
        `systemd_ask() { printf '%s ' "$@" >'${asked}'; cat '${said}'; }; systemd_order '${words}'; cat '${asked}'`,
      );
      const lines = printed.trimEnd().split("\n");
      assert.match(
        lines.pop() ?? "",
        /-- api\.service api\.socket cache\.service db\.service$/,
        "each unit is asked once",
      );
      assert.deepEqual(lines, [
        "api api.service After database postgresql.service",
        "api api.service Requires database postgresql.service",
        "api api.service Wants cache cache.service",
        "cache cache.service BindsTo api api.socket",
        "database postgresql.service After cache cache.service",
      ]);
    }));
}
