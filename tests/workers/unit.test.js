// The shim by itself, on Node: a module that is made of bytes here, hostile numbers in both directions, and another ABI version.

import assert from "node:assert/strict";
import fs from "node:fs";
import path from "node:path";
import { describe, test } from "node:test";

import { CallError, calls, row } from "../../adapters/workers/js/calls.js";
import { ABI, durableObject, worker } from "../../adapters/workers/js/midge.js";
import { gzipped, hello as smallest, wasm } from "./lib.js";

const bytes = (name) => fs.readFileSync(path.join(wasm, `midge_workers_${name}.wasm`));
const hello = new WebAssembly.Module(bytes("hello"));
const app = new WebAssembly.Module(bytes("app"));
const ctx = { waitUntil() {} };
const silent = async (run) => {
  const { error, log } = console;
  const lines = [];
  console.error = console.log = (...values) => void lines.push(values.join(" "));
  try {
    return [await run(), lines];
  } finally {
    Object.assign(console, { error, log });
  }
};

/** A module that exports `midge_abi`, which gives `version`, and memory of one page. */
function module(version) {
  const name = (text) => [text.length, ...Buffer.from(text)];
  const section = (id, content) => [id, content.length, ...content];
  return new WebAssembly.Module(new Uint8Array([
    0, 0x61, 0x73, 0x6d, 1, 0, 0, 0,
    ...section(1, [1, 0x60, 0, 1, 0x7f]),
    ...section(3, [1, 0]),
    ...section(5, [1, 0, 1]),
    ...section(7, [2, ...name("memory"), 2, 0, ...name("midge_abi"), 0, 0]),
    ...section(10, [1, 4, 0, 0x41, version, 0x0b]),
  ]));
}

describe("the modules", () => {
  const pages = (module) => hostile(module, {}).instance.exports.memory.buffer.byteLength / 65_536;

  test("hello has one page of memory, a Worker by default two, and neither can grow", () => {
    assert.equal(pages(hello), 1);
    const counter = new WebAssembly.Module(fs.readFileSync(new URL("../../examples/counter/target/wasm32-unknown-unknown/release/midge_example_counter.wasm", import.meta.url)));
    assert.equal(pages(counter), 2);
    for (const module of [hello, counter, app]) assert.throws(() => hostile(module, {}).instance.exports.memory.grow(1), RangeError);
  });

  test("hello is 8 KB at most, gzipped, WebAssembly and JavaScript together", (t) => {
    const { sources, minified } = smallest();
    const sizes = [gzipped(sources["module.wasm"]), gzipped(minified)];
    t.diagnostic(`${sizes[0]} + ${sizes[1]} bytes`);
    assert.ok(sizes[0] + sizes[1] <= 8_192, `${sizes[0]} + ${sizes[1]} bytes`);
  });

  test("the shim's functions that every request runs are compiled as they are read, minified too", () => {
    // V8 does so with those in parentheses, which esbuild keeps.
    const { minified } = smallest();
    assert.ok(String(minified).split("=(function(").length + String(minified).split(":(function(").length >= 16);
  });

  test("imports and exports are those that ABI.md has", () => {
    assert.deepEqual(WebAssembly.Module.exports(hello).map(({ name }) => name).filter((name) => !name.startsWith("__")).sort(), ["memory", "midge_abi", "midge_poll", "midge_start"]);
    const documented = fs.readFileSync(new URL("../../adapters/workers/ABI.md", import.meta.url), "utf8");
    for (const { module, name } of WebAssembly.Module.imports(app)) {
      assert.equal(module, "midge");
      assert.ok(documented.includes(`\`${name}(`), name);
    }
  });
});

