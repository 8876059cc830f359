// Files of a test as an object of paths and texts.
import { chmodSync, mkdirSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";

/** Makes what directories they need; what begins with #! can be executed. */
export function layFiles(directory: string, files: Readonly<Record<string, string>>): void {
  for (const [path, text] of Object.entries(files)) {
    mkdirSync(dirname(join(directory, path)), { recursive: true });
    writeFileSync(join(directory, path), text);
    chmodSync(join(directory, path), text.startsWith("#!") ? 0o755 : 0o644);
  }
}
