// What is yours: which addresses to listen on, and app.mjs, which serves on them.
import { startServing } from "./app.mjs";
import { runWithHandOver } from "./hand-over.mjs";

const host = process.env.CUTOVER_ADDRESS ?? "127.0.0.1";
runWithHandOver({
  listeners: [
    { host, port: Number(process.env.PORT ?? 8080) },
    { host, port: Number(process.env.HTTP2_PORT ?? 8081) },
  ],
  workers: 2,
  startServing,
});
