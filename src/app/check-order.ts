// What a plan may not do on its way, asked before anything moves (R39): versions too far apart at some point of it, steps of a
// migration left out. Words for what the pure checks of plan/ find, and what would do instead.
import { CutoverError } from "../errors.ts";
import type { DesiredRelease } from "../model/desired.ts";
import type { Observation } from "../model/observation.ts";
import type { Plan } from "../model/plan.ts";
import type { Trust } from "../model/trust.ts";
import { checkMigrations, type MigrationViolation } from "../plan/check-migrations.ts";
import { checkSkew, type SkewViolation } from "../plan/check-skew.ts";
import { type KnownVersions, levelOf, stepWords } from "../plan/migration-book.ts";
import { foldHosts } from "../status/fold-hosts.ts";
import type { Controller } from "./controller.ts";
import { loadNewest } from "./load-newest.ts";
import type { LoadedVersion } from "./load-published.ts";

export interface OrderCheck {
  readonly plan: Plan;
  readonly release: DesiredRelease;
  readonly observations: ReadonlyMap<string, Observation>;
  /** Wanted versions and those that run, keyed by `component@version`. */
  readonly published: KnownVersions;
  readonly unreadable: ReadonlyMap<string, CutoverError>;
  /** The way back passes the same points in reverse: only what nothing takes back refuses it. */
  readonly isWayBack: boolean;
  readonly trust: Trust;
}

/** The same for a part of a plan that was checked whole: what is left out of it keeps what it runs. */
export function refuseUnsafeSlice(
  controller: Pick<Controller, "artifacts" | "signer">,
  {
    versions,
    ...check
  }: Omit<OrderCheck, "published" | "isWayBack"> & { readonly versions: ReadonlyMap<string, LoadedVersion> },
): Promise<void> {
  const published = new Map([...versions].map(([key, version]) => [key, version.published]));
  return refuseUnsafeOrder(controller, { ...check, published, isWayBack: false });
}

/** Evidence names as many places; one is enough to refuse. */
const shown = 20;

/**
 * Throws `skew-exceeded`, `migration-order` or `migration-irreversible`. Hosts that the plan leaves alone count with what they
 * run, or ran when they were last seen.
 */
export async function refuseUnsafeOrder(
  controller: Pick<Controller, "artifacts" | "signer">,
  check: OrderCheck,
): Promise<void> {
  const { plan, release, observations, published: known, isWayBack } = check;
  const apart = isWayBack ? [] : checkSkew({ plan, components: release.components, observations });
  if (apart.length > 0) throw tooFarApart(plan, apart);
  const found = checkMigrations({ plan, observations, known });
  const final = found.filter(({ kind }) => kind === "irreversible");
  if (final.length > 0) throw irreversible(plan, final);
  if (found.length > 0 && !isWayBack) throw await outOfOrder(controller, check, found);
}

function tooFarApart({ release }: Plan, apart: readonly SkewViolation[]): CutoverError {
  const lines = apart.map(({ rule, step, left, right, problem }) => {
    return `${step}: ${rule.left} ${left.version} on ${left.host} would run beside ${rule.right} ${right.version} on ${right.host}: ${problem}`;
  });
  return new CutoverError({
    code: "skew-exceeded",
    message: `${release} cannot be rolled out: on the way there versions would be further apart than \`skew\` allows`,
    evidence: cut(lines),
    impact: "Nothing was changed on any host",
    remedy: [...new Set(apart.map(wayOut))].join("; "),
  });
}

function wayOut({ rule: { left, right, scope }, first }: SkewViolation): string {
  if (first === left)
    return `Let ${left} go everywhere before ${right}: \`consumes: [${right}]\` at ${left}, and no \`depends_on\` that says otherwise`;
  if (first === right) return `Let ${right} go everywhere before ${left}: \`depends_on: [${right}]\` at ${left}`;
  const other = scope === "fleet" ? `, or say \`scope: host\` where they only meet on one host` : "";
  return `No order of ${left} and ${right} does: release versions in between first${other}`;
}

