// What people type: miniflare, `wrangler dev`, `wrangler deploy --dry-run`; and a browser that calls the Worker back.

import assert from "node:assert/strict";
import { execFile, spawn } from "node:child_process";
import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { after, before, describe, test } from "node:test";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";

import { Miniflare } from "miniflare";

import { app, bound, date, flags, start, until } from "./lib.js";

const here = path.dirname(fileURLToPath(import.meta.url));
const run = promisify(execFile);

describe("miniflare", () => {
  /** @type {Miniflare} */
  let miniflare;
  const get = (target, init) => miniflare.dispatchFetch(`http://worker${target}`, init);
  const post = (target, body) => get(target, { method: "POST", body });

  before(() => {
    const sources = app();
    miniflare = new Miniflare({
      modules: Object.entries(sources).map(([name, contents]) => ({ type: name.endsWith(".wasm") ? "CompiledWasm" : "ESModule", path: name, contents })),
      compatibilityDate: date, compatibilityFlags: flags,
      bindings: { APP: "tests" }, kvNamespaces: ["KV"], r2Buckets: ["R2"],
      durableObjects: { COUNTER: { className: "Counter", useSQLite: true } },
    });
  });
  after(() => miniflare.dispose());

  test("requests, KV and objects", async () => {
    assert.equal(await (await get("/")).text(), "hello");
    assert.equal((await post("/kv/put?key", "value")).status, 204);
    assert.equal(await (await get("/kv/get?key")).text(), "value");
    for (const key of ["list-a", "list-b", "list-c"]) await post(`/kv/put?${key}`, "x");
    assert.equal(await (await get("/kv/list?list-")).text(), "list-a\nlist-b\nlist-c\n");
    assert.equal((await get("/object/add?a")).headers.get("x-value"), "1");
  });

  test("the platform's own limits are errors, not crashes", async () => {
    const refused = await get("/kv/get?");
    assert.equal(refused.status, 500);
    await refused.arrayBuffer();
    assert.equal((await get("/")).status, 200);
  });

  test("R2 objects are passed through both ways", async () => {
    assert.equal((await get("/r2/get?large")).status, 404);
    const body = Buffer.alloc(1_000_000, "object");
    assert.equal((await get("/r2/put?large", { method: "POST", body, headers: { "content-length": "1000000" } })).status, 204);
    assert.ok(Buffer.from(await (await get("/r2/get?large")).arrayBuffer()).equals(body));
    assert.equal((await get("/r2/small?small")).status, 204);
    assert.equal(await (await get("/r2/get?small")).text(), "small");
    assert.equal((await get("/r2/copy?small")).status, 204);
    assert.equal(await (await get("/r2/get?copy")).text(), "small");
    assert.equal((await get("/r2/delete?small")).status, 204);
    assert.equal((await get("/r2/get?small")).status, 404);
  });

  test("cron triggers", async () => {
    const worker = await miniflare.getWorker();
    assert.equal((await worker.scheduled({ cron: "* * * * *", scheduledTime: new Date(1000) })).outcome, "ok");
    assert.equal(await (await get("/kv/get?cron")).text(), "* * * * *");
    assert.equal(await (await get("/kv/get?cron-time")).text(), "1000");
    assert.notEqual((await worker.scheduled({ cron: "fail" })).outcome, "ok");
  });

  test("queues", async () => {
    const worker = await miniflare.getWorker();
    const message = (id, body) => ({ id, timestamp: new Date(0), attempts: 1, body });
    const result = await worker.queue("jobs", [message("one", "text"), message("two", { json: 1 }), message("three", "again")]);
    assert.equal(result.outcome, "ok");
    assert.deepEqual(result.explicitAcks, ["one", "two"]);
    assert.deepEqual(result.retryMessages.map((retry) => retry.msgId), ["three"]);
    assert.equal(await (await get("/kv/get?one")).text(), "text");
    assert.equal(await (await get("/kv/get?two")).text(), "{\"json\":1}");
    assert.equal(await (await get("/kv/get?queue")).text(), "jobs");
  });
});

/** How `wrangler` is started: `run` puts the build's environment around it. */
const environment = { ...process.env, CI: "1", NO_COLOR: "1", WRANGLER_SEND_METRICS: "false", QUIET: "1" };
delete environment.CARGO_TARGET_DIR;
const wrangler = [path.join(here, "wasm-env"), path.join(here, "node_modules/.bin/wrangler")];
const example = (name) => path.resolve(here, "../../examples", name);

