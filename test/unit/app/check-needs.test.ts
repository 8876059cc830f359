// Needs between components, by signed contracts and what hosts say: asked before any plan.
import assert from "node:assert/strict";
import { test } from "node:test";
import { type NeedsCheck, refuseBrokenNeeds } from "../../../src/app/check-needs.ts";

const target = (host: string, version: string) => ({ host, version });
const release = (name: string, components: Record<string, ReturnType<typeof target>[]>) =>
  ({
    name,
    components: Object.entries(components).map(([component, targets]) => ({ name: component, dependsOn: [], targets })),
  }) as unknown as NeedsCheck["release"];
const published = new Map([
  ["api@2.0.0", { component: "api", version: "2.0.0", needsComponents: { cache: ">=7 <8" } }],
]) as unknown as NeedsCheck["published"];
const runs = (host: string, component: string, current: string) =>
  [host, { kind: "observed", components: [{ component, current }] }] as const;
const observed = (...entries: ReturnType<typeof runs>[]) => new Map(entries) as unknown as NeedsCheck["observations"];

test("a version whose need another version on the same host breaks is refused, naming the hosts (R54)", () => {
  const both = release("shop", {
    api: [target("web1", "2.0.0"), target("web2", "2.0.0"), target("web3", "2.0.0")],
    cache: [target("web1", "7.4.1"), target("web2", "6.2.0"), target("web3", "6.2.0")],
  });
  assert.throws(
    () => refuseBrokenNeeds({ release: both, releases: [both], published, observations: observed() }),
    (error: Error & { code?: string; evidence?: string }) => {
      assert.equal(error.code, "needs-not-met");
      assert.equal(
        error.evidence,
        'web2, web3: api 2.0.0 needs cache ">=7 <8" on the same host, and 6.2.0 is wanted there',
      );
      return true;
    },
  );
});

test("what another release wants there counts before what runs there, and what runs counts where nobody wants any (R54)", () => {
  const api = release("api", { api: [target("web1", "2.0.0")] });
  const check = (releases: NeedsCheck["release"][], observations: NeedsCheck["observations"]) => () =>
    refuseBrokenNeeds({ release: api, releases, published, observations });
  const old = observed(runs("web1", "cache", "6.0.0"));
  assert.throws(check([api], old), /would not work together/);
  assert.doesNotThrow(check([api, release("data", { cache: [target("web1", "7.0.0")] })], old));
  assert.doesNotThrow(check([api], observed(runs("web1", "cache", "7.9.9"))));
  assert.throws(check([api], observed(runs("web1", "other", "7.0.0"))), { code: "needs-not-met" });
  assert.doesNotThrow(check([api], observed()), "a host that does not answer is left alone anyway");
  assert.throws(check([api], observed(runs("web1", "cache", "seven"))), { code: "needs-not-met" });
});
