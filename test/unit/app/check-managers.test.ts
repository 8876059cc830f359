// A strategy that a host cannot carry is refused before anything is sent there, with the reason.
import assert from "node:assert/strict";
import { test } from "node:test";
import { refuseMissingManagers } from "../../../src/app/check-managers.ts";
import type { CutoverError } from "../../../src/errors.ts";
import type { Observation } from "../../../src/model/observation.ts";

interface Place {
  readonly manager?: string;
  readonly facts?: { readonly mode: "system" | "user"; readonly systemd: boolean };
}

const observed = (facts: Place["facts"]) =>
  facts === undefined ? { kind: "unreachable" } : { kind: "observed", facts };

const check = ({ manager = "systemd", facts }: Place) =>
  refuseMissingManagers({
    plan: {
      release: "shop",
      changes: [
        { host: "web1", component: "web", to: "1.0.0", strategy: "signal" },
        { host: "web2", component: "web", to: "1.0.0", strategy: "signal" },
      ],
    } as never,
    observations: new Map([
      ["web1", observed({ mode: "system", systemd: true }) as unknown as Observation],
      ["web2", observed(facts) as unknown as Observation],
    ]),
    published: new Map([["web@1.0.0", { manager }]]),
  });

test("units on a host without systemd, or enrolled without root, are refused with the host, the strategy, the reason and what to type", () => {
  for (const [facts, why] of [
    [{ mode: "system", systemd: false }, "no systemd runs there"],
    [{ mode: "user", systemd: true }, "cutover was enrolled there without root (--prefix), so it may not touch them"],
  ] as const)
    assert.throws(
      () => check({ facts }),
      (error: CutoverError) =>
        error.code === "strategy-not-carried" &&
        error.evidence === `web2: strategy signal of web 1.0.0 switches systemd units, and ${why}` &&
        /manager process.*cutover help host enrol/.test(error.remedy ?? ""),
    );
});

test("where systemd can be asked, where host.sh starts the service itself, and where nobody answers, the plan goes on", () => {
  check({ facts: { mode: "system", systemd: true } });
  check({ manager: "process", facts: { mode: "user", systemd: false } });
  check({});
});
