// Whether an sshd answers: the cheapest proof that a host is there.
import { connect } from "node:net";

/** True when `address:port` greets as SSH within `withinMs`. */
export function answersSsh(address: string, port: number, withinMs = 5000): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ host: address, port });
    const end = (answer: boolean) => {
      socket.destroy();
      resolve(answer);
    };
    socket.setTimeout(withinMs, () => end(false));
    socket.once("error", () => end(false));
    socket.once("end", () => end(false));
    socket.once("data", (data: Buffer) => end(data.toString("latin1").startsWith("SSH-")));
  });
}
