// Two versions of a tree that differ in every way in which trees can differ.
import type { TreeEntry } from "./host-session.ts";

/** Text that packs to something, the same for the same seed. */
export function noise(seed: number, length: number): Buffer {
  const bytes = Buffer.alloc(length);
  let state = seed * 2_654_435_761;
  for (let at = 0; at < length; at += 1) {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    bytes[at] = state >>> 24;
  }
  return bytes;
}

const edited = (seed: number, length: number): Buffer => {
  const bytes = noise(seed, length);
  bytes.write("edited", length >> 1, "latin1");
  return bytes;
};

export const oldTree: readonly TreeEntry[] = [
  { path: "bin", directory: true },
  { path: "bin/app", content: noise(1, 50_000), mode: 0o755 },
  { path: "bin/tool", content: "tool\n", mode: 0o755 },
  { path: "lib", directory: true },
  { path: "lib/1.0", directory: true },
  { path: "lib/1.0/a", content: noise(2, 3_000) },
  { path: "lib/1.0/b", content: noise(3, 3_000) },
  { path: "lib/1.0/c", content: noise(4, 3_000) },
  { path: "share", directory: true, mode: 0o750 },
  { path: "share/same", content: "same\n", mode: 0o444 },
  { path: "share/mode", content: "only the mode\n" },
  { path: "share/empty", content: "" },
  { path: "share/file then dir", content: "file" },
  { path: "share/dir then file", directory: true },
  { path: "share/dir then file/x", content: "x" },
  { path: "share/link then file", link: "same" },
  { path: "share/file then link", content: "was a file" },
  { path: "share/link", link: "same" },
  { path: "share/link then dir", link: "../lib" },
  { path: "gone", directory: true },
  { path: "gone/deeper", directory: true },
  { path: "gone/deeper/file", content: "gone" },
  { path: "gone/link", link: "deeper" },
  { path: "odd ä -> $(touch x)", content: "odd" },
  { path: "-rf", content: "-rf" },
  { path: "100%", content: "percent" },
];

export const newTree: readonly TreeEntry[] = [
  { path: "bin", directory: true },
  { path: "bin/app", content: edited(1, 50_000), mode: 0o755 },
  { path: "bin/tool", content: "tool\n", mode: 0o755 },
  { path: "bin/tool2", content: "tool\n", mode: 0o755 },
  { path: "lib", directory: true },
  { path: "lib/1.1", directory: true },
  { path: "lib/1.1/a", content: noise(2, 3_000) },
  { path: "lib/1.1/b", content: noise(3, 3_000) },
  { path: "lib/1.1/c", content: edited(4, 3_000) },
  { path: "share", directory: true, mode: 0o755 },
  { path: "share/same", content: "same\n", mode: 0o444 },
  { path: "share/mode", content: "only the mode\n", mode: 0o755 },
  { path: "share/empty", content: "" },
  { path: "share/another empty", content: "", mode: 0o600 },
  { path: "share/file then dir", directory: true },
  { path: "share/file then dir/y", content: "y" },
  { path: "share/dir then file", content: "now a file" },
  { path: "share/link then file", content: "no link" },
  { path: "share/file then link", link: "same" },
  { path: "share/link", link: "mode" },
  { path: "share/link then dir", directory: true },
  { path: "share/link then dir/new", content: "not in lib" },
  { path: "empty directory", directory: true, mode: 0o700 },
  { path: "odd ä -> $(touch x)", content: "odd, edited" },
  { path: "-rf", content: "-rf, edited" },
  { path: "--help 'q' \"q\" `x` *", content: "new and odd" },
  { path: "100%", content: "percent, edited" },
];

/** A third one, for chains: much as the first. */
export const thirdTree: readonly TreeEntry[] = [
  ...oldTree.filter(({ path }) => !path.startsWith("gone")),
  { path: "bin/app2", content: edited(1, 50_000), mode: 0o755 },
];
