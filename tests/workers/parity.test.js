// The same requests to the same handlers, in workerd and on the TCP host: the same answers.

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import path from "node:path";
import { after, before, test } from "node:test";

import { bound, call, start, wasm } from "./lib.js";

const names = ["conformance", "rest"];
const peers = {};
/** @type {Awaited<ReturnType<typeof start>>} */
let server;

before(async () => {
  server = await start(bound(Object.fromEntries(names.map((name) => [name, name]))));
  for (const name of names) {
    const child = spawn(process.env.MIDGE_PEER ?? path.join(wasm, "../../debug/midge-workers-peer"), [name], { stdio: ["ignore", "pipe", "inherit"] });
    const port = await new Promise((resolve, reject) => {
      child.stdout.once("data", (data) => resolve(/:(\d+)\s*$/.exec(String(data))?.[1]));
      child.once("error", reject);
    });
    peers[name] = { child, port };
  }
});
after(async () => {
  for (const { child } of Object.values(peers)) child.kill();
  await server.stop();
  server.remove();
});

/** Status, body, and every field but those that a host adds or frames by itself. */
const seen = ({ status, lines, bytes }) => ({
  status,
  lines: lines.filter((line) => !/^(date|connection|keep-alive|transfer-encoding|content-length):/.test(line)),
  body: bytes.toString("latin1"),
});

const fields = (text) => text.split("\n").filter((line) => /^x-/.test(line)).sort();

const requests = {
  conformance: [
    ["GET", "/"], ["HEAD", "/"], ["OPTIONS", "/"], ["POST", "/", "a body"], ["PUT", "/x", "another"], ["POST", "/", ""], ["DELETE", "/"], ["PATCH", "/", "x"],
    ["GET", "/stream"], ["HEAD", "/stream"], ["GET", "/cookie", undefined, { cookie: "a=1; b=2" }], ["GET", "/cookie"],
    ...[200, 204, 205, 304, 404, 405, 500, 599].flatMap((status) => [["GET", `/status/${status}`], ["HEAD", `/status/${status}`]]),
    ["GET", "/status/99"], ["GET", "/a%20b?c=%zz&d"], ["POST", "/", Buffer.alloc(16_384, "x")], ["POST", "/", Buffer.alloc(16_385, "x")],
    ["POST", "/", Buffer.from("chunked"), { "transfer-encoding": "chunked" }], ["PROPFIND", "/"],
  ],
  rest: [
    ["GET", "/"], ["HEAD", "/"], ["POST", "/", "x"], ["GET", "/users/42"], ["HEAD", "/users/42"], ["DELETE", "/users/42"], ["GET", "/users/a%22b"], ["GET", "/users"],
    ["POST", "/users", "{\"name\":\"Ada\"}", { "content-type": "application/json" }], ["POST", "/users", "h\u00e9"], ["POST", "/users", Buffer.alloc(20_000)],
    ["GET", "/stream"], ["HEAD", "/stream"], ["PUT", "/stream", ""], ["GET", "/nothing"], ["GET", "/users/42?query"],
    ["OPTIONS", "/users"], ["GET", "/users/%zz"], ["GET", "/health"], ["GET", "/items/1"], ["HEAD", "/items/1"], ["GET", "/items/16"], ["GET", "/items/x"], ["GET", "/items/%zz"],
    ["DELETE", "/items/1"], ["OPTIONS", "/items/1/orders"], ["GET", "/items"], ["GET", "/items/"],
    ...[
      ["PUT", "/items/2", '{"stock":3}'], ["PUT", "/items/2", '{"stock":-3}'], ["PUT", "/items/2", '{"stock":3}x'], ["PUT", "/items/2", ""],
      ["PUT", "/items/2", `{"stock":3${" ".repeat(1024)}}`], ["POST", "/items/3/orders", '{"count":11}'], ["PUT", "/items/16", '{"stock":3}'],
    ].map((request) => [...request, { "content-type": "application/json" }]),
    ["PUT", "/items/2", '{"stock":3}', { "content-type": "text/plain" }], ["PUT", "/items/2", '{"stock":3}'],
  ],
};

for (const name of names) {
  for (const [method, target, body, headers = {}] of requests[name]) {
    test(`${name}: ${method} ${target} ${body === undefined ? "" : body.length}`, async () => {
      // A request of its own each: a 413 closes the connection.
      const options = { method, body, headers: { "x-a": "1", "x-request-id": "parity", ...headers }, agent: false };
      const here = await call(`http://127.0.0.1:${server.ports[name]}${target}`, options);
      const there = await call(`http://127.0.0.1:${peers[name].port}${target}`, options);
      assert.deepEqual(seen(here), seen(there));
      if (here.headers["content-length"] && there.headers["content-length"]) assert.equal(here.headers["content-length"], there.headers["content-length"]);
    });
  }
}

test("conformance: the fields that arrive", async () => {
  const options = { headers: { "x-a": "1", "x-b": "two words", "x-c": "" }, agent: false };
  const [here, there] = [await call(`http://127.0.0.1:${server.ports.conformance}/echo`, options), await call(`http://127.0.0.1:${peers.conformance.port}/echo`, options)];
  assert.equal(fields(here.text).length, 3);
  assert.deepEqual(fields(here.text), fields(there.text.toLowerCase()));
});
