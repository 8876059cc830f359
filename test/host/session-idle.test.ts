// A client that has gone silent without a word: its session ends by itself, and nothing of it is left. The tests wait beside each other.
import assert from "node:assert/strict";
import { describe } from "node:test";
import { withHost } from "../support/host-session.ts";
import { inTurn, shells } from "../support/shells.ts";
import { until } from "../support/until.ts";

describe("idle", { concurrency: 6 }, () => {
  for (const shell of shells) {
    const test = inTurn(shell.name);
    test(`${shell.name}: a session that asks nothing ends by itself`, () =>
      withHost(shell, { env: { CUTOVER_IDLE_SECONDS: "4" } }, async (host) => {
        const session = await host.session({});
        const exit = await new Promise((done) => session.child.once("exit", done));
        assert.equal(exit, 74);
        await until("the session's directory to go", 3000, async () => host.leftovers().length === 0);
      }));

    test(`${shell.name}: T6: a payload that stops coming ends the session, and nothing of it is left`, () =>
      withHost(shell, { env: { CUTOVER_IDLE_SECONDS: "4" } }, async (host) => {
        const session = await host.session({});
        const ended = new Promise((done) => session.child.once("exit", done));
        session.raw("9\tdoc\trelease\t100\nhalf of it");
        await ended;
        await until("the session's directory to go", 3000, async () => host.leftovers().length === 0);
      }));
  }
});
