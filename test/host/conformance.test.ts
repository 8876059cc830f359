// Simulated hosts are only worth what they have in common with host.sh: the same random commands must come to the same outcome.
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { makeCommands } from "../support/conformance-commands.ts";
import { scriptHost } from "../support/conformance-script.ts";
import { simulatedHost } from "../support/conformance-simulated.ts";
import { isFull } from "../support/full-form.ts";
import { withHost } from "../support/host-session.ts";
import { type Shell, shells } from "../support/shells.ts";

const sequences = isFull ? 120 : shells.length;
const length = isFull ? 40 : 24;
/** The simulated host's signatures are all good, and neither face tries by itself what failed: when it would is no matter of outcomes. */
const extra = "check_contract() { :; }\nundrain_apart() { :; }";

async function conform(shell: Shell, seed: number): Promise<void> {
  const commands = makeCommands(seed, length);
  await withHost(shell, { extra }, async (host) => {
    const faces = { simulated: simulatedHost(), real: scriptHost(host, shell) };
    for (const [index, command] of commands.entries()) {
      const said = () => `seed ${seed}, command ${index + 1} of:\n${commands.slice(0, index + 1).map((one) => JSON.stringify(one)).join("\n")}`; // biome-ignore format: one line
      const [simulated, real] = [await faces.simulated.act(command), await faces.real.act(command)];
      assert.deepEqual(simulated, real, said());
      const facts = await faces.simulated.facts();
      // A way back that the host goes by itself may still be under way there.
      for (let tries = 0; ; tries++) {
        const seen = await faces.real.facts();
        try {
          assert.deepEqual(facts, seen, said());
          break;
        } catch (error) {
          if (tries === 40) throw error;
          await new Promise((done) => setTimeout(done, 100));
        }
      }
    }
    await faces.real.act({ kind: "reboot", isGuarded: false });
  });
}

describe("a simulated host and host.sh come to the same outcome", { concurrency: 2 }, () => {
  for (let seed = 1; seed <= sequences; seed++) {
    const shell = shells[seed % shells.length];
    if (shell === undefined) throw new Error("no shell");
    test(`command sequence ${seed} under ${shell.name} (P1, P4 to P8)`, () => conform(shell, seed));
  }
});
