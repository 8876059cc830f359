// What a host reports of its part of a restore point, from the last line of a task's evidence. Hostile input: typed and capped. Pure.
import { Digest } from "../model/names.ts";
import type { BackupPart, ClockReading } from "../model/restore-point.ts";
import { decodeField, parseNumber } from "./fields.ts";
import { ProtocolError } from "./protocol-error.ts";

const pointGrammar = /^[a-z0-9][a-z0-9.-]{0,79}$/;
const versionGrammar = /^[A-Za-z0-9][A-Za-z0-9._+-]{0,63}$/;
const bootIdGrammar = /^[0-9a-f-]{36}$/;

/** Undefined when the evidence has no such line. Throws ProtocolError when it has one that is not as it should be. */
export function parseBackupPart(evidence: string): BackupPart | undefined {
  const line = evidence.trimEnd().split("\n").at(-1) ?? "";
  if (!line.startsWith("part ")) return undefined;
  const words = line.split(" ").slice(1);
  const values = new Map(
    words.map((word) => [word.slice(0, word.indexOf("=")), decodeField(word.slice(word.indexOf("=") + 1))]),
  );
  const said = (key: string, grammar: RegExp): string => {
    const value = values.get(key) ?? "";
    if (!grammar.test(value)) throw new ProtocolError(`a part of a restore point has no ${key}`, value);
    return value;
  };
  const none = (key: string) => values.get(key) === "";
  return {
    point: said("point", pointGrammar),
    version: none("version") ? undefined : said("version", versionGrammar),
    tree: none("tree") ? undefined : digestOf(values.get("tree") ?? ""),
    state: digestOf(values.get("state") ?? ""),
    fromCs: parseNumber(values.get("from"), "the beginning of a part"),
    toCs: parseNumber(values.get("to"), "the end of a part"),
    wallMs: parseNumber(values.get("wall"), "the wall clock of a part"),
    bootId: said("boot-id", bootIdGrammar),
  };
}

/** The fields of `clock`'s reply. Throws ProtocolError. */
export function parseClock([uptime, bootId = "", ...more]: readonly string[]): ClockReading {
  if (more.length > 0 || !bootIdGrammar.test(bootId)) throw new ProtocolError("a clock is not UPTIME BOOT-ID", bootId);
  return { uptimeCs: parseNumber(uptime, "an uptime"), bootId };
}

function digestOf(text: string): Digest {
  const { success, data } = Digest.safeParse(text);
  if (!success) throw new ProtocolError("a digest is not a digest", text);
  return data;
}
