// Node's fetch and http.Agent against the examples: node.mjs CONFORMANCE STREAM CASE, both as HOST:PORT.

import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { once } from "node:events";
import http from "node:http";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";

const [conformance, stream, name] = process.argv.slice(2);

const cases = {
  // Many at once, each with a body of its own.
  async parallelFetch() {
    const one = async (number) => {
      const body = `request ${number} `.repeat(number + 1);
      const response = await fetch(`http://${conformance}/${number}`, { method: "POST", body });
      assert.equal(response.status, 200);
      assert.equal(await response.text(), body);
      const gone = await fetch(`http://${conformance}/status/404`);
      assert.equal(gone.status, 404);
      assert.equal(await gone.text(), "status");
    };
    await Promise.all(Array.from({ length: 200 }, (_, number) => one(number)));
  },

  // Both ways in pieces, and an answer that is left half read.
  async streamedFetch() {
    const hash = createHash("sha256");
    let bytes = 0;
    const pieces = async function* () {
      for (let number = 0; number < 300; number++) {
        const piece = Buffer.alloc(1 + number * 7, number % 256);
        hash.update(piece);
        bytes += piece.length;
        yield piece;
      }
    };
    const upload = { method: "POST", body: Readable.toWeb(Readable.from(pieces())), duplex: "half" };
    const answer = await fetch(`http://${stream}/upload`, upload);
    assert.equal(await answer.text(), `${bytes} bytes, sha256 ${hash.digest("hex")}\n`);

    const half = await fetch(`http://${stream}/lines`);
    const reader = half.body.getReader();
    assert.ok((await reader.read()).value.length > 0);
    await reader.cancel();

    await theLines((await fetch(`http://${stream}/lines`)).body);
  },

  // 400 requests over 8 connections, none of which the server closes.
  async keepAliveAgent() {
    const agent = new http.Agent({ keepAlive: true, maxSockets: 8 });
    const sockets = new Set();
    const one = async (number) => {
      const body = `request ${number}`;
      const request = http.request(`http://${conformance}/`, { agent, method: "PUT" });
      request.on("socket", (socket) => sockets.add(socket));
      request.end(body);
      const [response] = await once(request, "response");
      assert.equal(response.statusCode, 200);
      assert.equal(await text(response), body);
    };
    await Promise.all(Array.from({ length: 400 }, (_, number) => one(number)));
    assert.equal(sockets.size, 8);
    agent.destroy();
  },

  // Uploads in chunks beside downloads, more of them than there are connections.
  async streamedAgent() {
    const agent = new http.Agent({ keepAlive: true, maxSockets: 4 });
    const up = async () => {
      const piece = Buffer.alloc(10_000, "x");
      const request = http.request(`http://${stream}/upload`, { agent, method: "POST" });
      const answered = once(request, "response");
      await pipeline(Readable.from(Array.from({ length: 50 }, () => piece)), request);
      const [response] = await answered;
      assert.match(await text(response), /^500000 bytes, sha256 [0-9a-f]{64}\n$/);
    };
    const down = async () => {
      const request = http.get(`http://${stream}/lines`, { agent });
      const [response] = await once(request, "response");
      await theLines(response);
    };
    await Promise.all([up(), down(), up(), up(), down(), up(), up(), up()]);
    agent.destroy();
  },
};

async function text(response) {
  let text = "";
  for await (const piece of response) text += piece;
  return text;
}

// Fails unless these are the million lines.
async function theLines(body) {
  const pieces = [];
  for await (const piece of body) pieces.push(piece);
  const lines = Buffer.concat(pieces).toString("latin1").split("\n");
  assert.equal(lines.pop(), "");
  assert.equal(lines.length, 1_000_000);
  lines.forEach((line, index) => {
    if (line !== `line ${index + 1} of 1000000`) assert.fail(`line ${index + 1} is ${line}`);
  });
}

await cases[name]();
console.log(`${name}: ok`);
