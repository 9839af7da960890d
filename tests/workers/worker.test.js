// Every route of the test application in workerd: bodies, fields, failures, and each host call.

import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";

import { bound, copiesService, readerService, start, until } from "./lib.js";

/** @type {Awaited<ReturnType<typeof start>>} */
let server;
const get = (target, options) => server.call("app", target, options);
const post = (target, body, headers) => server.call("app", target, { method: "POST", body, headers });

before(async () => {
  server = await start({ ...bound(), reader: { modules: { "worker.js": readerService }, bindings: '(name = "APP", service = "app")' }, copies: { modules: { "worker.js": copiesService } } });
});
after(async () => { await server.stop(); server.remove(); });

describe("requests and answers", () => {
  test("a handler that never waits is answered", async () => {
    const answer = await get("/");
    assert.equal(answer.status, 200);
    assert.deepEqual(answer.lines, ["content-length: 5", "content-type: text/plain"]);
    assert.equal(answer.text, "hello");
  });

  test("method, authority and target arrive", async () => {
    const answer = await get("/target?a=b%20c&d", { method: "PATCH", headers: { host: "example.com:81" } });
    assert.equal(answer.text, "PATCH example.com:81 /target?a=b%20c&d");
  });

  test("header fields arrive, and repeated ones joined", async () => {
    const answer = await get("/fields", { headers: { "x-a": "1", "x-b": ["2", "3"], cookie: "c=d; e=f", "x-empty": "" } });
    for (const line of ["x-a: 1\n", "x-b: 2, 3\n", "cookie: c=d; e=f\n", "x-empty: \n"]) assert.ok(answer.text.includes(line), answer.text);
  });

  test("Set-Cookie and repeated fields survive", async () => {
    const answer = await get("/cookies");
    assert.deepEqual(answer.headers["set-cookie"], ["a=1; Path=/", "b=2"]);
    assert.equal(answer.headers["x-repeated"], "1, 2");
  });

  test("text beyond ASCII in a field goes out as it was written", async () => {
    assert.equal(Buffer.from((await get("/cookies")).headers["x-latin"], "latin1").toString(), "\u00e9");
  });

  test("HEAD has the length and no body", async () => {
    const answer = await get("/", { method: "HEAD" });
    assert.equal(answer.status, 200);
    assert.equal(answer.headers["content-length"], "5");
    assert.equal(answer.text, "");
  });

  test("statuses without a body go out", async () => {
    for (const status of [200, 204, 205, 304, 404, 599]) assert.equal((await get(`/status?${status}`)).status, status);
  });

  test("bodies of every size come back as they were sent", async () => {
    for (const size of [0, 1, 100, 16_383, 16_384]) {
      const body = Buffer.alloc(size, "0123456789");
      const answer = await post("/echo", body);
      assert.equal(answer.status, 200, `${size}`);
      assert.ok(answer.bytes.equals(body), `${size}`);
    }
  });

  test("a chunked body is read to its end", async () => {
    const answer = await server.call("app", "/echo", { method: "POST", body: Buffer.from("chunked"), headers: { "transfer-encoding": "chunked" } });
    assert.equal(answer.text, "chunked");
  });

  test("a body over what is gathered is answered 413", async () => {
    const answer = await post("/echo", Buffer.alloc(16_385));
    assert.equal(answer.status, 413);
    assert.equal(answer.text, "413 Content Too Large: the body is too large\n");
  });

  test("a body that fits is there before its handler asks for it, and no other", async () => {
    for (const size of [1, 16_384]) {
      const body = Buffer.alloc(size, "eager");
      const answer = await post("/eager", body);
      assert.equal(answer.headers["x-there"], "at once", `${size}`);
      assert.ok(answer.bytes.equals(body), `${size}`);
    }
    const chunked = await server.call("app", "/eager", { method: "POST", body: Buffer.from("chunked"), headers: { "transfer-encoding": "chunked" } });
    assert.equal(chunked.headers["x-there"], "later");
  });

  test("a body that nobody reads hurts nobody", async () => {
    for (let turn = 0; turn < 3; turn++) assert.equal((await post("/ignore", Buffer.alloc(10_000))).text, "not read");
  });

  test("streams of known and unknown length arrive whole", async () => {
    for (const path of ["/stream", "/sized"]) {
      for (const blocks of [0, 1, 16, 17, 100]) {
        const answer = await get(`${path}?${blocks}`);
        let expected = "";
        for (let block = 0; block < blocks; block++) expected += String.fromCharCode(97 + (block % 26)).repeat(1000);
        assert.ok(answer.text === expected, `${path} ${blocks}`);
        assert.equal(answer.headers["content-length"], path === "/sized" || blocks <= 16 ? String(blocks * 1000) : undefined);
      }
    }
  });

  test("a body streams both ways at once", async () => {
    const body = Buffer.alloc(1_000_000, "mirror");
    assert.ok((await post("/mirror", body)).bytes.equals(body));
  });

  test("a URL over 16 KiB is answered 414", async () => {
    const answer = await get("/target?" + "x".repeat(17_000));
    assert.equal(answer.status, 414);
    assert.equal(answer.text, "414 URI Too Long\n");
  });

  test("header fields beyond the memory for them are answered 431", async () => {
    const headers = {};
    for (let field = 0; field < 110; field++) headers[`x-${field}`] = "y";
    assert.equal((await get("/", { headers })).status, 431);
  });
});

