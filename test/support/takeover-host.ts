// deploy/skeletons/c-takeover as a version of a host's component, as published trees lay it out, and what its clients see.
import assert from "node:assert/strict";
import { access, copyFile, writeFile } from "node:fs/promises";
import { get } from "node:http";
import { join } from "node:path";
import { buildTakeover } from "./build-skeleton.ts";
import { freePort, type PartsHost } from "./host-parts.ts";
import { serviceProcesses } from "./live-processes.ts";

export interface TakeoverHost {
  readonly streamPort: number;
  /** `point`: where in a takeover this version dies, hangs or waits, such as `received die`. `start`: another start program. `format`: of its state. */
  install(
    version: string,
    how?: {
      readonly point?: string;
      readonly start?: string;
      readonly format?: number;
      readonly contract?: Record<string, string>;
    },
  ): Promise<void>;
  /** Switches and asserts that it went well. */
  switchTo(version: string, run?: string): Promise<string>;
  commit(version: string): Promise<void>;
  /** Version and pid that answer over HTTP. */
  ask(): Promise<{ readonly version: string; readonly pid: number }>;
  /** Whether the socket of a takeover is there. */
  hasSocket(): Promise<boolean>;
  /** Pids of live processes of any version of this host. */
  processes(): Promise<number[]>;
}

export async function takeoverOn(host: PartsHost): Promise<TakeoverHost> {
  const streamPort = await freePort();
  const self: TakeoverHost = {
    streamPort,
    async install(version, { point, start, format = 1, contract = {} } = {}) {
      await host.install(version, {
        contract: {
          manager: "process",
          "switch.strategy": "takeover",
          "switch.start": start === undefined ? "server" : "start",
          "switch.ready-seconds": "10",
          "switch.stop-seconds": "8",
          "env.1": `PORT=${host.port}`,
          "env.2": `STREAM_PORT=${streamPort}`,
          ...contract,
        },
        tree: { version: `${version}\n`, ...(start === undefined ? {} : { start }) },
      });
      const tree = join(host.base, "web/versions", version);
      await copyFile(await buildTakeover({ withPoints: point !== undefined, format }), join(tree, "server"));
      if (point !== undefined) await writeFile(join(tree, "point"), point);
    },
    async switchTo(version, run = version) {
      const switched = await host.task("switch", "do", { version, run, session: "a" });
      assert.equal(switched.exitCode, 0, `${switched.reason} ${switched.evidence}`);
      return switched.evidence;
    },
    async commit(version) {
      await self.switchTo(version);
      assert.equal((await host.task("confirm", "do", { version, run: version, session: "b" })).exitCode, 0);
      const committed = await host.task("commit", "do", { version, run: version });
      assert.equal(committed.exitCode, 0, `${committed.reason} ${committed.evidence}`);
    },
    async ask() {
      const body = await answer(host.port);
      const found = /^c-takeover (\S+) pid (\d+)\n$/.exec(body);
      assert.ok(found, `answered ${JSON.stringify(body)}`);
      return { version: found[1] ?? "", pid: Number(found[2]) };
    },
    hasSocket: () =>
      access(join(host.state, "components/web/takeover/socket")).then(
        () => true,
        () => false,
      ),
    processes: () => serviceProcesses(host),
  };
  return self;
}

function answer(port: number): Promise<string> {
  return new Promise((done, failed) => {
    const request = get({ host: "127.0.0.1", port, agent: false, timeout: 30_000 }, (reply) => {
      let body = "";
      reply.setEncoding("utf8").on("data", (text: string) => {
        body += text;
      });
      reply.on("end", () => done(body));
      reply.on("error", failed);
    });
    request.on("timeout", () => request.destroy(new Error("no answer within 30 s")));
    request.on("error", failed);
  });
}
