// Which names and link targets may occur in a tree. Pure; host.sh checks the same rules (T15).

/** The name of the marker that a host writes into a version once it is verified. */
export const verifiedMarker = ".cutover-verified";

const maxPathBytes = 1024;
const maxNameBytes = 255;

/** Why `path` may not be in a tree; undefined when it may. */
export function pathProblem(path: string): string | undefined {
  if (path === "" || path.startsWith("/")) return "a path is relative to the tree and not empty";
  if (path === verifiedMarker) return "the host writes this file itself";
  const byteProblem = nameBytesProblem(path);
  if (byteProblem !== undefined) return byteProblem;
  for (const segment of path.split("/")) {
    if (segment === "" || segment === "." || segment === "..") return "empty, `.` and `..` segments are not allowed";
    if (Buffer.byteLength(segment) > maxNameBytes) return `a name is longer than ${maxNameBytes} bytes`;
  }
  return undefined;
}

/**
 * Why a link at `path` may not point to `target`; undefined when it may. `..` is allowed only in front, where it climbs
 * real directories of the tree: behind a name it could climb out of wherever another link leads.
 */
export function linkProblem(path: string, target: string): string | undefined {
  if (target === "") return "a link without a target";
  if (target.startsWith("/")) return "the link is absolute";
  const byteProblem = nameBytesProblem(target);
  if (byteProblem !== undefined) return byteProblem;
  const segments = target.split("/").filter((segment) => segment !== ".");
  if (segments.includes("")) return "the link target has an empty segment";
  const climbs = segments.findIndex((segment) => segment !== "..");
  const up = climbs === -1 ? segments.length : climbs;
  if (segments.slice(up).includes("..")) return "the link target has `..` behind a name";
  if (up > path.split("/").length - 1) return "the link leaves the tree";
  return undefined;
}

function nameBytesProblem(text: string): string | undefined {
  if (/[\n\\]/.test(text)) return "newlines and backslashes are not allowed";
  if (text.includes("\0")) return "NUL is not allowed";
  if (!text.isWellFormed() || text.includes("\uFFFD")) return "the name is not UTF-8";
  if (Buffer.byteLength(text) > maxPathBytes) return `longer than ${maxPathBytes} bytes`;
  return undefined;
}
