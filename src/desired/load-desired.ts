// What git says at one commit: verified first, then read, then resolved. Nothing of an unverified commit is parsed.

import { CutoverError, ExitCode, RefusedError } from "../errors.ts";
import type { Component } from "../model/component.ts";
import type { Desired } from "../model/desired.ts";
import { type Diagnostic, formatDiagnostic } from "../model/diagnostic.ts";
import type { Procedure } from "../model/procedure.ts";
import { encodeTrust, type Trust } from "../model/trust.ts";
import type { ReleaseRepositoryPort } from "../ports.ts";
import { parseDocuments } from "./parse-documents.ts";
import { resolveDesired } from "./resolve-desired.ts";

export interface LoadRequest {
  readonly commit: string;
  /** Where the documents are, such as `releases`. */
  readonly directory: string;
  /** The Trust of the last accepted commit; of cutover.yaml before the first. */
  readonly trust: Trust;
  /** The last accepted commit; one that is not its descendant is refused (F23). */
  readonly accepted?: string;
}

export interface LoadedDesired {
  readonly desired: Desired;
  readonly signer: string;
  /** To be kept with the commit once it is accepted; the old one when the commit holds none. */
  readonly nextTrust: Trust;
  readonly procedure: Procedure;
  readonly components: readonly Component[];
  readonly documents: readonly { readonly path: string; readonly blob: string }[];
  readonly warnings: readonly Diagnostic[];
}

/**
 * Throws RefusedError (`commit-not-trusted`, `history-rewritten`, `trust-change-refused`, `unsafe-path`), or CutoverError
 * (`documents-missing`, `documents-invalid`, `nothing-released`). A failure never yields an empty Desired (P14).
 */
export async function loadDesired(repository: ReleaseRepositoryPort, request: LoadRequest): Promise<LoadedDesired> {
  const { commit, directory, trust, accepted } = request;
  // 1. Who signed it, by the Trust of the commit before.
  const { signer } = await verifyCommit(repository, commit, trust);
  // 2. Does it continue what was accepted?
  if (accepted !== undefined && !(await repository.isAncestor(accepted, commit)))
    throw historyRewritten(accepted, commit);
  // 3. What does it say?
  const { trust: said, ...documents } = await readDesired(repository, { commit, directory });
  if (documents.desired.releases.length === 0) throw nothingReleased(commit, directory);
  // 4. May this signer change whom we trust?
  const nextTrust = said ?? trust;
  if (!mayChangeTrust({ from: trust, to: nextTrust, signer })) throw trustChangeRefused(commit, signer);
  return { ...documents, signer, nextTrust };
}

/** What a commit says, whoever signed it: on its own it is for a review only. Throws `documents-missing`, `documents-invalid`. */
export async function readDesired(
  repository: Pick<ReleaseRepositoryPort, "files">,
  { commit, directory }: Pick<LoadRequest, "commit" | "directory">,
): Promise<Omit<LoadedDesired, "signer" | "nextTrust"> & { readonly trust: Trust | undefined }> {
  const files = await repository.files(commit, directory);
  if (files.length === 0) throw documentsMissing(commit, directory);
  const parsed = parseDocuments(files);
  if (parsed.diagnostics.length > 0) throw documentsInvalid(commit, parsed.diagnostics);
  const resolution = resolveDesired({ commit, documents: parsed.documents, blobs: files.map(({ blob }) => blob) });
  if (resolution.desired === undefined) throw documentsInvalid(commit, resolution.diagnostics);
  const { desired, trust, procedure, components, diagnostics: warnings } = resolution;
  return {
    desired,
    trust,
    procedure,
    components,
    documents: files.map(({ path, blob }) => ({ path, blob })),
    warnings,
  };
}

/** Only an admin changes whom we trust. */
export function mayChangeTrust({ from, to, signer }: { from: Trust; to: Trust; signer: string }): boolean {
  const admin = from.commitSigners.some(({ name, roles }) => name === signer && roles.includes("admin"));
  return admin || encodeTrust(to) === encodeTrust(from);
}

async function verifyCommit(
  repository: ReleaseRepositoryPort,
  commit: string,
  trust: Trust,
): Promise<{ signer: string }> {
  if (trust.commitSigners.length > 0) return repository.verifySignature(commit, trust.commitSigners);
  throw new RefusedError({
    code: "commit-not-trusted",
    message: `Commit ${commit.slice(0, 12)} cannot be accepted: the Trust lists no commit signer`,
    impact: "The release that was accepted last stays in force",
    remedy: "Add commitSigners to the Trust document that cutover.yaml names",
  });
}

function historyRewritten(accepted: string, commit: string): RefusedError {
  return new RefusedError({
    code: "history-rewritten",
    message: `Commit ${commit.slice(0, 12)} does not contain ${accepted.slice(0, 12)}, which was accepted before`,
    impact: "The release that was accepted last stays in force",
    remedy: "Push a commit that descends from the accepted one, for example with git revert",
  });
}

function documentsMissing(commit: string, directory: string): CutoverError {
  return new CutoverError({
    code: "documents-missing",
    message: `Commit ${commit.slice(0, 12)} holds no YAML file under ${directory}/`,
    exitCode: ExitCode.refused,
    impact: "Missing documents never mean removal; the release that was accepted last stays in force",
    remedy: `git show --stat ${commit.slice(0, 12)}`,
  });
}

function documentsInvalid(commit: string, diagnostics: readonly Diagnostic[]): CutoverError {
  const errors = diagnostics.filter(({ severity }) => severity === "error");
  const shown = errors.slice(0, 50).map(formatDiagnostic);
  if (errors.length > shown.length) shown.push(`and ${errors.length - shown.length} more`);
  return new CutoverError({
    code: "documents-invalid",
    message: `Commit ${commit.slice(0, 12)} has ${errors.length === 1 ? "an error" : `${errors.length} errors`} in its documents`,
    exitCode: ExitCode.refused,
    evidence: shown.join("\n"),
    impact: "The release that was accepted last stays in force",
    remedy: "cutover validate",
  });
}

function nothingReleased(commit: string, directory: string): CutoverError {
  return new CutoverError({
    code: "nothing-released",
    message: `Commit ${commit.slice(0, 12)} has no Release under ${directory}/`,
    disposition: "wait",
    impact: "Nothing is changed on any host until there is one; a missing Release never means removal",
    remedy: `Write ${directory}/release.yaml, commit and push`,
  });
}

function trustChangeRefused(commit: string, signer: string): RefusedError {
  return new RefusedError({
    code: "trust-change-refused",
    message: `Commit ${commit.slice(0, 12)} changes the Trust document, and ${signer} is not an admin`,
    impact: "The release that was accepted last stays in force",
    remedy: "Let an admin sign this commit, or leave the Trust document as it was",
  });
}