describe("the shim", () => {
  test("a module of another ABI version is one clear error", () => {
    const { fetch } = worker(module(ABI + 1));
    assert.throws(() => fetch(new Request("http://a/"), {}, ctx), { message: /speaks ABI 2, this shim 1: build both/ });
  });

  test("a module with another ABI's exports is one clear error", () => {
    const other = new WebAssembly.Module(new Uint8Array([0, 0x61, 0x73, 0x6d, 1, 0, 0, 0, 5, 3, 1, 0, 1, 7, 10, 1, 6, ...Buffer.from("memory"), 2, 0]));
    assert.throws(() => worker(other).fetch(new Request("http://a/"), {}, ctx), { message: /speaks ABI undefined/ });
  });

  test("an answer that is there at once needs no promise", async () => {
    const answer = worker(hello).fetch(new Request("http://a/"), {}, ctx);
    assert.ok(answer instanceof Response);
    assert.equal(await answer.text(), "Hello, World!");
  });

  test("a finished instance serves the next request, a trapped one none", async () => {
    const instances = [];
    const { Instance } = WebAssembly;
    WebAssembly.Instance = class extends Instance {
      constructor(...values) {
        super(...values);
        instances.push(this);
      }
    };
    try {
      const { fetch } = worker(app, { calls });
      for (let turn = 0; turn < 5; turn++) await fetch(new Request("http://a/"), {}, ctx);
      assert.equal(instances.length, 1);
      const [answer] = await silent(() => fetch(new Request("http://a/panic?1"), {}, ctx));
      assert.equal(answer.status, 500);
      await fetch(new Request("http://a/"), {}, ctx);
      assert.equal(instances.length, 2);
      const keepsNone = worker(app, { calls, idle: 0 });
      for (let turn = 0; turn < 3; turn++) await keepsNone.fetch(new Request("http://a/"), {}, ctx);
      assert.equal(instances.length, 5);
    } finally {
      WebAssembly.Instance = Instance;
    }
  });

  test("beyond the live limit a request is answered 503, and a place given back is taken", async () => {
    let wake = () => {};
    globalThis.scheduler = { wait: () => new Promise((resolve) => { wake = () => resolve(undefined); }) };
    const { fetch } = worker(app, { calls, live: 1 });
    const waiting = fetch(new Request("http://a/sleep?1"), {}, ctx);
    assert.equal((await fetch(new Request("http://a/"), {}, ctx)).status, 503);
    wake();
    assert.equal(await (await waiting).text(), "slept");
    await new Promise((resolve) => setImmediate(resolve));
    assert.equal((await fetch(new Request("http://a/"), {}, ctx)).status, 200);
  });

  test("no request of a client that left is polled again", async () => {
    const controller = new AbortController();
    globalThis.scheduler = { wait: () => new Promise(() => {}) };
    const { fetch } = worker(app, { calls, live: 1 });
    const request = new Request("http://a/sleep?1", { signal: controller.signal });
    const waiting = fetch(request, {}, ctx);
    controller.abort();
    assert.equal((await waiting).status, 500);
    assert.equal((await fetch(new Request("http://a/"), {}, ctx)).status, 200);
  });

  test("without calls, every call is one that the host doesn't have", async () => {
    assert.equal((await worker(app).fetch(new Request("http://a/now"), {}, ctx)).status, 200);
    assert.equal((await worker(app).fetch(new Request("http://a/var?APP"), { APP: "x" }, ctx)).status, 500);
  });

  test("an event without its kind in the module fails", async () => {
    const [result] = await silent(() => worker(hello, { calls }).scheduled({ cron: "*" }, {}, ctx).catch((error) => error.message));
    assert.equal(result, "midge: the event failed");
    const Unknown = durableObject(app, "Unknown", { calls });
    const [answer] = await silent(() => new Unknown({}, {}).fetch(new Request("http://a/")));
    assert.equal(answer.status, 500);
  });

  test("a row holds each value behind its tag and length", () => {
    assert.deepEqual([...row([null, "h\u00e9", new Uint8Array([9])])], [0, 0, 0, 0, 0, 3, 3, 0, 0, 0, 0x68, 0xc3, 0xa9, 4, 1, 0, 0, 0, 9]);
    assert.equal(row([1])[0], 1);
    assert.equal(row([1.5])[0], 2);
    assert.equal(row([2 ** 60])[0], 2);
    assert.equal(row([{ a: 1 }])[0], 3);
  });

  test("an error carries its number", () => assert.equal(new CallError(-22, "x").errno, -22));
});

/** A host with these imports in place of the shim's, and what the module says to it. */
function hostile(module, replaced) {
  const seen = { responds: 0, fails: [], logs: [], writes: [] };
  const memory = () => new Uint8Array(instance.exports.memory.buffer);
  const head = Buffer.from(replaced.request ?? "GET a/");
  const midge = {
    head: (place, size) => (memory().set(head.subarray(0, size), place), head.length),
    class: () => -2, field: () => -2, fields: () => 0, body_length: () => 0, read: () => 0,
    respond: () => (seen.responds++, 0),
    write: (place, size) => (seen.writes.push(Buffer.from(memory().slice(place, place + size))), size),
    fail: (status) => (seen.fails.push(status), 0),
    deadline: () => 0, panic_text() {}, panic_char() {}, panic() {}, call: () => -38, poll: () => -9, take: () => -9, next: () => -9, close() {}, now: () => 0, random: () => 0,
    log: (level, place, size) => seen.logs.push(Buffer.from(memory().slice(place, place + size)).toString()),
    ...replaced,
  };
  delete midge.request;
  const instance = new WebAssembly.Instance(module, { midge });
  return { instance, seen, run: () => instance.exports.midge_start(0) };
}