describe("failures", () => {
  test("a failure is answered in its own words", async () => {
    const answer = await get("/failure?404");
    assert.equal(answer.status, 404);
    assert.equal(answer.text, "404 Not Found: as asked\n");
    assert.equal((await get("/failure?299")).text, "299 : as asked\n");
  });

  test("fields that were added to the answer are on the failure, too", async () => {
    const answer = await get("/with?7");
    assert.equal(answer.status, 409);
    assert.equal(answer.text, "409 Conflict: with fields\n");
    assert.deepEqual([answer.headers["x-added"], answer.headers["x-numbered"]], ["1", "7"]);
    const none = await get("/failure?409");
    assert.equal(none.headers["x-added"], undefined);
  });

  test("a head that is none is answered 500", async () => {
    for (const path of ["/bad-head", "/large-head"]) assert.equal((await get(path)).text, "500 Internal Server Error\n", path);
  });

  test("a panic is answered 500, and its text is in the log", async () => {
    const answer = await get("/panic?7");
    assert.equal(answer.status, 500);
    assert.equal(answer.text, "500 Internal Server Error\n");
    await server.logged("panicked as asked, with 7, ***7 and \"h\u00e9\\n\"");
    assert.match(server.log.text, /panicked at \S*routes\.rs:\d+: panicked as asked, with 7,/);
    // The next one's text holds nothing of it.
    await get("/panic?8");
    await server.logged("8 and");
    assert.match(server.log.text, /panicked at \S*routes\.rs:\d+: panicked as asked, with 8, \*\*\*8/);
    assert.equal((await get("/")).status, 200);
  });

  test("an index out of bounds is answered 500", async () => {
    assert.equal((await get("/index?4096")).status, 500);
    await server.logged("the len is 4096 but the index is 4096");
  });

  test("an overflowing stack is answered 500, and nothing else is harmed", async () => {
    for (let turn = 0; turn < 3; turn++) {
      assert.equal((await get("/overflow?1")).status, 500);
      assert.equal((await get("/")).text, "hello");
    }
  });

  test("an answer that fails behind its head does not look complete", async () => {
    // workerd ends a chunked body properly whatever its Worker says, so another Worker reads it.
    for (const path of ["/late-panic", "/late-failure", "/short"]) {
      assert.equal((await server.call("reader", path)).text, "200 begun, then an error", path);
    }
    assert.ok((await get("/short", { agent: false })).broken);
    await server.logged("panicked behind the head");
  });

  test("what a handler finds wrong behind its answer is no concern of the client's", async () => {
    const answer = await get("/afterthought");
    assert.equal(answer.status, 200);
    assert.equal(answer.text, "answered");
  });

  test("a handler that waits for nothing is answered 500 at once", async () => {
    assert.equal((await get("/stall")).status, 500);
    await server.logged("waits for nothing");
  });

  test("a deadline is answered 503, and cuts an answer that has begun", async () => {
    const answer = await get("/deadline?5");
    assert.equal(answer.status, 503);
    assert.equal(answer.text, "503 Service Unavailable: the request took too long\n");
    assert.equal((await server.call("reader", "/late-deadline?5")).text, "200 begun, then an error");
  });
});

