// What a commit would change in whom we trust, and whether it may: for a review, before anybody merges it. Pure.
import { mayChangeTrust } from "../desired/load-desired.ts";
import type { TrustChange } from "../model/review.ts";
import { encodeTrust, type Trust } from "../model/trust.ts";

/** Undefined when nothing changes. `refused` is what a controller would say to the commit as it is. */
export function trustChangeOf(input: {
  /** In force at the base. */
  readonly from: Trust;
  /** What the head says. */
  readonly to: Trust;
  readonly signer: string | undefined;
}): TrustChange | undefined {
  const { from, to, signer } = input;
  if (encodeTrust(from) === encodeTrust(to)) return undefined;
  const may = signer !== undefined && mayChangeTrust({ from, to, signer });
  const [before, after] = [trustLines(from), trustLines(to)];
  return {
    verdict: may ? "by-admin" : "refused",
    added: after.filter((line) => !before.includes(line)),
    removed: before.filter((line) => !after.includes(line)),
  };
}

/** One line for everything that counts by itself. */
function trustLines({ name, threshold, releaseKeys, controllerKeys, commitSigners }: Trust): string[] {
  return [
    `threshold ${threshold}`,
    ...commitSigners.map(({ name, publicKey, roles }) => `commit signer ${name} (${roles.join(", ")}) ${publicKey}`),
    ...releaseKeys.map((key) => `release key ${key}`),
    ...controllerKeys.map((key) => `controller key ${key}`),
    `name ${name}`,
  ];
}
