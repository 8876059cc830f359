// What a request of the meter says of the connection that it failed on.
import assert from "node:assert/strict";
import { Agent } from "node:http";
import { Agent as TlsAgent } from "node:https";
import { test } from "node:test";
import { sendRequest } from "../../../src/lab/meter/send-request.ts";
import { withStoppableListener } from "../../support/full-listener.ts";

test("a connection that nobody accepts until the deadline counts as not accepted, nor one that nobody speaks TLS with; one that is accepted and never answered does not", () =>
  withStoppableListener(async (listener) => {
    const timeoutMs = 2_000;
    const ask = async (tls = false) => {
      const agent = tls ? new TlsAgent() : new Agent();
      const request = { address: "127.0.0.1", port: listener.port, path: "/", agent, tls, timeoutMs, client: "t" };
      const { failure } = await sendRequest(request);
      return [failure?.reason, failure?.unaccepted];
    };
    assert.deepEqual(await ask(), ["timeout", false]);
    assert.deepEqual(await ask(true), ["timeout", true]);
    listener.stop();
    await listener.fill();
    assert.deepEqual(await ask(), ["timeout", true]);
  }));
