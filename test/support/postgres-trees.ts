// PostgreSQL in the two minor versions that Debian has, PgBouncer, and the libraries that hosts may lack, as deploy/components
// has their own files.
import { cp, readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { type DebianFiles, takeFromDebian } from "./debian-files.ts";

const components = fileURLToPath(new URL("../../deploy/components/", import.meta.url));

/** Laid out as in /usr: PostgreSQL finds its own files wherever the tree is. */
const postgres: DebianFiles = {
  "postgresql-15": {
    "usr/lib/postgresql/15/bin/": "lib/postgresql/15/bin/",
    "usr/lib/postgresql/15/lib/": "lib/postgresql/15/lib/",
    "usr/share/postgresql/15/": "share/postgresql/15/",
  },
};
/** A link to what is there, and JIT, which brings a compiler along. */
const needless = ["bin/postmaster", "lib/bitcode", "lib/llvmjit.so", "lib/llvmjit_types.bc"];
const postgresLibraries: DebianFiles = {
  libicu72: libraries("libicudata.so.72", "libicui18n.so.72", "libicuuc.so.72"),
  "libldap-2.5-0": libraries("libldap-2.5.so.0", "liblber-2.5.so.0"),
  libpq5: libraries("libpq.so.5"),
  "libsasl2-2": libraries("libsasl2.so.2"),
  libxml2: libraries("libxml2.so.2"),
};
const bouncer: DebianFiles = {
  pgbouncer: { "usr/sbin/pgbouncer": "bin/pgbouncer" },
  "libc-ares2": libraries("libcares.so.2"),
  "libevent-2.1-7": libraries("libevent-2.1.so.7"),
};

function libraries(...names: readonly string[]): Record<string, string> {
  return Object.fromEntries(names.map((name) => [`LIB/${name}`, `lib/${name}`]));
}

/** A is the older one. */
export async function buildPostgres(tree: string, which: "A" | "B"): Promise<void> {
  await takeFromDebian(postgres, tree, which === "A" ? 1 : 0);
  for (const name of needless) await rm(join(tree, "lib/postgresql/15", name), { recursive: true });
  await takeFromDebian(postgresLibraries, tree);
  await cp(join(components, "postgresql/tree"), tree, { recursive: true });
}

export async function buildBouncer(tree: string): Promise<void> {
  await takeFromDebian(bouncer, tree);
  await cp(join(components, "pgbouncer/tree"), tree, { recursive: true });
}

/** Replaces what a file says; all of it must be there. */
export async function editFile(path: string, changes: Readonly<Record<string, string>>): Promise<void> {
  let text = await readFile(path, "utf8");
  for (const [from, to] of Object.entries(changes)) {
    if (!text.includes(from)) throw new Error(`${path} does not say ${from}`);
    text = text.replaceAll(from, to);
  }
  await writeFile(path, text);
}