describe("a hostile host", () => {
  const numbers = [-1, -2, -5, -9, -11, -14, -2147483648, 1, 16_384, 16_385, 65_536, 2147483647];

  // The program answers, refuses or waits; it never traps, and never claims more than a slice holds.
  for (const name of ["head", "class", "field", "fields", "read", "respond", "write", "fail", "call", "take", "next", "random", "log"]) {
    test(`${name} with any number`, () => {
      for (const number of numbers) {
        for (const request of ["POST a/echo", "GET a/var?APP", "GET a/random", "GET a/kv/get?a", "GET a/stream?40", "GET a/fields", "GET a/failure?404"]) {
          const { run, instance } = hostile(app, { request, body_length: () => 5, call: () => 1, poll: () => 4, take: () => 4, random: () => 16, [name]: () => number });
          const state = run();
          assert.ok([0, 1, 2].includes(state), `${name} ${number} ${request}: ${state}`);
          if (state !== 0) assert.equal(instance.exports.midge_poll(), 3, "what is over can't be polled");
        }
      }
    });
  }

  test("poll and body_length with any number", () => {
    for (const number of [NaN, -0, -1, 1e300, -1e300, Infinity, -Infinity, 0.5, 2 ** 53, -38, -11]) {
      for (const name of ["poll", "body_length"]) {
        for (const request of ["POST a/echo", "GET a/kv/get?a", "GET a/service"]) {
          const { run } = hostile(app, { request, call: () => 1, take: () => 4, [name]: () => number });
          assert.ok([0, 1, 2].includes(run()), `${name} ${number} ${request}`);
        }
      }
    }
  });

  test("a head in any bytes", () => {
    for (const request of ["", " ", "  ", "GET", "GET a", "\0\0\0", "GET a \u00ff\u00fe", " ".repeat(100), "X".repeat(16_384)]) {
      assert.ok([1, 2].includes(hostile(app, { request }).run()), request.slice(0, 20));
    }
  });

  test("an instance that serves a request takes no second one", () => {
    const { instance, run } = hostile(app, { request: "GET a/sleep?1", call: () => 1, poll: () => -11 });
    assert.equal(run(), 0);
    assert.equal(run(), 3);
    assert.equal(instance.exports.midge_poll(), 0);
  });

  test("an instance can't be entered from within an import", () => {
    const inner = [];
    const host = hostile(app, { request: "GET a/", respond: () => (inner.push(host.instance.exports.midge_poll(), host.instance.exports.midge_start(0)), 0) });
    assert.equal(host.run(), 1);
    assert.deepEqual(inner, [3, 3]);
    assert.equal(host.run(), 1);
    assert.deepEqual(host.seen.writes.map(String), ["hello", "hello"]);
  });

  test("the shim gives an error for every range that is none", () => {
    const instances = [];
    const { Instance } = WebAssembly;
    let imports;
    WebAssembly.Instance = class extends Instance {
      constructor(module, given) {
        super(module, given);
        imports = given.midge;
        instances.push(this);
      }
    };
    try {
      const { fetch } = worker(app, { calls });
      fetch(new Request("http://a/"), {}, ctx);
      const size = instances[0].exports.memory.buffer.byteLength;
      for (const [place, length] of [[size, 1], [size - 1, 2], [-1, 1], [0, size + 1], [1, -1], [-1, -1], [2147483647, 2147483647]]) {
        for (const result of [
          imports.class(place, length), imports.read(1, place, length), imports.respond(200, place, length, 0, 0),
          imports.write(place, length, 0), imports.fail(500, place, length, 0, 0), imports.fail(500, 0, 0, place, length), imports.deadline(1, place, length), imports.take(1, place, length), imports.next(1, place, length),
          imports.random(place, length), imports.field(0, place, length, 0, 0), imports.call(1, place, length),
        ]) assert.ok(result < 0, `${place} ${length}: ${result}`);
        imports.log(0, place, length);
        imports.panic_text(place, length);
        imports.panic(place, length, 1);
        imports.panic_char(1_114_112);
        imports.close(place);
        assert.equal(imports.poll(place), -9);
      }
      assert.ok(imports.respond(1000, 0, 0, 0, 0) <= 0);
      assert.equal(imports.call(999, 0, 0), -38);
      assert.equal(imports.call(1, 0, 536_870_912), -14);
    } finally {
      WebAssembly.Instance = Instance;
    }
  });
});
