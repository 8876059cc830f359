// Where two signed contracts differ, entry by entry: what a host would do otherwise than before. Pure.
import type { Component } from "../model/component.ts";
import type { ContractChange } from "../model/review.ts";
import { contractEntries } from "./contract-text.ts";

/** Every entry of either one whose value differs, those of the new one first; empty when a host does the same. */
export function contractChanges(before: Component, after: Component): ContractChange[] {
  const [old, now] = [new Map(contractEntries(before)), new Map(contractEntries(after))];
  const keys = [...new Set([...now.keys(), ...old.keys()])];
  return keys
    .filter((key) => old.get(key) !== now.get(key))
    .map((key) => ({ key, from: old.get(key), to: now.get(key) }));
}
