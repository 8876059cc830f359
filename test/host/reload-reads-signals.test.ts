// Strategy reload for a service that blocks its signal all its life, since it reads it instead of handling it: it is not executing itself
// again, so nothing has to be waited for, and it is asked once.
import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe } from "node:test";
import { ask } from "../support/asking-clients.ts";
import { shells, withPartsHost } from "../support/host-parts.ts";
import { insertedAt } from "../support/killed-at.ts";
import { commit, switchTo, undo } from "../support/parts-steps.ts";
import { inTurn } from "../support/shells.ts";
import { skipReason } from "../support/skip-reason.ts";
import { until } from "../support/until.ts";

const skip = skipReason({ programs: ["python3"] });

/** How it gets to know of the signal; each returns when it came. */
const ways: Readonly<Record<string, string>> = {
  "has a thread that waits for it (sigwait)": `came = threading.Event()
def take():
    name_me(); signal.sigwait({signal.SIGHUP}); came.set()
threading.Thread(target=take, daemon=True).start()
while not came.wait(0.05): pass`,
  "reads it from a descriptor (signalfd)": `libc = ctypes.CDLL(None)
mask = (ctypes.c_ulong * 16)(1 << (signal.SIGHUP - 1))
fd = libc.signalfd(-1, mask, 0o2000000)
assert fd >= 0
name_me(); os.read(fd, 128)`,
  "leaves it to another of its threads (a handler)": `came = threading.Event()
signal.signal(signal.SIGHUP, lambda *_: came.set())
def take():
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGHUP})
    name_me()
    threading.Event().wait()
threading.Thread(target=take, daemon=True).start()
while not came.wait(0.05): pass`,
};

/** It answers its version, and executes what \`current\` names, with its listener. */
function service(version: string, way: string): string {
  return `import ctypes, os, signal, socket, threading
signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGHUP})
root, here = os.environ["CUTOVER_ROOT"], os.path.dirname(os.path.abspath(__file__))
if "LISTENS_ON" in os.environ:
    listener = socket.socket(fileno=int(os.environ["LISTENS_ON"]))
else:
    listener = socket.create_server(("127.0.0.1", int(os.environ["PORT"])))
listener.set_inheritable(True)
os.environ["LISTENS_ON"] = str(listener.fileno())
def serve():
    while True:
        client, _ = listener.accept()
        client.recv(4096)
        client.sendall(b"HTTP/1.1 200 OK\\r\\nConnection: close\\r\\nContent-Length: 3\\r\\n\\r\\n${version}\\n")
        client.close()
threading.Thread(target=serve, daemon=True).start()
def name_me():
    with open(os.environ["CUTOVER_PID_FILE"], "w") as file: file.write(f"{os.getpid()}\\n")
${way}
program = os.path.join(root, os.readlink(os.path.join(root, "current")), "bin/app.py")
os.execv("/usr/bin/python3", ["/usr/bin/python3", program])
`;
}

for (const shell of shells) {
  const test = inTurn(shell.join(" "));
  const name = shell.join(" ");
  describe(name, { concurrency: 2, skip }, () => {
    for (const [how, way] of Object.entries(ways))
      test(`${name}: a main process that ${how} is asked at once, there and back`, () =>
        withPartsHost(shell, async (host) => {
          for (const version of ["v1", "v2"])
            await host.install(version, {
              contract: {
                manager: "process",
                "switch.strategy": "reload",
                "switch.start": "bin/start",
                "switch.reload-signal": "HUP",
                "switch.ready-seconds": "20",
                "env.0": `PORT=${host.port}`,
              },
              tree: {
                "bin/start": `#!/bin/sh\nexec /usr/bin/python3 "$CUTOVER_ROOT/$(readlink "$CUTOVER_ROOT/current")/bin/app.py"\n`,
                "bin/app.py": service(version, way),
              },
            });
          await commit(host, "v1");
          const main = await host.pid();
          // Until it does, it is as one that executes itself.
          const reads = () =>
            until("it to read its signal", 5000, async () => (await host.word("call", "holds_back", `${main}`, "HUP")).exitCode === 1); // biome-ignore format: one line
          await reads();
          const [waited, again] = [join(host.base, "waited"), join(host.base, "again")];
          const whole = await readFile(host.script, "utf8");
          const watched = insertedAt(whole, ["reload_let_finish", "\t\tnap"], `: >${waited}`);
          await writeFile(host.script, insertedAt(watched, ["reload_ask", "\tkill -s"], `echo asked >>${again}`));
          const switched = await switchTo(host, "v2");
          assert.match(switched.evidence, new RegExp(`old-pid=${main} new-pid=${main} from=v1 to=v2`), switched.reason);
          assert.equal(await ask(host.port), "v2");
          await reads();
          await undo(host, "v2");
          assert.equal(await ask(host.port), "v1");
          assert.equal(existsSync(waited), false, "waited for it to execute itself");
          assert.equal(await readFile(again, "utf8"), "asked\nasked\n");
        }));
  });
}
