// The artifact trees of the fleet: four real servers from Debian, each in the two versions that Debian has of it, with the
// files of deploy/components. A tree brings the libraries that the lab's hosts lack.
import { cp, mkdir, readdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { debianVersions, fetchDebianPackage } from "../../src/lab/fetch-debian-package.ts";
import { type DebianFiles, takeFiles, takeFromDebian } from "./debian-files.ts";

export const fleetComponents = ["database", "cache", "api", "gateway"] as const;
export type FleetComponent = (typeof fleetComponents)[number];

const sources = fileURLToPath(new URL("../../deploy/components/", import.meta.url));

interface Server {
  /** The package with two versions, and where its program goes. */
  readonly package: string;
  readonly program: readonly [from: string, to: string];
  /** More files of that package: path in the package → path in the tree. */
  readonly files?: Readonly<Record<string, string>>;
  /** Files of other packages, in their newest version. `LIB/` is the directory of shared libraries. */
  readonly beside: Readonly<Record<string, Readonly<Record<string, string>>>>;
}

const servers: Readonly<Record<FleetComponent, Server>> = {
  database: {
    package: "redis-tools", // redis-server is but a link to what this one brings
    program: ["usr/bin/redis-check-rdb", "bin/redis-server"],
    files: { "usr/bin/redis-cli": "bin/redis-cli" },
    beside: {
      libatomic1: { "LIB/libatomic.so.1": "lib/libatomic.so.1" },
      libjemalloc2: { "LIB/libjemalloc.so.2": "lib/libjemalloc.so.2" },
      liblzf1: { "LIB/liblzf.so.1": "lib/liblzf.so.1" },
    },
  },
  cache: {
    package: "memcached",
    program: ["usr/bin/memcached", "bin/memcached"],
    beside: {
      "libevent-2.1-7": { "LIB/libevent-2.1.so.7": "lib/libevent-2.1.so.7" },
      "libsasl2-2": { "LIB/libsasl2.so.2": "lib/libsasl2.so.2" },
    },
  },
  api: {
    package: "nginx",
    program: ["usr/sbin/nginx", "bin/nginx"],
    beside: {
      "libluajit2-5.1-2": { "LIB/libluajit-5.1.so.2": "lib/libluajit-5.1.so.2" },
      "libnginx-mod-http-lua": {
        "usr/lib/nginx/modules/ngx_http_lua_module.so": "modules/ngx_http_lua_module.so",
      },
      "libnginx-mod-http-ndk": { "usr/lib/nginx/modules/ndk_http_module.so": "modules/ndk_http_module.so" },
      libpcre3: { "LIB/libpcre.so.3": "lib/libpcre.so.3" },
      "lua-resty-core": { "usr/share/lua/5.1/": "lua/" },
      "lua-resty-lrucache": { "usr/share/lua/5.1/": "lua/" },
    },
  },
  gateway: {
    package: "haproxy",
    program: ["usr/sbin/haproxy", "bin/haproxy"],
    beside: {
      "liblua5.3-0": { "LIB/liblua5.3.so.0": "lib/liblua5.3.so.0" },
      "libopentracing-c-wrapper0": { "LIB/libopentracing-c-wrapper.so.0": "lib/libopentracing-c-wrapper.so.0" },
      libopentracing1: { "LIB/libopentracing.so.1": "lib/libopentracing.so.1" },
    },
  },
};

export interface FleetTrees {
  /** Debian's versions, older first; the same twice where Debian has but one. */
  readonly debian: Readonly<Record<FleetComponent, readonly [older: string, newer: string]>>;
  /** Writes a tree that calls itself `version`, with the server of Debian's `which` version; returns its directory. */
  build(component: FleetComponent, version: string, which: "older" | "newer", parent: string): Promise<string>;
}

/** Asks apt what there is, and fetches what the cache lacks. */
export async function fleetTrees(): Promise<FleetTrees> {
  const beside = Object.values(servers).flatMap((server) => Object.keys(server.beside));
  const versions = await debianVersions([...Object.values(servers).map((server) => server.package), ...beside]);
  const newest = (name: string, place = 0): string => {
    const found = versions.get(name)?.at(place) ?? versions.get(name)?.at(-1);
    if (found === undefined) throw new Error(`Debian has no ${name} here: apt-cache madison ${name}`);
    return found;
  };
  const debian = Object.fromEntries(
    Object.entries(servers).map(([name, server]) => [name, [newest(server.package, 1), newest(server.package)]]),
  ) as unknown as FleetTrees["debian"];
  return {
    debian,
    async build(component, version, which, parent) {
      const server = servers[component];
      const tree = join(parent, component, version);
      await mkdir(join(tree, "bin"), { recursive: true });
      const own = join(sources, component, "tree");
      const sourced: readonly string[] = await readdir(join(sources, component));
      if (sourced.includes("tree")) await cp(own, tree, { recursive: true });
      const [older, newer] = debian[component];
      const wanted = { name: server.package, version: which === "older" ? older : newer };
      await takeFiles(
        await fetchDebianPackage(wanted),
        { [server.program[0]]: server.program[1], ...server.files },
        tree,
      );
      for (const [name, files] of Object.entries(server.beside))
        await takeFiles(await fetchDebianPackage({ name, version: newest(name) }), files, tree);
      await writeFile(join(tree, "VERSION"), `${version}\n`);
      return tree;
    },
  };
}

/** HAProxy with the libraries that hosts may lack: bin/haproxy and lib/. */
export const haproxyFiles: DebianFiles = {
  [servers.gateway.package]: { [servers.gateway.program[0]]: servers.gateway.program[1] },
  ...servers.gateway.beside,
};

/** Debian's newest one. */
export function buildHaproxy(tree: string): Promise<void> {
  return takeFromDebian(haproxyFiles, tree);
}
