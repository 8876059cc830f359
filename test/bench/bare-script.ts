// What a person would write with ssh2 in an hour: for each host as many connections as the release opens, as many bytes sent,
// and the least that has to happen there. Arguments: a JSON file with the request. Prints hosts and seconds as JSON.
import { readFileSync } from "node:fs";
import pMap from "p-map";
import { Client } from "ssh2";

export interface BareRequest {
  readonly hosts: readonly { readonly address: string; readonly port: number; readonly root: string }[];
  readonly user: string;
  readonly keyPath: string;
  readonly payloadPath: string;
  /** Sent beside the payload: documents and signatures of the real thing. */
  readonly moreBytes: number;
  readonly atOnce: number;
}

const request = JSON.parse(readFileSync(process.argv[2] ?? "", "utf8")) as BareRequest;
const privateKey = readFileSync(request.keyPath);
const bytes = Buffer.concat([readFileSync(request.payloadPath), Buffer.alloc(request.moreBytes)]);

/** Connects, runs one command with `input`, closes. */
function once(host: BareRequest["hosts"][number], command: string, input: Buffer): Promise<string> {
  return new Promise((resolve, reject) => {
    const client = new Client();
    client.on("error", reject);
    client.on("ready", () => {
      client.setNoDelay(true);
      client.exec(command, (error, channel) => {
        if (error) return reject(error);
        let said = "";
        channel.on("data", (chunk: Buffer) => {
          said += chunk.toString();
        });
        channel.stderr.resume();
        channel.on("close", (code: number) => {
          client.end();
          if (code === 0) resolve(said);
          else reject(new Error(`${host.address}: ${command} exited with ${code}`));
        });
        channel.end(input);
      });
    });
    client.connect({
      host: host.address,
      port: host.port,
      username: request.user,
      privateKey,
      algorithms: { kex: ["curve25519-sha256"], cipher: ["aes128-gcm@openssh.com"], compress: ["none"] },
    });
  });
}

const began = performance.now();
await pMap(
  request.hosts,
  async (host) => {
    const dir = `${host.root}/bare`;
    const receive = `mkdir -p ${dir} && cat >${dir}/new && sha256sum ${dir}/new && sync ${dir}/new && mv -T ${dir}/new ${dir}/current && sync ${dir}`;
    await once(host, receive, bytes);
    await once(host, `sha256sum ${dir}/current`, Buffer.alloc(0));
  },
  { concurrency: request.atOnce },
);
process.stdout.write(JSON.stringify({ hosts: request.hosts.length, seconds: (performance.now() - began) / 1_000 }));
