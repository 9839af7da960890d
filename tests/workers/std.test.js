// A Worker with the standard library: a heap whose growth moves the memory, and a panic hook that says what happened.

import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";

import { echoService, modules, start } from "./lib.js";

/** @type {Awaited<ReturnType<typeof start>>} */
let server;
const get = (target) => server.call("std", target);

before(async () => {
  const plain = modules("midge_workers_std.wasm", "export default worker(module);");
  const calls = modules("midge_workers_std.wasm", "export default worker(module, { calls });");
  const bindings = '(name = "SERVICE", service = "echo")';
  server = await start({ std: { modules: calls, bindings }, plain: { modules: plain }, echo: { modules: { "worker.js": echoService } } });
});
after(async () => { await server.stop(); server.remove(); });

describe("a program with the standard library", () => {
  test("is answered whether or not the memory grew meanwhile", async () => {
    // Larger ones first, between and after: the same instance serves all of them, one behind the other.
    for (const size of [1_000_000, 10, 8_000_000, 0, 20_000_000, 256]) {
      let sum = 0;
      for (let at = 0; at < size; at++) sum += at & 255;
      const answer = await get(`/heap?${size}`);
      assert.equal(answer.status, 200, `${size}`);
      assert.equal(answer.headers["x-asked"], String(size));
      assert.equal(answer.text, String(sum));
    }
  });

  test("is answered at once when its first request makes the memory grow", async () => {
    const answer = await server.call("plain", "/heap?3000000");
    assert.equal(answer.status, 200);
    assert.equal(answer.headers["x-asked"], "3000000");
    assert.equal((await server.call("plain", "/heap?4")).text, "6");
  });

  test("sends a body from the heap that is larger than the host's buffers", async () => {
    for (const size of [5, 16_385, 3_000_000]) {
      const answer = await get(`/body?${size}`);
      assert.equal(answer.status, 200);
      assert.ok(answer.text === "midge".repeat(size / 5), `${size}`);
    }
  });

  test("is woken by what its parts wait for, if they are polled only then", async () => {
    for (const count of [0, 1, 20]) assert.equal((await get(`/woken?${count}`)).text, `[${Array(count + 1).fill("true").join(", ")}]`);
  });

  test("panics alone, and says with what and where", async () => {
    for (let turn = 0; turn < 3; turn++) {
      const [broken, other] = await Promise.all([get(`/panic?${turn}7`), get("/heap?3")]);
      assert.equal(broken.status, 500);
      assert.equal(broken.text, "500 Internal Server Error\n");
      assert.equal(other.text, "3");
      await server.logged(`: ${turn * 10 + 7} is too much`);
    }
    assert.match(server.log.text, /panicked at \S*src\/lib\.rs:\d+: 7 is too much/);
  });

  test("panics with a value that is no text", async () => {
    assert.equal((await get("/panic-any?1")).status, 500);
    await server.logged("a value that is no text");
  });

  test("answers what it doesn't know as every other host does", async () => {
    const answer = await get("/else");
    assert.equal(answer.status, 404);
    assert.equal(answer.text, "404 Not Found\n");
  });
});
