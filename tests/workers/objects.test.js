// Durable Objects: synchronous SQL and storage on disk, alarms, and what a restart leaves.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";

import { bound, start, until } from "./lib.js";

/** @type {Awaited<ReturnType<typeof start>>} */
let server;
const get = (target, options) => server.call("app", target, options);

before(async () => { server = await start(bound()); });
after(async () => { await server.stop(); server.remove(); });

test("an object counts in SQL, and what it counted is there after a restart", async () => {
  for (let count = 1; count <= 5; count++) assert.equal((await get("/object/add?visits")).headers["x-value"], String(count));
  assert.equal((await get("/object/add?other")).headers["x-value"], "1");
  const before = server.dir;
  await server.stop();
  server = await start(bound(), { dir: before });
  assert.equal((await get("/object/add?visits")).headers["x-value"], "6");
});

test("requests to one object at once are counted one by one", async () => {
  const answers = await Promise.all(Array.from({ length: 100 }, () => get("/object/add?crowd")));
  const values = answers.map((answer) => Number(answer.headers["x-value"])).sort((a, b) => a - b);
  assert.deepEqual(values, Array.from({ length: 100 }, (_, index) => index + 1));
});

test("values of every kind go to SQL and come back", async () => assert.equal((await get("/object/types?a")).status, 200));

test("SQL says what it can't take", async () => assert.equal((await get("/object/wrong?a")).status, 200));

test("the key-value storage holds bytes", async () => {
  assert.equal((await get("/object/get?kv")).status, 404);
  assert.equal((await get("/object/put?kv", { method: "POST", body: Buffer.from([0, 1, 255]) })).status, 204);
  assert.deepEqual([...(await get("/object/get?kv")).bytes], [0, 1, 255]);
  assert.equal((await get("/object/keys?kv")).text, "value\n");
  assert.equal((await get("/object/delete?kv")).status, 204);
  assert.equal((await get("/object/get?kv")).status, 404);
});

test("an object knows its name", async () => assert.equal((await get("/object/name?its-name")).text, "its-name"));

test("an alarm rings", async () => {
  assert.equal((await get("/object/alarm?ring")).status, 202);
  await until(async () => (await get("/object/alarmed?ring")).text === "yes", "the alarm did not ring");
});

test("an object that panics is answered 500, and keeps what it stored", async () => {
  assert.equal((await get("/object/add?panics")).headers["x-value"], "1");
  assert.equal((await get("/object/panic?panics")).status, 500);
  assert.equal((await get("/object/add?panics")).headers["x-value"], "2");
});
