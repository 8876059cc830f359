// What `cutover grade` brings up: two published versions of a component and what stands beside it, verified like for a plan.
import { loadConfig } from "../config.ts";
import { didYouMean, meantName } from "../desired/nearest.ts";
import { parseDocuments } from "../desired/parse-documents.ts";
import { CutoverError, ExitCode, UsageError } from "../errors.ts";
import type { Component } from "../model/component.ts";
import type { PublishedRelease } from "../model/transfer.ts";
import type { Trust } from "../model/trust.ts";
import { parseReleaseMetadata } from "../package/release-metadata.ts";
import type { Controller } from "./controller.ts";
import { recall } from "./controller-memory.ts";
import { loadVersion, type WantedVersion } from "./load-published.ts";

export interface GradeSubject {
  /** Of the newer version. */
  readonly contract: Component;
  /** What was published as the newer version. */
  readonly release: PublishedRelease;
  /** Older first; they are switched to and fro. */
  readonly versions: readonly [string, string];
  readonly beside: readonly { readonly contract: Component; readonly version: string }[];
  readonly trust: Pick<Trust, "releaseKeys" | "threshold">;
  /** The artifact repository, as cutover.yaml has it but absolute. */
  readonly artifacts: string;
}

/** Throws UsageError when there are not two versions to switch between, and what `loadVersion` throws. */
export async function loadGradeSubject(input: {
  readonly configPath: string;
  readonly controller: Controller;
  readonly component: string;
  /** The two newest unless they are named. */
  readonly versions: readonly string[];
  readonly beside: readonly WantedVersion[];
}): Promise<GradeSubject> {
  const { configPath, controller, component } = input;
  const { trust } = await recall(controller);
  const published = await controller.artifacts.versions(component);
  const chosen = input.versions.length > 0 ? input.versions : published.slice(0, 2).reverse();
  const [older, newer] = chosen;
  const publishIt = `cutover publish DIR --component ${component}.yaml --version VERSION --release-key KEY --artifacts ARTIFACTS`;
  if (published.length === 0) {
    const meant = await publishedAlike(controller, component);
    throw new UsageError(
      `No version of a component ${component} is published in the artifacts of ${configPath}${didYouMean(meant)}`,
      meant === undefined ? publishIt : `cutover grade ${meant}`,
    );
  }
  const unpublished = input.versions.find((version) => !published.includes(version));
  if (unpublished !== undefined)
    throw new UsageError(
      `${component} ${unpublished} is not published${didYouMean(meantName(unpublished, published))}; published: ${published.slice(0, 8).join(", ")}`,
      published.length === 1 ? publishIt : `cutover grade ${component} --versions ${published[1]},${published[0]}`,
    );
  if (older === undefined || newer === undefined || chosen.length !== 2 || older === newer)
    throw new UsageError(
      `A switch needs two versions of ${component}${input.versions.length === 0 ? "" : `, not ${older === newer ? `${older} twice` : chosen.length}`}; published: ${published.slice(0, 8).join(", ")}`,
      published.length === 1 ? publishIt : `cutover grade ${component} --versions ${published[1]},${published[0]}`,
    );
  const load = async (wanted: WantedVersion): Promise<PublishedRelease> =>
    (await loadVersion(controller, { ...wanted, trust })).release;
  const before = contractOf(await load({ component, version: older }));
  const release = await load({ component, version: newer });
  const contract = contractOf(release);
  if (before.switch.strategy !== contract.switch.strategy || before.root !== contract.root)
    throw new CutoverError({
      code: "contracts-differ",
      message: `${component} ${older} and ${newer} are not switched in the same way, so one grade cannot stand for both`,
      evidence: `${older}: ${before.switch.strategy} below ${before.root}\n${newer}: ${contract.switch.strategy} below ${contract.root}`,
      remedy: `cutover grade ${component} --versions A,B`,
    });
  const [alone] = [before, contract].filter(({ switch: { balancer } }) => balancer?.hold === false);
  if (alone !== undefined)
    throw new CutoverError({
      code: "last-backend",
      message: `${component} cannot be graded: the lab is one host, and its balancer could not take that out of traffic`,
      exitCode: ExitCode.refused,
      evidence: `switch: { strategy: balancer, balancer: { component: ${alone.switch.balancer?.component}, hold: false } }: every plan is refused while no other host runs ${component}`,
      impact: "No lab was started, and nothing of yours was touched",
      remedy: `publish it with strategy restart under other versions, which shows what clients lose where no balancer helps: cutover grade ${component} --versions A,B`,
    });
  const absent = [before, contract]
    .map(({ switch: { balancer } }) => balancer?.component)
    .find((balancer) => balancer !== undefined && !input.beside.some((one) => one.component === balancer));
  if (absent !== undefined)
    throw new UsageError(
      `${component} is switched behind ${absent}, which its lab host does not have`,
      `cutover grade ${component} --beside ${absent}@VERSION`,
    );
  const { artifacts } = await loadConfig(configPath);
  return {
    ...{ contract, release, versions: [older, newer] },
    ...{ trust: { releaseKeys: trust.releaseKeys, threshold: trust.threshold } },
    beside: await Promise.all(
      input.beside.map(async (wanted) => ({ contract: contractOf(await load(wanted)), version: wanted.version })),
    ),
    artifacts: artifacts.kind === "directory" ? artifacts.path : artifacts.url,
  };
}

/** Artifacts are found by name only; the names are in the documents, as far as those can be read. */
async function publishedAlike(controller: Controller, typed: string): Promise<string | undefined> {
  const { repository, settings, artifacts } = controller;
  try {
    const { commit } = await repository.fetch();
    const { documents } = parseDocuments(await repository.files(commit, settings.directory));
    const named = documents.flatMap(({ document }) => (document.kind === "Component" ? [document.name] : []));
    const meant = meantName(typed, named);
    return meant !== undefined && (await artifacts.versions(meant)).length > 0 ? meant : undefined;
  } catch (error) {
    if (error instanceof CutoverError) return undefined; // what is wrong there is not what was asked
    throw error;
  }
}

function contractOf({ metadata }: PublishedRelease): Component {
  return parseReleaseMetadata(metadata).contract;
}
