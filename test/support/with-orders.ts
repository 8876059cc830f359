// The world of tasks: `orders` converts its data before it switches, and the first script stumbles on one of three hosts.
import { mkdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { stringify } from "yaml";
import type { LabHost } from "../../src/lab/lab.ts";
import type { JournalEvent } from "../../src/model/run-event.ts";
import { openJournal } from "../../src/wiring.ts";
import { type Command, cutoverHere } from "./cutover-command.ts";
import { layFiles } from "./lay-files.ts";
import { type Home, withHome } from "./with-home.ts";
import { withLoopbackLab } from "./with-lab.ts";
import { enrolment, retire } from "./with-world.ts";

/** `orders`, with a conversion that fails on the row of one host. */
const contract = {
  apiVersion: "cutover/v1",
  kind: "Component",
  name: "orders",
  root: "/srv/cutover/orders",
  tasks: [
    { name: "convert", do: "convert", undo: "unconvert", at: "before-switch", dryRun: true },
    { name: "count", do: "count", at: "after-switch" },
    { name: "expand", do: "expand", undo: "shrink", at: "prepare", scope: "once" },
  ],
  deadlineSeconds: 120,
};

export const pathIn = (host: LabHost, path: string) => `${host.prefix}${path}`;
export const data = (host: LabHost) => pathIn(host, "/srv/cutover/data/orders.csv");
export const words = (host: LabHost) => pathIn(host, "/srv/cutover/data/words");
const head = '#!/bin/sh\nset -eu\ndata=$CUTOVER_PREFIX/srv/cutover/data\necho "$0" | sed "s|.*/||" >>"$data/words"\n';

/** Converts `1,5` to `1;5`; the first script stumbles over a row that only one host has. */
const convert = (isMended: boolean) => `${head}
if [ -n "\${CUTOVER_DRY_RUN-}" ]; then echo "would convert $(wc -l <"$data/orders.csv") rows"; exit 0; fi
[ -f "$data/before" ] || cp "$data/orders.csv" "$data/before"
tr , ';' <"$data/before" >"$data/orders.csv"
${isMended ? "" : `if grep -q odd "$data/orders.csv"; then echo "row 2: odd is no number"; exit 1; fi`}
echo "$(wc -l <"$data/orders.csv") rows"
`;
const scripts = (isMended: boolean) => ({
  convert: convert(isMended),
  unconvert: `${head}[ ! -f "$data/before" ] || mv "$data/before" "$data/orders.csv"\n`,
  count: `${head}wc -l <"$data/orders.csv"\n`,
  expand: head,
  shrink: head,
});

export interface OrdersWorld extends Home {
  readonly cutover: Command;
  readonly hosts: readonly LabHost[];
  publishOrders(version: string, isMended?: boolean): Promise<void>;
  /** Publishes the version once more with the mended scripts, as `cutover publish --amend`. */
  amendOrders(version: string): Promise<void>;
  pushOrders(version: string, policy?: string): Promise<string>;
  runEvents(): Promise<JournalEvent[]>;
}

/** Three hosts that have `orders`; nothing is published or pushed yet. */
export function withOrders(body: (world: OrdersWorld) => Promise<void>): Promise<void> {
  return withLoopbackLab(3, (lab) =>
    withHome(lab, { contracts: [contract], policy: { batchSize: 1 }, enrolment, retire }, async (home) => {
      const cutover = cutoverHere(home);
      await writeFile(join(home.home, "orders.yaml"), stringify(contract));
      await Promise.all(
        lab.hosts.map(async (host, index) => {
          await mkdir(pathIn(host, "/srv/cutover/data"), { recursive: true });
          await writeFile(data(host), index === 1 ? "1,5\nodd,7\n" : "1,5\n");
          await writeFile(words(host), "");
        }),
      );
      await body({
        ...home,
        cutover,
        hosts: lab.hosts,
        async publishOrders(version, isMended = true) {
          const tree = join(home.directory, "trees", version);
          const bundle = join(home.directory, "bundles", `${version}-${isMended}`);
          layFiles(tree, { version });
          layFiles(bundle, scripts(isMended));
          await home.publish(contract, version, tree, bundle);
        },
        async amendOrders(version) {
          const mended = join(home.directory, "mended");
          layFiles(join(mended, "tasks"), scripts(true));
          layFiles(mended, { "component.yaml": stringify(contract) });
          const component = join(mended, "component.yaml");
          const publish = ["publish", join(home.directory, "trees", version), "--component", component];
          const places = [
            "--release-key",
            join(home.home, "keys/release"),
            "--artifacts",
            join(home.home, "artifacts"),
          ];
          await cutover(0, ...publish, "--version", version, "--amend", ...places);
        },
        pushOrders: (version, policy = "manual") => home.pushVersion("orders", version, { rollback_policy: policy }),
        async runEvents() {
          const { journal, close } = await openJournal(home.config);
          try {
            return await journal.read((await journal.streams("run/")).at(-1) ?? "");
          } finally {
            await close();
          }
        },
      });
    }),
  );
}

export const versionOf = (host: LabHost) => readFile(pathIn(host, "/srv/cutover/orders/current/version"), "utf8");
