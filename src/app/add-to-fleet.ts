// Puts a host's entry into a Fleet document as a person would: comments and everything else stay as they are.
import { readFile, rename, writeFile } from "node:fs/promises";
import { type Document, isMap, isSeq, parseAllDocuments, YAMLSeq } from "yaml";
import { LackingError, UsageError } from "../errors.ts";
import type { Host } from "../model/fleet.ts";
import { withoutDefaults } from "./enrol-host.ts";

/** Replaces the entry of the same name, else adds one at the end. Throws UsageError when the file holds no Fleet. */
export async function addToFleet(file: string, host: Host): Promise<"added" | "replaced" | "unchanged"> {
  const text = await readFile(file, "utf8").catch((cause: unknown) => {
    throw new LackingError(`Cannot read the Fleet document ${file}`, "cutover init DIR", cause);
  });
  const { text: edited, outcome } = editFleet(text, host, file);
  if (outcome === "unchanged") return outcome;
  const fresh = `${file}.${process.pid}.new`;
  await writeFile(fresh, edited, { flush: true });
  await rename(fresh, file);
  return outcome;
}

/** The pure part; `file` is for messages. */
export function editFleet(
  text: string,
  host: Host,
  file: string,
): { readonly text: string; readonly outcome: "added" | "replaced" | "unchanged" } {
  const documents = parseAllDocuments(text);
  const fleet = (Array.isArray(documents) ? documents : []).find((document) => document.get("kind") === "Fleet");
  if (fleet === undefined || fleet.errors.length > 0)
    throw new UsageError(`${file} holds no Fleet document that can be read`, `cutover validate ${file}`);
  const hosts = hostsOf(fleet);
  const entry = fleet.createNode(withoutDefaults(host));
  const at = hosts.items.findIndex((item) => isMap(item) && item.get("name") === host.name);
  const outcome = at === -1 ? "added" : isMap(entry) && sameEntry(hosts.items[at], entry) ? "unchanged" : "replaced";
  if (at === -1) hosts.items.push(entry);
  else hosts.items[at] = entry;
  const edited = documents.map((document) => document.toString({ lineWidth: 0 })).join("---\n");
  return { text: outcome === "unchanged" ? text : edited, outcome };
}

function hostsOf(fleet: Document): YAMLSeq {
  const hosts = fleet.get("hosts");
  if (isSeq(hosts)) {
    hosts.flow = false;
    return hosts;
  }
  const fresh = new YAMLSeq();
  fleet.set("hosts", fresh);
  return fresh;
}

function sameEntry(a: unknown, b: { toJSON(): unknown }): boolean {
  return isMap(a) && JSON.stringify(a.toJSON()) === JSON.stringify(b.toJSON());
}
