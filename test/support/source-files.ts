// Reads src/ as text: which files there are and what each imports. For tests about the shape of the code.
import { readdirSync, readFileSync } from "node:fs";
import { dirname, join, normalize } from "node:path";

export interface SourceFile {
  /** Relative to src/, with slashes. */
  readonly path: string;
  readonly text: string;
  /** Files of src/ that this one imports, types included. */
  readonly imports: readonly string[];
  /** Everything else that it imports: packages and `node:` modules. */
  readonly packages: readonly string[];
}

const IMPORT =
  /(?:^|\n)\s*(?:import|export)\b[^;'"]*?\bfrom\s*["']([^"']+)["']|(?:^|\n)\s*import\s*["']([^"']+)["']|\bimport\(\s*["']([^"']+)["']/g;

/** Every TypeScript file below `directory`, in order of path. */
export function sourceFiles(directory: string): SourceFile[] {
  return readdirSync(directory, { recursive: true, encoding: "utf8" })
    .filter((path) => path.endsWith(".ts") && !path.endsWith(".d.ts"))
    .sort()
    .map((path) => parseSource(path, readFileSync(join(directory, path), "utf8")));
}

export function parseSource(path: string, text: string): SourceFile {
  const names = [...withoutComments(text).matchAll(IMPORT)].map((match) => match[1] ?? match[2] ?? match[3] ?? "");
  return {
    path,
    text,
    imports: names.filter((name) => name.startsWith(".")).map((name) => normalize(join(dirname(path), name))),
    packages: names.filter((name) => !name.startsWith(".")),
  };
}

/** The same text without comments; good enough for code that Biome has formatted. */
export function withoutComments(text: string): string {
  return text.replaceAll(/\/\*[\s\S]*?\*\//g, "").replaceAll(/(^|\s)\/\/.*$/gm, "$1");
}
