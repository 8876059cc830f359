// The controller's side of the host protocol: frames out, frames in. Pure mirror of session.sh and runner.sh; everything from a host is hostile.
import type { TaskGroup } from "../model/plan.ts";
import { type Task, type TaskEvent, taskId } from "../model/task.ts";
import { decodeField, encodeField, maxLineBytes, parseNumber } from "./fields.ts";
import { ProtocolError } from "./protocol-error.ts";

export { decodeField, encodeField, maxLineBytes } from "./fields.ts";
export { parseBackupPart, parseClock } from "./parse-backup-part.ts";
export { parseProbe } from "./parse-probe.ts";
export { ProtocolError } from "./protocol-error.ts";

export const protocolVersion = 1;

export interface Greeting {
  readonly protocol: number;
  readonly host: string;
  readonly session: string;
  readonly hostScript: string;
}

export type Reply =
  | { readonly kind: "data"; readonly id: number; readonly fields: readonly string[] }
  | { readonly kind: "ok"; readonly id: number; readonly ms: number; readonly fields: readonly string[] }
  | {
      readonly kind: "err";
      readonly id: number;
      readonly ms: number;
      /** 64–78 by meaning. */
      readonly code: number;
      /** Stable word. */
      readonly reason: string;
      readonly evidence: string;
    };

const hostName = /^[a-z0-9][a-z0-9.-]{0,62}$/;
const word = /^[A-Za-z0-9][A-Za-z0-9._+-]{0,63}$/;
const maxEvidenceBytes = 16_384;

/** One request line with its newline. Payload bytes, if the verb announces some, follow it on the wire. Ids count from 1. */
export function encodeRequest(id: number, verb: string, ...args: readonly string[]): string {
  const line = [`${id}`, verb, ...args].map((field) => encodeField(field)).join("\t");
  if (line.length > maxLineBytes) throw new ProtocolError(`a request line is longer than ${maxLineBytes} bytes`);
  return `${line}\n`;
}

/** The first line of a session. Throws ProtocolError, also on another protocol number. */
export function parseGreeting(line: string): Greeting {
  const [magic, protocol, host, session, hostScript, ...more] = fieldsOf(line);
  if (magic !== "cutover-host" || more.length > 0) throw new ProtocolError("this is no greeting", line);
  if (parseNumber(protocol, "the protocol number") !== protocolVersion)
    throw new ProtocolError(`it speaks protocol ${protocol}, we speak ${protocolVersion}`);
  if (host === undefined || !hostName.test(host)) throw new ProtocolError("the greeting names no host", host);
  if (session === undefined || !word.test(session)) throw new ProtocolError("the greeting names no session", session);
  if (hostScript === undefined || !word.test(hostScript)) throw new ProtocolError("the greeting names no version");
  return { protocol: protocolVersion, host, session, hostScript };
}

/** One line of a session after the greeting, without its newline. */
export function parseReply(line: string): Reply {
  const [idText, kind, ...rest] = fieldsOf(line);
  // A request whose id could not be read is answered with `-`.
  const id = idText === "" ? 0 : parseNumber(idText, "the id of a reply");
  if (kind === "+") return { kind: "data", id, fields: rest };
  const ms = parseNumber(rest[0], "the duration of a reply");
  if (kind === "ok") return { kind, id, ms, fields: rest.slice(1) };
  if (kind !== "err" || rest.length !== 4) throw new ProtocolError("a reply is neither data, ok nor err", line);
  const code = parseNumber(rest[1], "an exit code");
  if (code < 64 || code > 78) throw new ProtocolError("an exit code is not 64 to 78", `${code}`);
  return { kind, id, ms, code, reason: reasonOf(rest[2]), evidence: evidenceOf(rest[3]) };
}

/** The payload of `submit`, groups numbered from 1. Throws on a task that hosts do not do themselves. */
export function encodeGroups(groups: readonly TaskGroup[]): string {
  return groups.map((group, index) => group.map((task) => encodeTask(task, index + 1)).join("")).join("");
}

function encodeTask(task: Task, group: number): string {
  if (task.kind === "distribute") throw new ProtocolError("a host does not distribute", task.id);
  const options = Object.entries(task.options)
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([key, value]) => `${key}=${value}`);
  const fields = [`${group}`, task.id, task.action, task.kind, task.component, task.version, ...options];
  return `${fields.map((field) => encodeField(field)).join("\t")}\n`;
}

export interface SequencedTaskEvent {
  readonly sequence: number;
  readonly event: TaskEvent;
}

const states = ["running", "done", "failed", "skipped"] as const;

/** A data line of `events` that only says that the host is there. */
export function isHeartbeat(fields: readonly string[]): boolean {
  return fields.length === 1 && fields[0] === ".";
}

/** The fields of a data line of `events` that is no heartbeat. */
export function parseTaskEvent(fields: readonly string[]): SequencedTaskEvent {
  const [sequence, id, action, stateWord, ms, exit, reason, evidence] = fields;
  if (fields.length !== 8) throw new ProtocolError("an event has not eight fields", fields.join(" "));
  if (action !== "do" && action !== "undo") throw new ProtocolError("an action is not do or undo", action);
  const state = states.find((known) => known === stateWord);
  if (state === undefined) throw new ProtocolError("a task has an unknown state", stateWord);
  return {
    sequence: parseNumber(sequence, "an event's number"),
    event: {
      task: taskIdOf(id),
      action,
      state,
      durationMs: parseNumber(ms, "a duration"),
      exitCode: parseNumber(exit, "an exit code"),
      reason: reasonOf(reason),
      evidence: evidenceOf(evidence),
    },
  };
}

function fieldsOf(line: string): string[] {
  if (line.length > maxLineBytes) throw new ProtocolError(`a line is longer than ${maxLineBytes} bytes`);
  return line.split("\t").map((field) => decodeField(field));
}

function taskIdOf(text: string | undefined): string {
  const [host, component, task, ...more] = (text ?? "").split("/");
  if (host === undefined || component === undefined || task === undefined || more.length > 0)
    throw new ProtocolError("a task id is not host/component/task", text);
  if (!hostName.test(host) || !hostName.test(component) || !/^[a-z0-9][a-z0-9.-]{0,129}$/.test(task))
    throw new ProtocolError("a task id is not host/component/task", text);
  return taskId(host, component, task);
}

function reasonOf(text: string | undefined): string {
  if (text === undefined || !/^[a-z0-9-]{0,64}$/.test(text)) throw new ProtocolError("a reason is not a word", text);
  return text;
}

function evidenceOf(text: string | undefined): string {
  if (text === undefined || text.length > maxEvidenceBytes) throw new ProtocolError("evidence is missing or too long");
  return text;
}
