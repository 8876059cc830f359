// The version trees of the demo's component `shop`: the sources in deploy/components/shop with another version.json.
// Deterministic: the same version has the same bytes and modes every time, so the same tree digest.
import { chmod, copyFile, mkdir, rename, rm, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

export const shopSource = fileURLToPath(new URL("../../../deploy/components/shop/", import.meta.url));

const files = [
  { path: "bin/start", mode: 0o755 },
  { path: "binder.mjs", mode: 0o644 },
  { path: "listener.mjs", mode: 0o644 },
  { path: "main.mjs", mode: 0o644 },
  { path: "primary.mjs", mode: 0o644 },
  { path: "worker.mjs", mode: 0o644 },
] as const;

export interface ShopVersion {
  readonly version: string;
  /** 0 for a healthy version; N answers 500 to one request in N. */
  readonly failOneIn: number;
}

/** The demo's four releases in order: first install, upgrade, regression, the one during which the controller is killed. */
export const shopVersions = [
  { version: "1.0.0", failOneIn: 0 },
  { version: "2.0.0", failOneIn: 0 },
  { version: "3.0.0", failOneIn: 10 },
  { version: "4.0.0", failOneIn: 0 },
] as const satisfies readonly ShopVersion[];

/** Writes the tree of one version as `directory`, replacing what is there; the directory appears whole or not at all. Returns it. */
export async function buildShop(shop: ShopVersion, directory: string): Promise<string> {
  const fresh = `${directory}.building-${process.pid}`;
  await rm(fresh, { recursive: true, force: true });
  for (const { path, mode } of files) {
    const target = join(fresh, path);
    await mkdir(dirname(target), { recursive: true, mode: 0o755 });
    await copyFile(join(shopSource, path), target);
    await chmod(target, mode);
  }
  const versionFile = join(fresh, "version.json");
  await writeFile(versionFile, `${JSON.stringify({ version: shop.version, failOneIn: shop.failOneIn })}\n`);
  await chmod(versionFile, 0o644);
  for (const folder of [fresh, join(fresh, "bin")]) await chmod(folder, 0o755);
  await rm(directory, { recursive: true, force: true });
  await rename(fresh, directory);
  return directory;
}

/** Builds all of `shopVersions` as `parent/VERSION`. */
export async function buildShopVersions(
  parent: string,
): Promise<{ readonly version: string; readonly directory: string }[]> {
  const built = [];
  for (const shop of shopVersions) {
    built.push({ version: shop.version, directory: await buildShop(shop, join(parent, shop.version)) });
  }
  return built;
}
