// What waits: turns, calls that are given up, bodies that are written piece by piece or were read before, and the network.

import assert from "node:assert/strict";
import http from "node:http";
import { after, before, describe, test } from "node:test";
import { brotliCompressSync, gzipSync } from "node:zlib";

import { bound, start, until } from "./lib.js";

/** @type {Awaited<ReturnType<typeof start>>} */
let server;
/** @type {http.Server} */
let origin;
let site = "";
const get = (target, options) => server.call("app", target, options);
const post = (target, body, headers) => server.call("app", target, { method: "POST", body, headers });
const fetched = (path, target = "/network") => get(target, { headers: { "x-url": site + path } });

before(async () => {
  origin = http.createServer((request, response) => {
    const zeros = Buffer.alloc(50_000_000);
    switch (request.url) {
      case "/plain": return void response.end("plain");
      case "/moved": return void response.writeHead(302, { location: "/plain" }).end("moved");
      case "/gzip": return void response.writeHead(200, { "content-encoding": "gzip", "content-length": gzipSync("x".repeat(9_000)).length }).end(gzipSync("x".repeat(9_000)));
      // A few bytes on the wire that say so, and 50 million behind them.
      case "/bomb": {
        const coded = brotliCompressSync(zeros);
        return void response.writeHead(200, { "content-encoding": "br", "content-length": coded.length }).end(coded);
      }
      case "/cut": return void response.writeHead(200, { "content-length": 100 }).write("begun", () => response.destroy());
      default: return void response.writeHead(404).end();
    }
  });
  await new Promise((resolve) => origin.listen(0, "127.0.0.1", () => resolve(undefined)));
  site = `http://127.0.0.1:${/** @type {import("node:net").AddressInfo} */ (origin.address()).port}`;
  server = await start(bound(), { config: '(name = "internet", network = (allow = ["local", "private"])),\n' });
});
after(async () => {
  origin.closeAllConnections();
  origin.close();
  await server.stop();
  server.remove();
});

describe("a handler that wakes itself", () => {
  test("lets others go first, as often as it likes", async () => {
    for (const turns of [1, 2, 50]) assert.equal((await get(`/turns?${turns}`)).text, "after all others");
  });

  test("goes on when one half of it wakes the other", async () => assert.equal((await get("/halves")).text, "both"));
});

describe("what goes wrong underway", () => {
  test("an error that a handler can live with is nothing to its answer", async () => {
    const answer = await get("/recovered");
    assert.equal(answer.status, 200);
    assert.ok(answer.text === "x".repeat(40_000));
  });

  test("a body of which something was read is not passed on, and given up", async () => {
    for (const query of ["0", "1"]) {
      const answer = await get(`/begun?${query}`);
      assert.equal(answer.text, "500 Internal Server Error\n", query);
    }
    await server.logged("something was read");
    let counts = "";
    await until(async () => (counts = (await server.call("echo", "/cancelled")).text) === "1 of 1", () => `cancelled: ${counts}`);
  });

  test("a call that is given up before it has settled leaves nothing open", async () => {
    for (let turn = 0; turn < 3; turn++) assert.equal((await get("/dropped")).text, "answered");
    // Whatever came of them, or had begun, is cancelled.
    let counts = "";
    await until(async () => {
      counts = (await server.call("echo", "/cancelled")).text;
      const [cancelled, , begun] = counts.split(" ");
      return cancelled === begun;
    }, () => `cancelled: ${counts}`);
  });

  test("a sleep that is given up is not waited for", async () => assert.equal((await get("/given-up-sleep")).text, "answered"));
});

describe("a body that is written piece by piece", () => {
  test("arrives whole, of known length or not", async () => {
    for (const size of [0, 5, 16_384, 500_000]) {
      const body = Buffer.alloc(size, "upload ");
      for (const path of ["/upload", "/upload-sized"]) {
        const answer = await post(path, body);
        assert.equal(answer.status, 200, `${path} ${size}`);
        assert.ok(answer.bytes.equals(body), `${path} ${size}`);
      }
    }
  });

  test("comes back while it is still being sent", async () => {
    for (const blocks of [0, 1, 500]) {
      const answer = await get(`/upload-duplex?${blocks}`);
      assert.equal(answer.status, 203, `${blocks}`);
      assert.ok(answer.text === "d".repeat(blocks * 1000), `${blocks}`);
    }
  });

  test("of another length than was declared is an error", async () => {
    for (const path of ["/upload-short", "/upload-long"]) assert.equal((await get(path)).status, 200, path);
  });

  test("that nobody reads ends with the answer", async () => {
    const answer = await get("/upload-unread");
    assert.equal(answer.status, 203);
    assert.equal(answer.text, "fetched");
  });

  test("takes its request with it if it is dropped", async () => {
    const answer = await get("/upload-dropped");
    assert.deepEqual([answer.status, answer.text], [599, "answered"]);
    // Whoever was reading it may be gone by now, but never has taken it for whole.
    assert.doesNotMatch((await server.call("echo", "/was-broken")).text, /whole/);
  });
});

describe("the network", () => {
  test("is fetched from, and a redirect is the handler's", async () => {
    const plain = await fetched("/plain");
    assert.equal(plain.status, 200);
    assert.equal(plain.text, "plain");
    const moved = await fetched("/moved");
    assert.equal(moved.status, 302);
    assert.equal(moved.headers["x-location"], "/plain");
    assert.equal(moved.text, "moved");
    assert.equal((await fetched("/none")).status, 404);
  });

  test("what it sends is sent on", async () => {
    const answer = await fetched("/plain", "/network-sent-on");
    assert.equal(answer.status, 203);
    assert.equal(answer.text, "plain");
    assert.ok((await fetched("/gzip", "/network-sent-on")).text === "x".repeat(9_000));
  });

  test("a coded body is decoded, a piece at a time", async () => {
    assert.ok((await fetched("/gzip")).text === "x".repeat(9_000));
    const answer = await fetched("/bomb");
    assert.equal(answer.bytes.length, 50_000_000);
    assert.ok(answer.bytes.every((byte) => byte === 0));
  });

  test("a body that breaks off does not look complete", async () => {
    assert.equal((await fetched("/cut")).text, "500 Internal Server Error\n");
  });
});
