// DESIGN section 1 as data: which part of src/ may import which, and which parts are pure.
import type { SourceFile } from "./source-files.ts";
import { parseSource, withoutComments } from "./source-files.ts";

const PURE_FOLDERS = ["plan", "judge", "status"];
/** Single pure files, and what of their own folder they pull in with them. */
const PURE_FILES = ["package/manifest.ts", "host/protocol.ts", "run/machine.ts", "run/decide.ts"];

const PURE = ["plan", "judge", "status", "package (pure)", "host (pure)", "run (pure)"];
const CORE = ["model", "errors.ts", "ports.ts", ...PURE];
const ENGINE = [...CORE, "desired", "observed", "run", "package", "host", "simulate", "config.ts"];

/** Part → parts that it may import besides itself. */
export const IMPORT_TABLE: Readonly<Record<string, readonly string[]>> = {
  model: [],
  "errors.ts": ["model"],
  "ports.ts": ["model"],
  ...Object.fromEntries(PURE.map((part) => [part, ["model", "errors.ts"]])),
  // The way back is a plan too: the machine asks plan/ for it.
  "run (pure)": ["model", "errors.ts", "plan"],
  desired: CORE,
  observed: CORE,
  run: CORE,
  package: CORE,
  host: ["model", "errors.ts", "host (pure)"],
  "config.ts": ["model", "errors.ts", "desired"],
  adapters: ["model", "errors.ts", "ports.ts", "host", "host (pure)", "package (pure)"],
  // Its controller observes with the production code, too.
  simulate: ["model", "errors.ts", "ports.ts", "plan", "observed", "run", "run (pure)"],
  app: ENGINE,
  lab: ["model", "errors.ts", "host", "host (pure)", "app"],
  cli: ["app", "model", "errors.ts", "status", "lab"],
  server: ["app", "model", "errors.ts", "status"],
  ui: ["model"],
  "wiring.ts": [...ENGINE, "adapters", "app", "lab"],
  "services.ts": ["cli", "server", "wiring.ts"],
  "main.ts": ["cli", "services.ts"],
};

/** The one thing of Node that is a pure function: the plan hash and the tree digest need it. */
const HASHING = /^import \{ createHash \} from "node:crypto";$/m;

const IMPURE: readonly (readonly [RegExp, string])[] = [
  [/\bDate\.now\b/, "Date.now"],
  [/\bnew Date\(\s*\)/, "new Date()"],
  [/\bMath\.random\b/, "Math.random"],
  [/\bprocess\.[a-z]/, "process"],
  [/\b(?:setTimeout|setInterval|setImmediate)\(/, "a timer"],
  [/\bconsole\.[a-z]/, "console"],
  [/\bperformance\.now\b/, "performance.now"],
  [/\bcrypto\.(?:randomUUID|getRandomValues)\b/, "random ids"],
  [/\bfetch\(/, "fetch"],
];

/** Paths of the files that must be pure: the pure folders, model, and the closure of the pure files within their folders. */
export function pureFiles(files: readonly SourceFile[]): ReadonlySet<string> {
  const byPath = new Map(files.map((file) => [file.path, file]));
  const pure = new Set(
    files.map((file) => file.path).filter((path) => [...PURE_FOLDERS, "model"].includes(folderOf(path))),
  );
  const queue = PURE_FILES.filter((path) => byPath.has(path));
  for (let path = queue.pop(); path !== undefined; path = queue.pop()) {
    if (pure.has(path)) continue;
    pure.add(path);
    const folder = folderOf(path);
    queue.push(
      ...(byPath.get(path)?.imports ?? []).filter((target) => folderOf(target) === folder && byPath.has(target)),
    );
  }
  return pure;
}

/** One line for each import that the table does not allow. */
export function forbiddenImports(files: readonly SourceFile[]): string[] {
  const pure = pureFiles(files);
  return files.flatMap((file) => {
    const part = partOf(file.path, pure);
    const allowed = IMPORT_TABLE[part];
    if (allowed === undefined) return [`src/${file.path}: no row for ${part} in the import table`];
    return file.imports
      .filter((target) => folderOf(target) !== folderOf(file.path) && !allowed.includes(partOf(target, pure)))
      .map((target) => `src/${file.path} (${part}) imports src/${target} (${partOf(target, pure)})`);
  });
}

/** One line for each clock, random source, timer, output or module that a pure file touches. */
export function impurities(files: readonly SourceFile[]): string[] {
  const pure = pureFiles(files);
  return files
    .filter((file) => pure.has(file.path))
    .flatMap((file) => {
      const code = withoutComments(file.text).replace(HASHING, "");
      const packages = parseSource(file.path, code).packages.filter(
        (name) =>
          !(name === "zod" && folderOf(file.path) === "model") &&
          !(name === "immutable" && ["run/machine.ts", "run/run-state.ts"].includes(file.path)),
      );
      const touched = IMPURE.filter(([pattern]) => pattern.test(code)).map(([, name]) => name);
      return [...packages, ...touched].map((name) => `src/${file.path} is pure and touches ${name}`);
    });
}

/** Cycles between folders, as `a → b → a`; each is found once. */
export function folderCycles(files: readonly SourceFile[]): string[] {
  const edges = new Map<string, Set<string>>();
  for (const file of files) {
    const targets = file.imports.map(folderOf).filter((target) => target !== folderOf(file.path));
    edges.set(folderOf(file.path), new Set([...(edges.get(folderOf(file.path)) ?? []), ...targets]));
  }
  const cycles: string[] = [];
  const done = new Set<string>();
  const visit = (folder: string, trail: readonly string[]): void => {
    if (trail.includes(folder)) cycles.push([...trail.slice(trail.indexOf(folder)), folder].join(" → "));
    if (done.has(folder) || trail.includes(folder)) return;
    for (const next of edges.get(folder) ?? []) visit(next, [...trail, folder]);
    done.add(folder);
  };
  for (const folder of [...edges.keys()].sort()) visit(folder, []);
  return cycles;
}

/** The first folder of a path, or the file itself when it stands directly in src/. */
function folderOf(path: string): string {
  return path.split("/")[0] ?? path;
}

function partOf(path: string, pure: ReadonlySet<string>): string {
  const folder = folderOf(path);
  return pure.has(path) && !PURE_FOLDERS.includes(folder) && folder !== "model" ? `${folder} (pure)` : folder;
}
