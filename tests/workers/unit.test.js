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

/** What a program asks its host for, by number. */
const OPERATIONS = ["", "field", "fields", "fail", "log", "now", "panic_text", "panic", "respond", "write", "read", "deadline", "class", "call", "poll", "take",
  "next", "close", "random", "panic_char", "again", "skip", "send"];

/** A clock that stands still but for `pass`: what waits for it, and how much is set. */
function clock(t) {
  /** @type {Map<number, { at: number, run: () => void }>} */
  const timers = new Map();
  let now = 1_000_000, next = 1;
  t.mock.method(Date, "now", () => now);
  t.mock.method(globalThis, "setTimeout", (run, time) => (timers.set(next, { at: now + time, run }), next++));
  t.mock.method(globalThis, "clearTimeout", (id) => void timers.delete(id));
  return {
    timers,
    async pass(time) {
      const end = now + time;
      for (;;) {
        const [due] = [...timers].filter(([, { at }]) => at <= end).sort(([, a], [, b]) => a.at - b.at);
        if (!due) break;
        timers.delete(due[0]);
        now = due[1].at;
        due[1].run();
        await new Promise((resolve) => setImmediate(resolve));
      }
      now = end;
    },
  };
}

/** The instances that are made from here on, and how often each is polled. */
function instances(t) {
  const made = [];
  const { Instance } = WebAssembly;
  WebAssembly.Instance = class extends Instance {
    constructor(module, imports) {
      super(module, imports);
      const it = { imports: imports.midge, memory: this.exports.memory, front: this.exports.midge.value, polls: 0 };
      made.push(it);
      const { exports } = this;
      Object.defineProperty(this, "exports", { value: { ...exports, midge_poll: () => (it.polls++, exports.midge_poll()) } });
    }
  };
  t.after(() => { WebAssembly.Instance = Instance; });
  return made;
}

/** A module whose front says that it speaks this version of the ABI, with memory of one page. */
function module(version) {
  const name = (text) => [text.length, ...Buffer.from(text)];
  const section = (id, content) => [id, content.length, ...content];
  return new WebAssembly.Module(new Uint8Array([
    0, 0x61, 0x73, 0x6d, 1, 0, 0, 0,
    ...section(5, [1, 0, 1]),
    ...section(6, [1, 0x7f, 0, 0x41, 16, 0x0b]),
    ...section(7, [2, ...name("memory"), 2, 0, ...name("midge"), 3, 0]),
    ...section(11, [1, 0, 0x41, 16, 0x0b, 1, version]),
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
    assert.ok(String(minified).split("=(function(").length + String(minified).split(":(function(").length >= 2 + 5);
  });

  test("imports and exports are those that ABI.md has", () => {
    assert.deepEqual(WebAssembly.Module.exports(hello).map(({ name }) => name).filter((name) => !name.startsWith("__")).sort(), ["memory", "midge", "midge_poll", "midge_start"]);
    assert.deepEqual(WebAssembly.Module.imports(app).map(({ module, name }) => `${module}.${name}`).sort(), ["midge.answer", "midge.host"]);
    const documented = fs.readFileSync(new URL("../../adapters/workers/ABI.md", import.meta.url), "utf8");
    OPERATIONS.forEach((name, number) => assert.ok(!name || documented.includes(`| ${number} | \`${name}(`), name));
  });
});

