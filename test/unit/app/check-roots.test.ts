// A component whose root its host does not allow is told before anything is sent (T8).
import assert from "node:assert/strict";
import { test } from "node:test";
import { refuseRootsOutside } from "../../../src/app/check-roots.ts";
import type { CutoverError } from "../../../src/errors.ts";
import type { Observation } from "../../../src/model/observation.ts";
import type { PublishedVersion } from "../../../src/model/published-version.ts";

const check = (root: string, bases: readonly string[] | undefined, component = "hello") =>
  refuseRootsOutside({
    plan: { release: "hello", changes: [{ host: "web1", component, to: "1.0.0" }] } as never,
    observations: new Map([["web1", { kind: "observed", facts: { bases } } as unknown as Observation]]),
    published: new Map([[`${component}@1.0.0`, { root } as PublishedVersion]]),
  });

test("a root below none of the enrolled bases is refused with the host, the bases and both ways out", () => {
  for (const [
    root,
    bases,
  ] of [["/srv/hello", ["/srv/cutover", "/opt"]], ["/srv/cutover2/hello", ["/srv/cutover"]], ["/srv/cutover", ["/srv/cutover"]]] as const) // biome-ignore format: one line
    assert.throws(
      () => check(root, bases),
      (error: CutoverError) =>
        error.code === "root-outside-base" &&
        error.evidence === `web1: ${root} of hello 1.0.0 is not below ${bases.join(" or ")}` &&
        /correct root .* --base/.test(error.remedy ?? ""),
      root,
    );
});

test("one that is allowed, host.sh itself, and a host that does not say its bases, go on", () => {
  check("/opt/hello", ["/srv/cutover", "/opt"]);
  check("/srv/hello", undefined);
  check("/var/lib/cutover/host", ["/srv/cutover"], "cutover-host");
});