describe("a route's time limit", () => {
  test("is answered 503 as on TCP", async () => {
    const answer = await get("/limit?5");
    assert.equal(answer.status, 503);
    assert.equal(answer.text, "503 Service Unavailable: the request took too long\n");
    assert.equal(answer.headers["x-added"], "1");
  });

  test("is what the request's deadline says, and without one there is none", async () => {
    for (const limit of [1, 20]) assert.equal((await get(`/limit?${limit}`)).status, 503, `${limit}`);
    assert.equal((await get("/no-deadline")).status, 404);
  });

  test("cuts an answer that has begun", async () => {
    assert.equal((await server.call("reader", "/limit?5", { headers: { "x-late": "1" } })).text, "200 begun, then an error");
  });

  test("is nothing to the next request through the same instance", async () => {
    await get("/limit?1");
    for (let turn = 0; turn < 5; turn++) assert.equal((await get("/sleep?20")).text, "slept");
  });
});

describe("host calls", () => {
  test("variables, the clock, random bytes and the log", async () => {
    assert.equal((await get("/var?APP")).text, "tests");
    assert.equal((await get("/var?NONE")).status, 500);
    const now = Number((await get("/now")).headers["x-now"]);
    assert.ok(now > 1.7e12 && now < 4e12, `${now}`);
    const [first, second] = [await get("/random"), await get("/random")];
    assert.equal(first.bytes.length, 16);
    assert.notDeepEqual(first.bytes, second.bytes);
    assert.equal((await get("/log")).status, 204);
    await server.logged("a line of the log");
  });

  test("sleep", async () => assert.equal((await get("/sleep?1")).text, "slept"));

  test("wait_until goes on behind the answer", async () => {
    assert.equal((await get("/wait-until")).text, "answered");
    await until(async () => (await get("/kv/get?waited")).text === "until", "nothing was done behind the answer");
    assert.equal((await get("/late-wait-until")).text, "answered");
    await until(async () => (await get("/kv/get?late")).text === "until", "nothing was done behind the late answer");
  });

  test("KV", async () => {
    assert.equal((await get("/kv/get?absent")).status, 404);
    assert.equal((await get("/kv/stream?absent")).status, 404);
    assert.equal((await post("/kv/put?key", "value")).status, 204);
    assert.equal((await get("/kv/get?key")).text, "value");
    const passed = await get("/kv/stream?key");
    assert.equal(passed.text, "value");
    assert.equal(passed.headers["content-type"], "text/x-kv");
    assert.equal((await get("/kv/stream?key", { method: "HEAD" })).status, 200);
    assert.equal((await get("/kv/read?key")).text, "value");
    assert.equal((await post("/kv/expire?key", "")).status, 204);
    assert.equal((await server.call("kv", "/key")).headers["x-ttl"], "60");
    assert.equal((await post("/kv/delete?key", "")).status, 204);
    assert.equal((await get("/kv/get?key")).status, 404);
    assert.equal((await get("/kv/get?fail")).status, 500);
  });

  test("a KV value larger than the memory for it is an error that names its size", async () => {
    await post("/kv/put?large", Buffer.alloc(5000, "x"));
    const answer = await get("/kv/get?large");
    assert.equal(answer.status, 413);
    assert.equal(answer.headers["x-size"], "5000");
    assert.equal((await get("/kv/stream?large")).bytes.length, 5000);
    assert.equal((await get("/kv/read?large")).bytes.length, 5000);
    await post("/kv/delete?large", "");
  });

  test("KV lists page by page", async () => {
    for (const key of ["list-a", "list-b", "list-c", "other"]) await post(`/kv/put?${key}`, "x");
    assert.equal((await get("/kv/list?list-")).text, "list-a\nlist-b\nlist-c\n");
    assert.equal((await get("/kv/list?nothing-")).text, "");
  });

  test("calls go on at once, and one can be given up", async () => {
    await post("/kv/put?one", "1");
    await post("/kv/put?two", "2");
    assert.equal((await get("/kv/two")).text, "1+2");
  });

  test("a call says what it can't take", async () => {
    const answer = await get("/wrong");
    assert.equal(answer.text, "all right", answer.headers["x-wrong"]);
  });

  test("a service binding's response is passed on as it came", async () => {
    const answer = await get("/service");
    assert.equal(answer.status, 203);
    assert.equal(answer.text, "fetched");
    assert.equal(answer.headers["content-type"], "text/x-fetched");
    assert.deepEqual(answer.headers["set-cookie"], ["a=1", "b=2"]);
  });

  test("a fetched body that nobody reads to its end is cancelled", async () => {
    for (let turn = 0; turn < 4; turn++) {
      for (const path of ["/service/unread", "/service/begun"]) assert.equal((await get(path)).text, "answered");
    }
    let counts = "";
    await until(async () => (counts = (await server.call("echo", "/cancelled")).text) === "8 of 8", () => `cancelled: ${counts}`);
  });

  test("a request's body is passed on, and a response's", async () => {
    const body = Buffer.alloc(300_000, "through");
    const answer = await post("/service/send", body);
    assert.equal(answer.status, 203);
    assert.equal(answer.headers["x-own"], "field");
    assert.equal(answer.headers["x-got"], undefined);
    assert.ok(answer.bytes.equals(body));
    const read = await get("/service/read");
    assert.equal(read.text, "from memory");
    assert.equal(read.headers["x-method"], "POST");
  });
});

