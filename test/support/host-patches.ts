// Versions built on a test host from full payloads and from patches, and what is on its disk afterwards.
import { lstatSync, readdirSync, readFileSync, readlinkSync } from "node:fs";
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { HandMadePatch } from "./hand-made-patch.ts";
import {
  digest,
  makeOffer,
  manifestOf,
  type Offer,
  type OfferInput,
  type Session,
  sha256,
  type TestHost,
  type TreeEntry,
} from "./host-session.ts";

let steps = 0;

/** Offers, sends and builds; `STATE EXIT REASON EVIDENCE` of whatever came to an end first. */
export async function buildOffer(host: TestHost, session: Session, offer: Offer): Promise<string> {
  const offered = await host.offer(session, offer);
  if (offered.code !== 0) return `offer ${offered.code} ${offered.reason} ${offered.evidence}`;
  const put = await host.put(session, offer.payload);
  if (put.code !== 0) return `put ${put.code} ${put.reason} ${put.evidence}`;
  steps += 1;
  const events = await host.run(session, `s${steps}`, [[host.task("build", offer.version)]]);
  const { state, exitCode, reason, evidence } = events.at(-1)?.event ?? {
    state: "none",
    exitCode: 0,
    reason: "",
    evidence: "",
  };
  return `${state} ${exitCode} ${reason} ${evidence}`;
}

export async function buildFull(
  host: TestHost,
  session: Session,
  version: string,
  entries: readonly TreeEntry[],
): Promise<void> {
  const result = await buildOffer(host, session, makeOffer(host, { version, entries }));
  if (!result.startsWith("done 0 ")) throw new Error(result);
}

/** An offer of `to` by a patch from `from`, signed; any field can be another. */
export function offerPatch(
  host: Pick<TestHost, "root" | "keys">,
  {
    version,
    from,
    to,
    patch,
    more = {},
  }: {
    readonly version: string;
    readonly from: readonly TreeEntry[];
    readonly to: readonly TreeEntry[];
    readonly patch: HandMadePatch;
    readonly more?: OfferInput;
  },
): Offer {
  return makeOffer(host, {
    ...{ version, entries: to, base: digest(manifestOf(from)), codec: "patch", payload: patch.payload },
    ...more,
    envelope: { "tree.output-bytes": `${patch.outputBytes}`, ...more.envelope },
  });
}

/** Every entry with kind, mode, inode, time and content, to see that nothing at all changed. */
export function treeState(folder: string): string {
  const lines = readdirSync(folder, { recursive: true, encoding: "utf8" }).map((path) => {
    const full = join(folder, path);
    const stat = lstatSync(full);
    const content = stat.isFile() ? sha256(readFileSync(full)) : stat.isSymbolicLink() ? readlinkSync(full) : "-";
    return `${path} ${stat.mode.toString(8)} ${stat.ino} ${stat.mtimeMs} ${content}`;
  });
  return lines.sort().join("\n");
}

/** One signed payload, with what its envelope and its release say about it. */
export interface PatchCase {
  readonly payload: Buffer;
  readonly outputBytes: number;
  /** The tree that the release key signed. */
  readonly to: readonly TreeEntry[];
  /** Signed in place of that tree. */
  readonly manifest?: string;
  readonly memoryMib?: number;
}

/**
 * Applies each to the version of the host that has the tree `from`, one after the other and without the session around it; `CODE REASON EVIDENCE`
 * of each, `0 built` when it made the signed tree.
 */
export async function applyPatches(
  host: TestHost,
  from: readonly TreeEntry[],
  cases: readonly PatchCase[],
): Promise<string[]> {
  const folder = join(host.directory, "cases");
  for (const [index, { payload, outputBytes, to, manifest = manifestOf(to), memoryMib = 64 }] of cases.entries()) {
    const { documents } = offerPatch(host, {
      ...{ version: "v2", from, to, patch: { payload, outputBytes } },
      more: { unsigned: true, manifest, envelope: { "memory-mib": `${memoryMib}` } },
    });
    const offer = join(folder, `${index}`, "offer");
    await mkdir(offer, { recursive: true });
    await writeFile(join(offer, "release"), documents.release ?? "");
    await writeFile(join(offer, "envelope"), documents.envelope ?? "");
    await writeFile(join(folder, `${index}`, sha256(payload)), payload);
  }
  const said = host.evaluate(`
MODE=user MY_UID=$(id -u) T_RUN=run-1 T_COMPONENT=web STATE=${host.state}
T_DIR=$STATE/components/web
for _case in ${cases.map((_, index) => index).join(" ")}; do
	_work=${folder}/$_case
	mv "$_work"/???????????????????????????????* "$STATE/incoming/"
	set +e
	(
		set -e
		T_FAIL_FILE=$_work/said WORK=$_work
		apply_patch
	) >"$_work/log" 2>&1
	_rc=$?
	set -e
	[ "$_rc" -ne 0 ] || echo "0 built -" >"$_work/said"
	cat "$_work/said" || { echo "$_rc unexpected -"; cat "$_work/log" >&2; }
	rm -rf "$_work"
done`);
  return said.trimEnd().split("\n");
}
