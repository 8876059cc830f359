// The least of a WebSocket server (RFC 6455) that echoes and answers pings; yours has a library. What a drain needs of it is
// `close(1001)`.
import { createHash } from "node:crypto";

const HANDSHAKE = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
const TEXT = 1;
const CLOSE = 8;
const PING = 9;
const PONG = 10;
const LARGEST_PAYLOAD = 125;

/** Returns `{ close(code) }`, or undefined when the request is no WebSocket. */
export function acceptWebSocket(request, socket) {
  const key = request.headers["sec-websocket-key"];
  if (key === undefined || request.headers.upgrade?.toLowerCase() !== "websocket") {
    socket.end("HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n");
    return undefined;
  }
  const accept = createHash("sha1").update(`${key}${HANDSHAKE}`).digest("base64");
  const head = ["HTTP/1.1 101 Switching Protocols", "Upgrade: websocket", "Connection: Upgrade"];
  socket.write(`${head.join("\r\n")}\r\nSec-WebSocket-Accept: ${accept}\r\n\r\n`);
  let bytes = Buffer.alloc(0);
  const send = (opcode, payload) => {
    if (socket.writable) socket.write(Buffer.concat([Buffer.from([0x80 | opcode, payload.length]), payload]));
  };
  socket.on("error", () => {}); // `close` follows
  socket.on("data", (chunk) => {
    bytes = Buffer.concat([bytes, chunk]);
    for (;;) {
      if (bytes.length < 2) return;
      const length = bytes[1] & 0x7f;
      if (length > LARGEST_PAYLOAD) return socket.destroy();
      if (bytes.length < 6 + length) return;
      const mask = bytes.subarray(2, 6);
      const payload = Buffer.from(bytes.subarray(6, 6 + length).map((byte, index) => byte ^ mask[index % 4]));
      const opcode = bytes[0] & 0x0f;
      bytes = bytes.subarray(6 + length);
      if (opcode === PING) send(PONG, payload);
      else if (opcode === TEXT) send(TEXT, payload);
      else if (opcode === CLOSE) return socket.end();
    }
  });
  return {
    /** The client answers with its own close; who does not within a second is let go. */
    close(code) {
      send(CLOSE, Buffer.from([code >> 8, code & 0xff]));
      setTimeout(() => socket.destroy(), 1_000).unref();
    },
  };
}
