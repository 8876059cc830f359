// A controller's home for a bench: keys, release repository, artifacts; versions published and releases pushed into it.
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { stringify } from "yaml";
import { initRelease } from "../../src/app/init.ts";
import { publish } from "../../src/app/publish.ts";
import { mustRun } from "../../src/lab/run-program.ts";
import { Component } from "../../src/model/component.ts";
import { artifactWriter, keyMaker, signer } from "../../src/wiring.ts";

export interface BenchHome {
  readonly directory: string;
  readonly config: string;
  publicKey(name: "release" | "controller" | "envelope"): Promise<string>;
  publish(contract: object, version: string, tree: string): ReturnType<typeof publish>;
  /** Documents by file name below releases/, committed signed and pushed. */
  push(documents: Readonly<Record<string, object>>): Promise<void>;
}

export async function makeHome(directory: string): Promise<BenchHome> {
  await initRelease(directory, { keyMaker });
  return homeAt(directory);
}

/** A home that is there already. */
export function homeAt(directory: string): BenchHome {
  const work = join(directory, "work");
  const git = (...args: string[]) => mustRun(["git", "-C", work, ...args]);
  return {
    directory,
    config: join(directory, "cutover.yaml"),
    publicKey: async (name) =>
      (await readFile(join(directory, "keys", `${name}.pub`), "utf8")).trim().split(" ").slice(0, 2).join(" "),
    publish: (contract, version, tree) =>
      publish({
        directory: tree,
        component: Component.parse(contract),
        version,
        releaseKeys: [join(directory, "keys", "release")],
        store: artifactWriter(join(directory, "artifacts")),
        signer,
        now: Date.now(),
      }),
    async push(documents) {
      for (const [name, value] of Object.entries(documents))
        await writeFile(join(work, "releases", name), stringify(value));
      await git("add", "--all");
      await git("commit", "--quiet", "--message", "A release");
      await git("push", "--quiet", "origin", "HEAD:main");
    },
  };
}

export function releaseOf(component: string, version: string): object {
  const base = { apiVersion: "cutover/v1", kind: "Release", name: component, policy: "default" };
  return { ...base, components: [{ name: component, version }] };
}
