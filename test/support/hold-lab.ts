// A process that owns a lab until it is killed: `node hold-lab.ts loopback|systemd DIRECTORY HOSTS` prints the lab's id once it is up.
import { startLoopbackLab } from "../../src/lab/loopback-lab.ts";
import { startSystemdLab } from "../../src/lab/systemd-lab.ts";

const [kind, directory = "", hosts = "1"] = process.argv.slice(2);
const request = { directory, hosts: Number(hosts) };
const lab = await (kind === "systemd" ? startSystemdLab(request) : startLoopbackLab(request));
process.stdout.write(`${lab.id}\n`);
process.stdin.resume();