describe("what one request leaves for the next", () => {
  test("no secret of one request is in any answer to the next", async () => {
    const secret = "correct horse battery staple ";
    await post("/echo", secret.repeat(500), { "x-secret": secret });
    for (const target of ["/", "/stream?1", "/sized?3", "/failure?404", "/fields", "/target", "/cookies"]) {
      const answer = await get(target);
      assert.ok(!answer.text.includes("battery") && !answer.lines.join().includes("battery"), target);
    }
    const short = await post("/echo", "short");
    assert.equal(short.text, "short");
  });

  test("no answer has bytes that its handler didn't write", async () => {
    for (const target of ["/", "/stream?1", "/stream?40", "/sized?40", "/failure?404", "/failure?500"]) {
      assert.ok(!(await get(target)).bytes.includes(0), target);
    }
  });

  test("the platform copies what is written to a stream, and what a response is made of", async () => {
    // The shim lends it memory that the program goes on in.
    assert.equal((await server.call("copies", "/stream")).text, "AAAAAAAA");
    assert.equal((await server.call("copies", "/sized")).text, "AAAAAAAA");
    assert.equal((await server.call("copies", "/whole")).text, "AAAAAAAA");
  });

  test("a body handed to the client is not overwritten by the next request", async () => {
    const bodies = Array.from({ length: 200 }, (_, index) => Buffer.alloc(12_000, `${index};`));
    const answers = await Promise.all(bodies.map((body) => post("/echo", body)));
    answers.forEach((answer, index) => assert.ok(answer.bytes.equals(bodies[index]), `${index}`));
  });
});
