// What a release says of its predecessors, its migrations (R16, R39) and its grade (R27) is for whoever plans: hosts take the keys, in their grammar.
import assert from "node:assert/strict";
import { makeOffer, withHost } from "../support/host-session.ts";
import { inTurn, shells } from "../support/shells.ts";

for (const shell of shells) {
  const test = inTurn(shell.name);
  test(`${shell.name}: predecessors, stepping stones, migrations and the grade are part of a release, and nothing else in their place (R16, R39, T23)`, () =>
    withHost(shell, {}, async (host) => {
      const session = await host.session({});
      const offer = (release: Record<string, string>) => host.offer(session, makeOffer(host, { release }));
      const sound = {
        "upgrade.from": ">=1.8 <2 || ^2.1",
        "upgrade.via.1": "1.8.0",
        "migration.orders-v2": "double-write",
        "migration.users": "expand",
        "migration.users.task": "expand-users",
        grade: "request-safe",
      };
      const { code, reason, evidence } = await offer(sound);
      assert.equal(code, 0, `${reason} ${evidence}`);
      const wrong: Record<string, string>[] = [
        { "upgrade.from": "$(touch x)" },
        { "upgrade.via.1": "../1.8.0" },
        { "upgrade.via": "1.8.0" },
        { "migration.orders-v2": "shrink" },
        { "migration.1": "expand" },
        { "migration.users": "expand", "migration.users.task": "-x" },
        { "migration.users.undo": "expand-users" },
        { grade: "never-fails" },
      ];
      for (const release of wrong) assert.notEqual((await offer(release)).code, 0, JSON.stringify(release));
      assert.equal(await session.end(), 0);
    }));
}
