// A version stands for one tree and one contract for ever. Only its task bundle and its expiry may be renewed, and only when asked.
import { CutoverError } from "../errors.ts";
import { encodeReleaseMetadata, type ReleaseMetadata } from "../package/release-metadata.ts";

/**
 * Compares what is published under a version with what shall be. True: they are the same and nothing is to be done.
 * False: an amendment is to be published. Throws `version-taken` for everything else.
 */
export function refuseOtherContent(input: {
  /** As published. */
  readonly earlier: ReleaseMetadata;
  /** The same place (sequence, expiry, floor) with the content at hand. */
  readonly next: ReleaseMetadata;
  readonly amend: boolean | undefined;
}): boolean {
  const { earlier, next, amend = false } = input;
  const name = `${next.component} ${next.version}`;
  if (earlier.tree.digest !== next.tree.digest) {
    throw taken(
      `${name} is published with another tree`,
      `published ${earlier.tree.digest}\nnow       ${next.tree.digest}`,
    );
  }
  const withoutBundle = (metadata: ReleaseMetadata): string =>
    encodeReleaseMetadata({ ...metadata, bundle: undefined });
  if (withoutBundle(earlier) !== withoutBundle(next)) {
    throw taken(
      `${name} is published with another contract`,
      differingLines(withoutBundle(earlier), withoutBundle(next)),
    );
  }
  if (amend) return false;
  if (earlier.bundle?.digest === next.bundle?.digest) return true;
  throw new CutoverError({
    code: "version-taken",
    message: `${name} is published with another task bundle`,
    evidence: `published ${earlier.bundle?.digest ?? "none"}\nnow       ${next.bundle?.digest ?? "none"}`,
    impact: "Nothing was published",
    remedy: "publish again with --amend",
  });
}

function taken(message: string, evidence: string): CutoverError {
  return new CutoverError({
    code: "version-taken",
    message,
    evidence,
    impact: "Nothing was published; hosts would refuse two meanings of one version",
    remedy: "publish it under a new version",
  });
}

function differingLines(before: string, after: string): string {
  const [old, now] = [before.split("\n"), after.split("\n")];
  const gone = old.filter((line) => !now.includes(line)).map((line) => `- ${line}`);
  const added = now.filter((line) => !old.includes(line)).map((line) => `+ ${line}`);
  return [...gone, ...added].slice(0, 20).join("\n");
}
