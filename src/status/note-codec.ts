// Status ↔ the text of a git note. People read the first lines, programs the `data:` line, and the signature covers the data.
// Notes are hostile input: anything that is not exactly a record is passed over.
import { quotable } from "../model/diagnostic.ts";
import { canonicalJson } from "../model/digest.ts";
import { Status, stateOf, type TargetStatus } from "../model/status.ts";
import { clockText } from "./clock-text.ts";
import { cutText } from "./cut-text.ts";
import { foldHosts } from "./fold-hosts.ts";

/** Namespace of the signature over `notePayload`. */
export const noteNamespace = "cutover-status";

export interface NoteRecord {
  readonly status: Status;
  /** The exact text that a signature covers. */
  readonly payload: string;
  /** Armored SSHSIG, not verified yet; undefined when the record has none. */
  readonly signature: string | undefined;
}

const maxDataCharacters = 32 * 1024 * 1024;
const maxRecords = 1000;

/** What is to be signed: the canonical JSON of the status, the same bytes for the same status. */
export function notePayload(status: Status): string {
  return canonicalJson(Status.parse(status));
}

/** One record, ending with a line feed. `signature` is armored, made over `notePayload(status)` in `noteNamespace`. */
export function encodeNote(status: Status, signature?: string): string {
  const lines = [...describe(status), `data: ${Buffer.from(notePayload(status), "utf8").toString("base64url")}`];
  if (signature !== undefined) lines.push(`signature: ${unarmor(signature)}`);
  return `${lines.join("\n")}\n`;
}

/** Every record in a note, in its order; foreign text, broken records and later formats are left out. Never throws. */
export function parseNotes(text: string): NoteRecord[] {
  const records: NoteRecord[] = [];
  const lines = text.split("\n");
  for (const [index, line] of lines.entries()) {
    if (records.length === maxRecords) break;
    const payload = decodeData(line);
    const status = payload === undefined ? undefined : decodeStatus(payload);
    if (payload === undefined || status === undefined) continue;
    records.push({ status, payload, signature: armor(lines[index + 1] ?? "") });
  }
  return records;
}

function describe(status: Status): string[] {
  const { type, status: value, reason, message } = stateOf(status);
  const state = value === "True" ? type : value === "Unknown" ? "Unknown" : `not ${type}`;
  const lines = [`cutover ${status.release}: ${state} (${reason})${message === "" ? "" : `: ${line(message)}`}`];
  const run = status.run === null ? "" : ` by run ${status.run}`;
  lines.push(status.planHash === null ? `no plan was needed${run}` : `plan ${line(status.planHash)}${run}`);
  lines.push(...groupTargets(status.targets));
  for (const { component, version, reason: why } of status.quarantined)
    lines.push(`quarantined ${component} ${version}: ${line(why)}`);
  lines.push(`reported ${clockText(status.at)} by ${status.holder}, epoch ${status.epoch}`);
  return lines;
}

/** `web1..web4 shop 1 → 2 since …`: one line for all hosts that share component, versions and outcome. */
function groupTargets(targets: readonly TargetStatus[]): string[] {
  const groups = new Map<string, TargetStatus[]>();
  for (const target of targets) {
    const { component, from, version, wanted, outcome, detail, cut } = target;
    const key = canonicalJson([component, from, version, wanted, outcome, detail, cutText(cut)]);
    const group = groups.get(key);
    if (group === undefined) groups.set(key, [target]);
    else group.push(target);
  }
  return [...groups.values()].map(describeGroup);
}

function describeGroup(group: readonly TargetStatus[]): string {
  const [first] = group;
  if (first === undefined) return "";
  const { component, from, version, wanted, outcome, detail } = first;
  const cut = cutText(first.cut);
  const shown = version ?? "nothing";
  const change = from === null || from === version ? shown : `${from} → ${shown}`;
  const since = ` since ${clockText(group.reduce((latest, target) => Math.max(latest, target.since), 0))}`;
  const good = outcome === "in-sync" || outcome === "done";
  const missed = !good && wanted !== null && wanted !== version ? `, wanted ${wanted}` : "";
  const why = detail === undefined || detail === "" ? "" : `: ${line(detail)}`;
  return `${foldHosts(group.map(({ host }) => host))} ${component} ${change}${since}${good ? "" : ` (${outcome}${missed})`}${cut === "" ? "" : `, ${cut}`}${why}`;
}

/** Host output and error messages reach notes: one line, nothing that a terminal obeys (T26). */
function line(text: string): string {
  return quotable(text.replace(/\s+/g, " ").trim(), 400);
}

function decodeData(text: string): string | undefined {
  const data = /^data: ([A-Za-z0-9_-]+)\r?$/.exec(text)?.[1];
  if (data === undefined || data.length > maxDataCharacters) return undefined;
  return Buffer.from(data, "base64url").toString("utf8");
}

function decodeStatus(payload: string): Status | undefined {
  try {
    const parsed = Status.safeParse(JSON.parse(payload));
    // Only the canonical form counts, so that one status has one text and one signature.
    return parsed.success && canonicalJson(parsed.data) === payload ? parsed.data : undefined;
  } catch {
    return undefined; // not JSON: not a record
  }
}

/** PROTOCOL.sshsig's armor as one line of base64. */
function unarmor(signature: string): string {
  return signature.replace(/-----(BEGIN|END) SSH SIGNATURE-----/g, "").replace(/\s+/g, "");
}

function armor(text: string): string | undefined {
  const body = /^signature: ([A-Za-z0-9+/]{16,16384}={0,2})\r?$/.exec(text)?.[1];
  if (body === undefined) return undefined;
  return `-----BEGIN SSH SIGNATURE-----\n${body.replace(/.{70}(?=.)/g, "$&\n")}\n-----END SSH SIGNATURE-----\n`;
}