/** What the README has one type and write, in an empty directory: but that the crates and the package are those of this checkout. */
async function fromReadme() {
  const root = path.resolve(here, "../..");
  const parent = fs.mkdtempSync(path.join(os.tmpdir(), "midge-readme-"));
  const directory = path.join(parent, "hello");
  const cargo = (cwd, ...values) => run(wrangler[0], ["cargo", ...values], { cwd, env: environment });
  await cargo(parent, "new", "--quiet", "--lib", "--vcs", "none", "hello");
  const readme = fs.readFileSync(path.join(root, "adapters/workers/README.md"), "utf8");
  const written = [];
  for (const [, name, text] of readme.matchAll(/^`([^`]+)`[^\n]*:\n\n```[^\n]*\n([^]*?)^```$/gm)) {
    const file = path.join(directory, name);
    fs.mkdirSync(path.dirname(file), { recursive: true });
    if (name === "Cargo.toml") fs.writeFileSync(file, fs.readFileSync(file, "utf8").replace("[dependencies]", `${text}\n[dependencies]`));
    else fs.writeFileSync(file, text);
    written.push(name);
  }
  assert.deepEqual(written, ["src/lib.rs", "Cargo.toml", ".cargo/config.toml", "worker.js", "wrangler.jsonc"]);
  // The versions of what midge needs.
  fs.copyFileSync(path.join(here, "hello/Cargo.lock"), path.join(directory, "Cargo.lock"));
  await cargo(directory, "add", "--quiet", "--path", path.join(root, "engine"));
  await cargo(directory, "add", "--quiet", "--path", path.join(root, "adapters/workers"));
  fs.mkdirSync(path.join(directory, "node_modules"));
  fs.symlinkSync(path.join(root, "adapters/workers/js"), path.join(directory, "node_modules/midge-workers"));
  return { directory, remove: () => fs.rmSync(parent, { recursive: true, force: true }) };
}

/** Runs `wrangler dev` in `directory`, as long as `check` takes. */
async function dev(directory, check) {
  const state = fs.mkdtempSync(path.join(os.tmpdir(), "midge-dev-"));
  const child = spawn(wrangler[0], [wrangler[1], "dev", "--port", "0", "--ip", "127.0.0.1", "--persist-to", state, "--show-interactive-dev-session=false"],
    { cwd: directory, env: environment, stdio: ["ignore", "pipe", "pipe"], detached: true });
  let log = "";
  for (const stream of [child.stdout, child.stderr]) stream.on("data", (data) => { log += data; });
  try {
    await until(() => /Ready on (http:\/\/127\.0\.0\.1:\d+)/.test(log) || child.exitCode !== null, () => `wrangler dev is not ready: ${log}`);
    const url = /Ready on (http:\/\/127\.0\.0\.1:\d+)/.exec(log)?.[1];
    assert.ok(url, log);
    await check(url);
  } finally {
    const gone = new Promise((resolve) => child.on("exit", resolve));
    if (child.exitCode === null) {
      // Its own group: the runtime that it started ends with it.
      process.kill(-Number(child.pid), "SIGTERM");
      await gone;
    }
    fs.rmSync(state, { recursive: true, force: true });
  }
}

describe("wrangler", () => {
  for (const name of ["worker", "counter"]) {
    test(`deploy --dry-run builds examples/${name}`, { timeout: 300_000 }, async () => {
      const out = fs.mkdtempSync(path.join(os.tmpdir(), "midge-dry-"));
      const { stdout } = await run(wrangler[0], [wrangler[1], "deploy", "--dry-run", "--outdir", out], { cwd: example(name), env: environment });
      assert.match(stdout, /Total Upload: /);
      assert.ok(fs.readdirSync(out).some((file) => file.endsWith(`midge_example_${name}.wasm`)));
      fs.rmSync(out, { recursive: true });
    });
  }

  test("dev serves examples/worker and examples/counter", { timeout: 300_000 }, async () => {
    for (const [name, check] of [
      ["worker", async (url) => {
        assert.equal(await (await fetch(`${url}/`)).text(), "Hello from midge!\n");
        // Of the request's fields, it has asked for this one.
        const made = await fetch(`${url}/users`, { method: "POST", headers: { "content-type": "application/x-ada" }, body: "Ada" });
        assert.equal(made.status, 201);
        assert.equal(made.headers.get("content-type"), "application/x-ada");
        assert.equal((await fetch(`${url}/notes/a`, { method: "PUT", body: "a note" })).status, 204);
        assert.equal(await (await fetch(`${url}/notes/a`)).text(), "a note");
      }],
      ["counter", async (url) => {
        const count = async () => Number((await fetch(`${url}/visits`)).headers.get("x-count"));
        const first = await count();
        assert.ok(first >= 1);
        assert.equal(await count(), first + 1);
      }],
    ]) {
      await dev(example(name), check);
    }
  });

  test("dev serves what the README makes from an empty directory", { timeout: 300_000 }, async () => {
    const { directory, remove } = await fromReadme();
    try {
      await dev(directory, async (url) => {
        const answer = await fetch(`${url}/`);
        assert.equal(answer.headers.get("content-type"), "text/plain");
        assert.equal(await answer.text(), "Hello, World!");
      });
    } finally {
      remove();
    }
  });
});

describe("a browser", () => {
  const chromium = ["chromium", "chromium-browser", "google-chrome"].map((name) => `/usr/bin/${name}`).find((file) => fs.existsSync(file));

  test("is served a page that calls the Worker back", { skip: chromium ? false : "no chromium", timeout: 120_000 }, async () => {
    const server = await start(bound());
    const profile = fs.mkdtempSync(path.join(os.tmpdir(), "midge-chromium-"));
    try {
      const { stdout } = await run(/** @type {string} */ (chromium), [
        "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", `--user-data-dir=${profile}`, "--virtual-time-budget=20000", "--dump-dom",
        `http://127.0.0.1:${server.ports.app}/page`,
      ], { timeout: 90_000, env: { ...process.env, http_proxy: "", https_proxy: "", HTTP_PROXY: "", HTTPS_PROXY: "", no_proxy: "*" } });
      assert.match(stdout, /<title>done 50000 h\u00e9<\/title>/);
    } finally {
      await server.stop();
      server.remove();
      fs.rmSync(profile, { recursive: true, force: true });
    }
  });
});