describe("the shim", () => {
  test("a module of another ABI version is one clear error", () => {
    const { fetch } = worker(module(ABI + 1));
    assert.throws(() => fetch(new Request("http://a/"), {}, ctx), { message: /speaks ABI 2, this shim 1: build both/ });
  });

  test("a module with another ABI's exports is one clear error", () => {
    const other = new WebAssembly.Module(new Uint8Array([0, 0x61, 0x73, 0x6d, 1, 0, 0, 0, 5, 3, 1, 0, 1, 7, 10, 1, 6, ...Buffer.from("memory"), 2, 0]));
    assert.throws(() => worker(other).fetch(new Request("http://a/"), {}, ctx), { message: /speaks ABI 0, this shim 1/ });
  });

  test("an answer that is there at once needs no promise", async () => {
    const answer = worker(hello).fetch(new Request("http://a/"), {}, ctx);
    assert.ok(answer instanceof Response);
    assert.equal(await answer.text(), "Hello, World!");
  });

  test("a finished instance serves the next request, a trapped one none", async (t) => {
    const made = instances(t);
    const { fetch } = worker(app, { calls });
    for (let turn = 0; turn < 5; turn++) await fetch(new Request("http://a/"), {}, ctx);
    assert.equal(made.length, 1);
    const [answer] = await silent(() => fetch(new Request("http://a/panic?1"), {}, ctx));
    assert.equal(answer.status, 500);
    await fetch(new Request("http://a/"), {}, ctx);
    assert.equal(made.length, 2);
    const keepsNone = worker(app, { calls, idle: 0 });
    for (let turn = 0; turn < 3; turn++) await keepsNone.fetch(new Request("http://a/"), {}, ctx);
    assert.equal(made.length, 5);
  });

  test("a secret of one request is nowhere in the answers to the next, through the same instance", async (t) => {
    const made = instances(t);
    const { fetch } = worker(app, { calls });
    const secret = "correct horse battery staple ";
    const first = await fetch(new Request("http://a/echo?" + secret, { method: "POST", body: secret.repeat(500), headers: { "x-secret": secret } }), {}, ctx);
    assert.equal(await first.text(), secret.repeat(500));
    for (const target of ["/", "/stream?1", "/failure?404", "/fields", "/target", "/cookies", "/echo"]) {
      const answer = await fetch(new Request("http://a" + target), {}, ctx);
      assert.doesNotMatch(await answer.text() + JSON.stringify([...answer.headers]), /battery/, target);
    }
    assert.equal(made.length, 1);
  });

  test("beyond the live limit a request is answered 503, and a place given back is taken", async (t) => {
    const { pass } = clock(t);
    const { fetch } = worker(app, { calls, live: 1 });
    const waiting = fetch(new Request("http://a/sleep?1"), {}, ctx);
    assert.equal((await fetch(new Request("http://a/"), {}, ctx)).status, 503);
    await pass(1);
    assert.equal(await (await waiting).text(), "slept");
    await new Promise((resolve) => setImmediate(resolve));
    assert.equal((await fetch(new Request("http://a/"), {}, ctx)).status, 200);
  });

  test("256 requests wait at once, and 32 instances are kept, unless it is told otherwise", async (t) => {
    const made = instances(t);
    const { pass } = clock(t);
    const { fetch } = worker(app, { calls });
    const sleep = () => fetch(new Request("http://a/sleep?1"), {}, ctx);
    const waiting = Array.from({ length: 256 }, sleep);
    assert.equal((await sleep()).status, 503);
    await pass(1);
    for (const answer of await Promise.all(waiting)) assert.equal(answer.status, 200);
    assert.equal(made.length, 256);
    const again = Array.from({ length: 33 }, sleep);
    await pass(1);
    await Promise.all(again);
    assert.equal(made.length, 257);
  });

  test("no request of a client that left is polled again", async (t) => {
    const controller = new AbortController();
    let settle = () => {};
    const get = () => new Promise((resolve) => { settle = () => resolve(null); });
    const made = instances(t);
    const { fetch } = worker(app, { calls, live: 1 });
    const request = new Request("http://a/kv/get?key", { signal: controller.signal });
    const waiting = fetch(request, { KV: { get, getWithMetadata: get } }, ctx);
    controller.abort();
    assert.equal((await waiting).status, 500);
    // Its call settles nevertheless, and nobody asks the instance what it makes of that.
    const [{ polls }] = made;
    settle();
    await new Promise((resolve) => setImmediate(resolve));
    assert.equal(made[0].polls, polls);
    assert.equal((await fetch(new Request("http://a/"), {}, ctx)).status, 200);
    assert.equal(made.length, 2);
  });

  test("behind its answer a program goes on without its client", async (t) => {
    const { pass } = clock(t);
    const controller = new AbortController();
    const puts = [];
    const KV = { getWithMetadata() {}, put: async (key) => void puts.push(key) };
    const { fetch } = worker(app, { calls });
    const waiting = fetch(new Request("http://a/late-wait-until", { signal: controller.signal }), { KV }, ctx);
    await pass(1);
    assert.equal((await waiting).status, 202);
    assert.deepEqual(puts, []);
    controller.abort();
    await pass(100);
    assert.deepEqual(puts, ["late"]);
  });

  describe("a deadline", () => {
    const outcome = async (answer, pass, times) => {
      /** @type {unknown} */
      let status = "none";
      void Promise.resolve(answer).then((response) => { status = response.status; });
      const seen = [];
      for (const time of times) {
        await pass(time);
        await new Promise((resolve) => setImmediate(resolve));
        seen.push(status);
      }
      return seen;
    };

    test("of the handler's own counts within a longer limit", async (t) => {
      const { pass } = clock(t);
      const { fetch } = worker(app, { calls });
      assert.deepEqual(await outcome(fetch(new Request("http://a/within"), {}, ctx), pass, [1_999, 1]), ["none", 503]);
    });

    test("of a limit that ends earlier counts, whenever it was set", async (t) => {
      const { pass } = clock(t);
      const { fetch } = worker(app, { calls });
      assert.deepEqual(await outcome(fetch(new Request("http://a/relimit"), {}, ctx), pass, [6_000, 3_999, 1]), ["none", "none", 503]);
    });

    test("takes the place of the handler's one before", async (t) => {
      const { pass } = clock(t);
      const { fetch } = worker(app, { calls });
      assert.deepEqual(await outcome(fetch(new Request("http://a/redeadline"), {}, ctx), pass, [2_000, 999, 1]), ["none", "none", 200]);
    });

    test("leaves no timer behind, and neither does a sleep that was given up", async (t) => {
      const { pass, timers } = clock(t);
      const { fetch } = worker(app, { calls });
      for (const path of ["/within", "/relimit", "/redeadline", "/given-up-sleep"]) {
        await outcome(fetch(new Request("http://a" + path), {}, ctx), pass, [1, 20_000]);
        assert.equal(timers.size, 0, path);
      }
    });
  });

  test("without calls, a Worker answers at once, and says what it lacks for more", async () => {
    const { fetch } = worker(app);
    assert.equal((await fetch(new Request("http://a/now"), {}, ctx)).status, 200);
    assert.match(await (await fetch(new Request("http://a/failure?404"), {}, ctx)).text(), /^404 .*: as asked\n$/);
    for (const path of ["/var?APP", "/stream?2", "/sleep?1"]) {
      const [answer, lines] = await silent(() => fetch(new Request("http://a" + path), { APP: "x" }, ctx));
      assert.equal(answer.status, 500, path);
      assert.match(lines.join(), /this Worker needs `calls`/, path);
    }
    assert.equal((await fetch(new Request("http://a/echo", { method: "POST", body: "x" }), {}, ctx)).status, 413);
    assert.equal((await fetch(new Request("http://a/echo", { method: "POST" }), {}, ctx)).status, 200);
  });

  test("more answers' heads than it remembers come out right", async () => {
    const { fetch } = worker(app, { calls });
    for (let round = 0; round < 2; round++) {
      for (let number = 0; number < 100; number++) {
        const answer = await fetch(new Request(`http://a/heads?${number}`), {}, ctx);
        assert.equal(answer.headers.get("x-number"), String(number));
        assert.equal(answer.headers.get("content-type"), "text/plain");
      }
    }
  });

  test("a body that says another length than it has is an error", async () => {
    const { fetch } = worker(app, { calls });
    for (const [length, status] of [["3", 500], ["6", 200], ["9", 500], ["abc", 200], ["-1", 200], ["1e3", 200], ["", 200]]) {
      const whole = new Response("sixsix");
      const request = { method: "POST", url: "http://a/echo", body: whole.body, arrayBuffer: () => whole.arrayBuffer(), headers: new Headers({ "content-length": length }) };
      const [answer] = await silent(() => fetch(request, {}, ctx));
      assert.equal(answer.status, status, length);
      if (status === 200) assert.equal(await answer.text(), "sixsix", length);
    }
  });

  test("a body too long for 32 bits is told as too long, not cut", async () => {
    const { fetch } = worker(app, { calls });
    for (const [length, status] of [[2 ** 30, 200], [2 ** 30 + 1, 413], [2 ** 32 - 1, 413], [2 ** 32, 413], [2 ** 32 + 5, 413], [1e18, 413]]) {
      const request = { method: "POST", url: "http://a/", body: { async cancel() {} }, headers: new Headers({ "content-length": String(length) }) };
      assert.equal((await fetch(request, {}, ctx)).status, status, String(length));
    }
  });

  test("a URL that does not fit is answered 414, and the instance serves the next", async () => {
    const { fetch } = worker(hello, { live: 1 });
    for (const length of [4_096, 4_097, 9_000]) {
      const answer = await fetch(new Request("http://example.com/" + "x".repeat(length - 16)), {}, ctx);
      assert.equal(answer.status, length <= 4_096 ? 200 : 414, String(length));
    }
    assert.equal(await (await fetch(new Request("http://a/"), {}, ctx)).text(), "Hello, World!");
  });

  test("a URL is given in UTF-8, as far as it fits", async (t) => {
    const made = instances(t);
    const { fetch } = worker(hello);
    const asked = async (url) => (await fetch({ method: "GET", url }, {}, ctx)).status;
    for (const rest of ["a/", "a/\u007f", "a/\u0080", "\u00e4.example/\u20ac?\u{1f600}=1", "a/" + "x".repeat(4_088) + "\u00e9", "a/" + "\u00e9".repeat(2_045)]) {
      assert.equal(await asked("http://" + rest), 200, rest);
      const [, size, head] = new Uint32Array(made[0].memory.buffer, made[0].front, 3);
      assert.equal(size, 4_096);
      const wanted = new TextEncoder().encode("GET " + rest);
      assert.deepEqual(new Uint8Array(made[0].memory.buffer, head, wanted.length), wanted);
    }
    for (const rest of ["a/" + "x".repeat(4_089) + "\u00e9", "a/" + "\u00e9".repeat(2_046), "a/" + "x".repeat(4_091)]) assert.equal(await asked("http://" + rest), 414);
    assert.equal(made.length, 1);
  });

  test("an event without its kind in the module fails", async () => {
    const [result] = await silent(() => worker(hello, { calls }).scheduled({ cron: "*" }, {}, ctx).catch((error) => error.message));
    assert.match(String(result), /^midge: the event failed: 500/);
    const Unknown = durableObject(app, "Unknown", { calls });
    const [answer] = await silent(() => new Unknown({}, {}).fetch(new Request("http://a/")));
    assert.equal(answer.status, 500);
  });

  describe("a Durable Object", () => {
    const Counter = durableObject(app, "Counter", { calls });
    const object = (storage) => new Counter({ storage, id: { name: "a" }, waitUntil() {} }, {});

    test("takes its alarm back", async () => {
      const seen = [];
      const answer = await object({ deleteAlarm: async () => void seen.push("deleted") }).fetch(new Request("http://a/no-alarm"));
      assert.equal(answer.status, 202);
      assert.deepEqual(seen, ["deleted"]);
    });

    test("whose alarm fails is told to the platform, which rings again", async () => {
      const [result] = await silent(() => object({ kv: { put() { throw new Error("full"); } } }).alarm().catch((error) => error.message));
      assert.match(String(result), /^midge: the event failed: 500/);
    });

    test("reads text and bytes that JavaScript stored, and nothing else", async () => {
      const bytes = new Uint8Array([0x62, 0x79]);
      for (const [value, status, text] of [["text", 200, "text"], [bytes, 200, "by"], [bytes.buffer, 200, "by"], [undefined, 404], [null, 404], [5, 500], [-2, 500], [true, 500], [{}, 500], [[1], 500]]) {
        const [answer] = await silent(() => object({ kv: { get: () => value } }).fetch(new Request("http://a/get")));
        assert.equal(answer.status, status, String(value));
        if (text) assert.equal(await answer.text(), text);
      }
    });
  });

  describe("a queue's batch", () => {
    const batch = (...bodies) => {
      const told = [];
      const messages = bodies.map((body, index) => ({ id: `id-${index}`, attempts: 1, body, ack: () => void told.push(`ack ${index}`), retry: () => void told.push(`retry ${index}`) }));
      return [{ queue: "jobs", messages }, told];
    };
    const puts = () => {
      /** @type {Record<string, string>} */
      const stored = {};
      return [{ KV: { getWithMetadata() {}, put: async (key, value) => { stored[key] = Buffer.from(value).toString(); } } }, stored];
    };

    test("with a message beyond the memory for it goes on behind it", async () => {
      const [event, told] = batch("one", "x".repeat(1_000), "three");
      const [env, stored] = puts();
      await worker(app, { calls }).queue(event, env, ctx);
      assert.deepEqual(told, ["ack 0", "retry 1", "ack 2"].filter((line) => told.includes(line)));
      assert.deepEqual(stored, { "id-0": "one", "id-2": "three", queue: "jobs" });
      assert.ok(told.includes("retry 1"), told.join());
    });

    test("may hold what JSON has no words for", async () => {
      const [event] = batch({ large: 2n ** 70n }, undefined, () => 1, null);
      const [env, stored] = puts();
      await worker(app, { calls }).queue(event, env, ctx);
      assert.deepEqual(stored, { "id-0": '{"large":"1180591620717411303424"}', "id-1": "null", "id-2": "null", "id-3": "null", queue: "jobs" });
    });

    test("that fails is told to the platform, which delivers it again", async () => {
      const [event] = batch("one");
      const KV = { getWithMetadata() {}, put: async () => { throw new Error("down"); } };
      const [result] = await silent(() => worker(app, { calls }).queue(event, { KV }, ctx).catch((error) => error.message));
      assert.match(String(result), /^midge: the event failed: 500/);
    });
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

/** A host with these operations in place of the shim's, and what the module says to it; `head` and `body_length` give what it is started with. */
function hostile(module, replaced) {
  const seen = { responds: 0, fails: [], logs: [], writes: [], asked: new Set() };
  const memory = () => new Uint8Array(instance.exports.memory.buffer);
  const copy = (place, size) => Buffer.from(memory().slice(place, place + size));
  const request = Buffer.from(replaced.request ?? "GET a/");
  const stubs = {
    answer: (status, fields, fieldsSize, place, size) => (seen.responds++, seen.writes.push(copy(place, size)), 0),
    head: () => request.length, body_length: () => 0,
    class: () => -2, field: () => -2, fields: () => 0, read: () => 0,
    respond: () => (seen.responds++, 0),
    write: (place, size) => (seen.writes.push(copy(place, size)), size),
    fail: (status) => (seen.fails.push(status), 0),
    deadline: () => 0, panic_text() {}, panic_char() {}, panic() {}, call: () => -38, poll: () => -9, take: () => -9, next: () => -9, close() {}, now: () => 0, random: () => 0,
    again() {}, skip: () => -2, send: (handle, place, size) => size,
    log: (level, place, size) => seen.logs.push(copy(place, size).toString()),
    ...replaced,
  };
  const asked = (name, values) => (seen.asked.add(name), stubs[name](...values));
  const midge = { answer: (...values) => asked("answer", values), host: (operation, ...values) => asked(OPERATIONS[operation], values) };
  const instance = new WebAssembly.Instance(module, { midge });
  const [, size, head] = new Uint32Array(instance.exports.memory.buffer, instance.exports.midge.value, 3);
  return { instance, seen, run() {
    memory().set(request.subarray(0, size), head);
    return instance.exports.midge_start(replaced.kind ?? 0, stubs.head(), stubs.body_length());
  } };
}

describe("a hostile host", () => {
  const numbers = [-1, -2, -5, -9, -11, -14, -2147483648, 1, 16_384, 16_385, 65_536, 2147483647];
  const example = new WebAssembly.Module(fs.readFileSync(new URL("../../examples/worker/target/wasm32-unknown-unknown/release/midge_example_worker.wasm", import.meta.url)));
  // What each operation is asked for by; the example takes only the fields that it names.
  const asks = [
    [app, "POST a/echo"], [app, "GET a/var?APP"], [app, "GET a/random"], [app, "GET a/kv/get?a"], [app, "GET a/stream?40"], [app, "GET a/fields"],
    [app, "GET a/failure?404"], [app, "GET a/kv/list?a"], [app, "GET a/service/read"], [app, "GET a/log"], [app, "GET a/limit?5"], [app, "GET a/now"], [app, "GET a/deadline?5"], [app, "GET a/upload-long"],
    [app, "GET a/turns?1"], [app, "GET a/", 2], [app, "GET a/add", 3], [app, "GET a/", 4], [example, "GET a/"],
  ];

  // The program answers, refuses or waits; it never traps, and never claims more than a slice holds.
  for (const name of ["answer", "head", "class", "field", "fields", "read", "respond", "write", "fail", "call", "take", "next", "random", "log", "deadline", "now", "again", "skip", "send", "close"]) {
    test(`${name} with any number`, () => {
      const asked = new Set(["head"]);
      // A program may well ask for rows as long as there are any.
      const rows = (number, left = 5) => () => (left-- > 0 ? number : -2);
      for (const number of numbers) {
        for (const [module, request, kind] of asks) {
          // A row that is a queue's name and a message, or a class's name.
          const row = (place, size) => (new Uint8Array(instance.exports.memory.buffer).set([3, 1, 0, 0, 0, 0x61].slice(0, Math.max(size, 0)), place), Math.min(size, 6));
          const { run, instance, seen } = hostile(module, {
            request, kind, body_length: () => (request.startsWith("POST") ? 5 : 0), read: (handle, place, size) => size, call: () => 1, poll: () => (request === "GET a/kv/list?a" ? 0 : 4), random: () => 16, take: (handle, place, size) => row(place, size),
            next: kind === 2 ? rows(1_000) : () => -2, class: (place) => (new Uint8Array(instance.exports.memory.buffer).set(Buffer.from("Counter"), place), 7),
            [name]: name === "next" ? rows(number) : () => number,
          });
          const state = run();
          assert.ok([0, 1, 2].includes(state), `${name} ${number} ${request}: ${state}`);
          if (state !== 0) assert.equal(instance.exports.midge_poll(), 3, "what is over can't be polled");
          for (const each of seen.asked) asked.add(each);
        }
      }
      assert.ok(asked.has(name), "nothing asked for it");
    });
  }

  test("poll and body_length with any number", () => {
    for (const number of [NaN, -0, -1, 1e300, -1e300, Infinity, -Infinity, 0.5, 2 ** 53, -38, -11, -2147483648, -2147483649]) {
      for (const name of ["poll", "body_length"]) {
        for (const request of ["POST a/echo", "GET a/kv/get?a", "GET a/service"]) {
          const { run } = hostile(app, { request, body_length: () => (request.startsWith("POST") ? 5 : 0), read: (handle, place, size) => size, call: () => 1, take: () => 4, [name]: () => number });
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
    const host = hostile(app, { request: "GET a/", answer: (status, fields, fieldsSize, place, size) => {
      inner.push(host.instance.exports.midge_poll(), host.instance.exports.midge_start(0, 6, 0));
      host.seen.writes.push(Buffer.from(new Uint8Array(host.instance.exports.memory.buffer).slice(place, place + size)));
      return 0;
    } });
    assert.equal(host.run(), 1);
    assert.deepEqual(inner, [3, 3]);
    assert.equal(host.run(), 1);
    assert.deepEqual(host.seen.writes.map(String), ["hello", "hello"]);
  });

  test("the shim gives an error for every range that is none", (t) => {
    const made = instances(t);
    const { fetch } = worker(app, { calls });
    fetch(new Request("http://a/"), {}, ctx);
    const [{ imports, memory }] = made;
    const size = memory.buffer.byteLength;
    const host = (name, ...values) => imports.host(OPERATIONS.indexOf(name), ...values);
    for (const [place, length] of [[size, 1], [size - 1, 2], [-1, 1], [0, size + 1], [1, -1], [-1, -1], [2147483647, 2147483647]]) {
      for (const result of [
        imports.answer(200, place, length, 0, 0, 0), imports.answer(200, 0, 0, place, length, 0),
        host("class", place, length), host("read", 1, place, length), host("respond", 200, place, length, 0, 0, 0),
        host("write", place, length, 0), host("fail", 500, place, length, 0, 0), host("fail", 500, 0, 0, place, length), host("deadline", place, length, 0, 0, 0, 1),
        host("take", 1, place, length), host("next", 1, place, length), host("random", place, length), host("field", 0, place, length, 0, 0), host("call", 1, place, length),
      ]) assert.ok(result < 0, `${place} ${length}: ${result}`);
      host("log", 0, place, length);
      host("panic_text", place, length);
      host("panic", place, length, 1);
      host("panic_char", 1_114_112);
      host("close", place);
      assert.equal(host("poll", place), -9);
        assert.equal(host("skip", place), -9);
    }
    assert.ok(host("respond", 1000, 0, 0, 0, 0, 0) < 0);
    assert.equal(host("call", 999, 0, 0), -38);
    assert.equal(host("call", 1, 0, 536_870_912), -14);
    for (const number of [0, -1, 23, 2147483647]) assert.equal(imports.host(number, 0, 0, 0, 0, 0, 0), -38);
  });
});