function irreversible({ release }: Plan, found: readonly MigrationViolation[]): CutoverError {
  const lines = found.flatMap((each) => (each.kind === "irreversible" ? [movingWords(each)] : []));
  return new CutoverError({
    code: "migration-irreversible",
    message: `${release} would go back below a migration that was contracted: what the older version works on is gone`,
    evidence: cut(lines),
    impact: "Nothing was changed on any host",
    remedy: "Mend it with a newer version, or restore the data by hand first",
  });
}

async function outOfOrder(
  controller: Pick<Controller, "artifacts" | "signer">,
  check: OrderCheck,
  found: readonly MigrationViolation[],
): Promise<CutoverError> {
  const remedies = new Set<string>();
  for (const violation of found.slice(0, shown)) remedies.add(await whatFirst(controller, check, violation));
  const waiting = [...check.unreadable.values()].some(({ disposition }) => disposition === "retry");
  const unknown = found.every(({ kind }) => kind === "unknown");
  return new CutoverError({
    code: "migration-order",
    message: `${check.plan.release} cannot be rolled out: the steps of a migration go one after the other, everywhere`,
    evidence: cut(found.map((violation) => words(violation, check))),
    impact: "Nothing was changed on any host",
    remedy: [...remedies].join("; "),
    ...(waiting && unknown ? { disposition: "retry" } : {}),
  });
}

function words(violation: MigrationViolation, { unreadable }: OrderCheck): string {
  const { migration } = violation;
  switch (violation.kind) {
    case "apart": {
      const { rule, step, left, right, problem } = violation;
      return `${step}: ${rule.left} ${left.version} on ${left.host} would run beside ${rule.right} ${right.version} on ${right.host}: in ${migration} ${problem}`;
    }
    case "skipped":
      return `${movingWords(violation)} passes over ${stepWords(violation.missing)} of ${migration}`;
    case "irreversible":
      return movingWords(violation);
    case "early": {
      const { step, task, component, version, hosts } = violation;
      return `${step}: ${task} would take away what ${component} ${version} on ${foldHosts(hosts, { ranges: 8 })} still uses (${migration})`;
    }
    case "unknown": {
      const { component, version } = violation;
      const why = unreadable.get(`${component}@${version}`)?.message ?? "too many versions run";
      return `what ${component} ${version}, which runs, says of ${migration} cannot be read: ${why}`;
    }
  }
}

function movingWords({ component, from, to, hosts, migration }: Extract<MigrationViolation, { from: string }>): string {
  return `${foldHosts(hosts, { ranges: 8 })}: ${component} ${from} → ${to} (${migration})`;
}

/** What has to be released before, by name where a published version stands for the missing step. */
async function whatFirst(
  controller: Pick<Controller, "artifacts" | "signer">,
  { trust, published }: OrderCheck,
  violation: MigrationViolation,
): Promise<string> {
  const { migration } = violation;
  switch (violation.kind) {
    case "skipped": {
      const { component, missing } = violation;
      const newest = await loadNewest(controller, { component, trust }).then(
        (loaded) => loaded.newest,
        () => new Map<string, LoadedVersion>(), // it only names what would do
      );
      const known = new Map([...published, ...[...newest].map(([key, loaded]) => [key, loaded.published] as const)]);
      const fit = [...known.values()].find(
        (each) =>
          each.component === component &&
          each.migrations?.[migration] !== undefined &&
          levelOf(known, { migration, component, version: each.version }) === missing,
      );
      if (fit !== undefined)
        return `Release ${component} ${fit.version} first, everywhere: it stands for ${stepWords(missing)} of ${migration}`;
      return `Publish a version of ${component} that says \`${migration}: ${stepWords(missing)}\`, and release it first`;
    }
    case "unknown":
      return `Publish ${violation.component} ${violation.version} again, so that its contract can be read`;
    case "apart": {
      const of = [...new Set([violation.rule.left, violation.rule.right])].join(" or ");
      return `Release one step of ${migration} at a time, and let every host that runs ${of} reach it before the next one`;
    }
    case "early":
      return `Bring every host past ${violation.component} ${violation.version} first, or take it out of the Fleet; the task of \`contract\` belongs \`at: finish\``;
    case "irreversible":
      return "Mend it with a newer version";
  }
}

function cut(lines: readonly string[]): string {
  const left = lines.length - shown;
  return [...lines.slice(0, shown), ...(left > 0 ? [`and ${left} more`] : [])].join("\n");
}
