// A flame graph of sampled stacks as one SVG file that needs nothing else: width is CPU time, what was called stands on
// its caller. Pure.
import type { CpuProfile } from "../../model/profile.ts";

/** One function below one caller, over all its samples. */
interface Frame {
  readonly name: string;
  readonly place: string;
  readonly kind: FrameKind;
  readonly children: Map<string, Frame>;
  microseconds: number;
}
type FrameKind = "own" | "package" | "node" | "engine";

interface Box {
  readonly frame: Frame;
  readonly row: number;
  readonly x: number;
  readonly width: number;
}

const totalWidth = 1_200;
const rowHeight = 17;
const headHeight = 66;
/** What would be narrower is left out; its time stays visible in its caller. */
const narrowest = 0.5;
const deepest = 100;
const letterWidth = 6.7;

const kinds: Readonly<Record<FrameKind, { readonly fill: string; readonly means: string }>> = {
  own: { fill: "#f5a65b", means: "cutover" },
  package: { fill: "#8ec6c5", means: "packages" },
  node: { fill: "#c9d2dc", means: "Node.js" },
  engine: { fill: "#e58f8f", means: "V8, garbage collection" },
};

/** `root` is the folder that places are shown relative to, ending in a slash. Time spent waiting is left out, and said. */
export function renderFlameGraph(
  profile: CpuProfile,
  { title, root }: { readonly title: string; readonly root: string },
): string {
  const { all, waited } = sumFrames(profile, root);
  const boxes = layOut(all);
  const rows = boxes.reduce((most, { row }) => Math.max(most, row + 1), 1);
  const height = headHeight + rows * rowHeight + 8;
  const said = `${seconds(all.microseconds)} on the CPU; ${seconds(waited)} of waiting left out. Hover over a box for its time.`;
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${totalWidth} ${height}" width="${totalWidth}" height="${height}" font-family="ui-monospace, 'DejaVu Sans Mono', monospace" font-size="11">`,
    `<rect width="${totalWidth}" height="${height}" fill="#fdfcf9"/>`,
    `<text x="8" y="20" font-size="15" fill="#222">${escapeXml(title)}</text>`,
    `<text x="8" y="38" fill="#555">${escapeXml(said)}</text>`,
    ...Object.values(kinds).map(
      ({ fill, means }, index) =>
        `<rect x="${8 + index * 180}" y="46" width="10" height="10" fill="${fill}"/><text x="${23 + index * 180}" y="55" fill="#555">${means}</text>`,
    ),
    ...boxes.map((box) => renderBox(box, { bottom: height - 8, all: all.microseconds })),
    "</svg>",
    "",
  ].join("\n");
}

/** Samples of equal stacks are one frame, whatever their order in time. */
function sumFrames(profile: CpuProfile, root: string): { all: Frame; waited: number } {
  const self = new Map<number, number>();
  for (const [index, id] of (profile.samples ?? []).entries())
    self.set(id, (self.get(id) ?? 0) + Math.max(0, profile.timeDeltas?.[index] ?? 0));
  const byId = new Map(profile.nodes.map((node) => [node.id, node]));
  const all: Frame = { name: "all", place: "", kind: "node", children: new Map(), microseconds: 0 };
  let waited = 0;
  const [top] = profile.nodes;
  const queue = (top?.children ?? []).map((id) => ({ id, path: [all] }));
  for (let next = queue.pop(); next !== undefined; next = queue.pop()) {
    const node = byId.get(next.id);
    if (node === undefined) continue;
    const own = self.get(node.id) ?? 0;
    if (node.callFrame.functionName === "(idle)") {
      waited += own;
      continue;
    }
    const frame = childOf(next.path.at(-1) ?? all, node.callFrame, root);
    const path = [...next.path, frame];
    for (const each of path) each.microseconds += own;
    for (const id of node.children ?? []) queue.push({ id, path });
  }
  return { all, waited };
}

function childOf(parent: Frame, call: CpuProfile["nodes"][number]["callFrame"], root: string): Frame {
  const { functionName, url, lineNumber } = call;
  const file = url.replace(/^file:\/\//, "");
  const shown = file.startsWith(root) ? file.slice(root.length) : file;
  const name = functionName || "(anonymous)";
  const place = file === "" ? "" : `${shown}:${lineNumber + 1}`;
  const key = `${name} ${place}`;
  const known = parent.children.get(key);
  if (known) return known;
  const frame: Frame = { name, place, kind: kindOf(file), children: new Map(), microseconds: 0 };
  parent.children.set(key, frame);
  return frame;
}

function kindOf(file: string): FrameKind {
  if (file === "") return "engine";
  if (file.startsWith("node:")) return "node";
  return file.includes("/node_modules/") ? "package" : "own";
}

/** The widest child first, so that what costs most stands left. */
function layOut(all: Frame): Box[] {
  const scale = all.microseconds === 0 ? 0 : totalWidth / all.microseconds;
  const boxes: Box[] = [];
  const queue = [{ frame: all, row: 0, x: 0 }];
  for (let next = queue.pop(); next !== undefined; next = queue.pop()) {
    const { frame, row } = next;
    const width = frame.microseconds * scale;
    if (row > 0 && (width < narrowest || row >= deepest)) continue;
    boxes.push({ ...next, width: row === 0 ? totalWidth : width });
    let { x } = next;
    for (const child of [...frame.children.values()].sort((a, b) => b.microseconds - a.microseconds)) {
      queue.push({ frame: child, row: row + 1, x });
      x += child.microseconds * scale;
    }
  }
  return boxes;
}

function renderBox({ frame, row, x, width }: Box, { bottom, all }: { bottom: number; all: number }): string {
  const y = bottom - (row + 1) * rowHeight;
  const share = all === 0 ? 0 : (100 * frame.microseconds) / all;
  const told = `${frame.name}${frame.place && ` ${frame.place}`} · ${seconds(frame.microseconds)} · ${share.toFixed(1)} %`;
  const letters = Math.floor((width - 6) / letterWidth);
  const label = frame.name.length > letters ? `${frame.name.slice(0, letters - 1)}…` : frame.name;
  const text =
    letters < 3 ? "" : `<text x="${(x + 3).toFixed(1)}" y="${y + 12}" fill="#222">${escapeXml(label)}</text>`;
  const shape = `<rect x="${x.toFixed(1)}" y="${y}" width="${Math.max(0.3, width - 0.4).toFixed(1)}" height="${rowHeight - 1}" rx="1" fill="${kinds[frame.kind].fill}"/>`;
  return `<g><title>${escapeXml(told)}</title>${shape}${text}</g>`;
}

function seconds(microseconds: number): string {
  return microseconds < 1e6 ? `${(microseconds / 1e3).toFixed(1)} ms` : `${(microseconds / 1e6).toFixed(2)} s`;
}

const named: Readonly<Record<string, string>> = { "&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;" };

/** Characters that XML has no place for become a question mark. */
function escapeXml(text: string): string {
  return text
    .toWellFormed()
    .replace(/[&<>"]/g, (character) => named[character] ?? character)
    .replace(/[\p{Cc}\uFFFE\uFFFF]/gu, "?");
}
