// What the tests share: a workerd of their own, and a client that sees what goes over the wire.

import { execFileSync, spawn } from "node:child_process";
import fs from "node:fs";
import http from "node:http";
import os from "node:os";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { gzipSync } from "node:zlib";
import workerd from "workerd";

const here = path.dirname(fileURLToPath(import.meta.url));
export const shim = path.resolve(here, "../../adapters/workers/js");
/** Where `run` had cargo put the modules. */
export const wasm = process.env.MIDGE_WASM ?? path.join(here, "target/wasm32-unknown-unknown/release");
export const date = "2026-04-01";
export const flags = ["enable_request_signal"];

/** The sources of a Worker with these exports. */
export function modules(module, body) {
  return {
    "worker.js": `import module from "./module.wasm";
import { worker, durableObject } from "./midge.js";
import { calls } from "./calls.js";
${body}`,
    ...Object.fromEntries(["midge.js", "waits.js", "calls.js"].map((file) => [file, fs.readFileSync(path.join(shim, file))])),
    "module.wasm": fs.readFileSync(path.join(wasm, module)),
  };
}

/** The smallest Worker: its sources, and its JavaScript as wrangler makes one module of it with `"minify": true`. */
export function hello() {
  const sources = modules("midge_workers_hello.wasm", "export default worker(module);");
  sources["worker.js"] = sources["worker.js"].replace('import { calls } from "./calls.js";\n', "");
  for (const file of ["waits.js", "calls.js"]) delete sources[file];
  const minified = execFileSync(path.join(here, "node_modules/.bin/esbuild"), ["--bundle", "--minify", "--format=esm", "--external:*.wasm", "--loader=js"], {
    cwd: shim, input: sources["worker.js"],
  });
  return { sources, minified };
}

/** Size of what is uploaded and stored. */
export const gzipped = (bytes) => gzipSync(bytes, { level: 9 }).length;

/** Tests' application: as a Worker, and the object it brings. */
export const app = (options = "{ calls }") => modules("midge_workers_app.wasm", `
export default worker(module, ${options});
export const Counter = durableObject(module, "Counter", { calls });
`);

/**
 * Starts workerd. `services` gives each service its modules, bindings and whatever else its configuration has; each gets a socket.
 * @param {Record<string, { modules: Record<string, string | Buffer>, bindings?: string, extra?: string, flags?: string[] }>} services
 */
export async function start(services, { dir = fs.mkdtempSync(path.join(os.tmpdir(), "midge-workers-")), config = "" } = {}) {
  const names = Object.keys(services);
  let text = "using Workerd = import \"/workerd/workerd.capnp\";\nconst config :Workerd.Config = (\n  services = [\n";
  for (const name of names) text += `    (name = "${name}", worker = .${name}),\n`;
  text += `    (name = "disk", disk = (path = "${path.join(dir, "disk")}", writable = true)),\n${config}  ],\n  sockets = [\n`;
  for (const name of names) text += `    (name = "${name}", address = "127.0.0.1:0", http = (), service = "${name}"),\n`;
  text += "  ],\n);\n";
  fs.mkdirSync(path.join(dir, "disk"), { recursive: true });
  for (const name of names) {
    const { modules, bindings = "", extra = "", flags: more = [] } = services[name];
    const list = Object.entries(modules).map(([file, content]) => {
      fs.writeFileSync(path.join(dir, `${name}.${file}`), content);
      const kind = { ".wasm": "wasm", ".txt": "text", ".bin": "data" }[path.extname(file)] ?? "esModule";
      return `(name = "${file}", ${kind} = embed "${name}.${file}")`;
    });
    text += `const ${name} :Workerd.Worker = (modules = [${list.join(", ")}], bindings = [${bindings}], ${extra}
  compatibilityDate = "${date}", compatibilityFlags = ${JSON.stringify([...flags, ...more])});\n`;
  }
  const file = path.join(dir, "config.capnp");
  fs.writeFileSync(file, text);
  const child = spawn(workerd.default ?? workerd, ["serve", "--experimental", "--control-fd=3", file], { stdio: ["ignore", "pipe", "pipe", "pipe"] });
  // Whoever ends the tests ends it too.
  const kill = () => child.kill("SIGKILL");
  process.once("exit", kill);
  child.once("exit", () => process.off("exit", kill));
  for (const signal of ["SIGTERM", "SIGINT"]) if (!process.listenerCount(signal)) process.once(signal, () => process.exit(1));
  const log = { text: "" };
  for (const stream of [child.stdout, child.stderr]) stream.on("data", (data) => { log.text += data; });
  /** @type {Record<string, number>} */
  const ports = {};
  await new Promise((resolve, reject) => {
    let pending = "";
    child.stdio[3].on("data", (data) => {
      pending += data;
      for (const line of pending.split("\n").slice(0, -1)) {
        const event = JSON.parse(line);
        if (event.event === "listen") ports[event.socket] = event.port;
      }
      pending = pending.slice(pending.lastIndexOf("\n") + 1);
      if (names.every((name) => ports[name])) resolve(undefined);
    });
    child.on("exit", (code) => reject(new Error(`workerd ended with ${code}: ${log.text}`)));
  });
  const agent = new http.Agent({ keepAlive: true, maxSockets: 64 });
  return {
    ports, log, dir, child,
    /** @param {string} service @param {string} target @param {Parameters<typeof call>[1]} [options] */
    call: (service, target, options) => call(`http://127.0.0.1:${ports[service]}${target}`, { agent, ...options }),
    /** Waits until the log has `wanted`. */
    logged: (wanted) => until(() => log.text.includes(wanted), `no "${wanted}" in the log:\n${log.text}`),
    async stop() {
      agent.destroy();
      const gone = new Promise((resolve) => child.on("exit", resolve));
      child.kill("SIGTERM");
      const timer = setTimeout(() => child.kill("SIGKILL"), 5000);
      await gone;
      clearTimeout(timer);
    },
    remove: () => fs.rmSync(dir, { recursive: true, force: true }),
  };
}

/** One request; the answer's status, header lines as they came, and body. `broken` if the body was cut off. */
export function call(url, { method = "GET", headers = {}, body, agent } = {}) {
  return new Promise((resolve, reject) => {
    const request = http.request(url, { method, headers, agent }, (response) => {
      const chunks = [];
      const done = (broken) => {
        const lines = [];
        for (let at = 0; at < response.rawHeaders.length; at += 2) lines.push(`${response.rawHeaders[at].toLowerCase()}: ${response.rawHeaders[at + 1]}`);
        const bytes = Buffer.concat(chunks);
        resolve({ status: response.statusCode, headers: response.headers, lines: lines.sort(), bytes, text: bytes.toString(), broken });
      };
      response.on("data", (chunk) => chunks.push(chunk));
      response.on("end", () => done(!response.complete));
      response.on("error", () => done(true));
    });
    request.on("error", reject);
    if (body && typeof body.pipe === "function") body.pipe(request);
    else request.end(body);
  });
}

/** Asks again and again, as often as the event loop turns, for a minute at most. */
export async function until(condition, message) {
  const end = Date.now() + 60_000;
  while (!(await condition())) {
    if (Date.now() > end) throw new Error(typeof message === "function" ? message() : message);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

/** A KV namespace in memory, as workerd's bindings talk to one. */
export const kvService = `
const values = new Map();
export default {
  async fetch(request) {
    const url = new URL(request.url);
    const key = decodeURIComponent(url.pathname.slice(1));
    if (request.method === "PUT") { values.set(key, { bytes: await request.arrayBuffer(), ttl: url.searchParams.get("expiration_ttl") }); return new Response(); }
    if (request.method === "DELETE") { values.delete(key); return new Response(); }
    if (key === "fail") return new Response("broken", { status: 500 });
    if (!key) {
      const { prefix = "", cursor = "", key_count_limit: limit = 1000, limit: other = limit } = Object.fromEntries(url.searchParams);
      const names = [...values.keys()].filter((name) => name.startsWith(prefix) && name > cursor).sort();
      const page = names.slice(0, Number(other));
      const complete = page.length === names.length;
      return Response.json({ keys: page.map((name) => ({ name })), list_complete: complete, cursor: complete ? undefined : page.at(-1) });
    }
    const found = values.get(key);
    return found ? new Response(found.bytes, { headers: { "x-ttl": found.ttl ?? "" } }) : new Response(null, { status: 404 });
  },
};`;

/** A service that says what it was sent. */
export const echoService = `
let endless = 0;
let cancelled = 0;
let broken = "none";
export default {
  async fetch(request) {
    const { pathname } = new URL(request.url);
    if (pathname === "/broken") {
      try { broken = "whole: " + await request.text(); } catch { broken = "broken off"; }
      return new Response();
    }
    if (pathname === "/was-broken") return new Response(broken);
    if (pathname === "/echo-all") return new Response(await request.arrayBuffer());
    if (pathname === "/endless" || pathname === "/late-endless") {
      endless++;
      if (pathname === "/late-endless") await scheduler.wait(5);
      return new Response(new ReadableStream({ pull(controller) { controller.enqueue(new Uint8Array(1000)); }, cancel() { cancelled++; } }));
    }
    if (pathname === "/cancelled") return new Response(cancelled + " of " + endless);
    if (pathname === "/echo") return new Response(request.body, { status: 203, headers: { "x-method": request.method, "x-got": request.headers.get("x-sent") ?? "" } });
    const headers = new Headers({ "content-type": "text/x-fetched" });
    headers.append("set-cookie", "a=1"); headers.append("set-cookie", "b=2");
    return new Response("fetched", { status: 203, headers });
  },
};`;

/** A Worker that fetches from another one, and says how that ended. */
export const readerService = `
export default {
  async fetch(request, env) {
    const response = await env.APP.fetch(request);
    let text = response.status + " ";
    const decoder = new TextDecoder();
    try {
      for await (const chunk of response.body) text += decoder.decode(chunk);
      return new Response(text + ", complete");
    } catch {
      return new Response(text + ", then an error");
    }
  },
};`;

/** A Worker that writes over its memory when it has handed it out. */
export const copiesService = `
export default {
  fetch(request, env, ctx) {
    const memory = new WebAssembly.Memory({ initial: 1, maximum: 1 });
    const view = new Uint8Array(memory.buffer, 0, 8).fill(65);
    const { pathname } = new URL(request.url);
    if (pathname === "/whole") {
      const response = new Response(view);
      view.fill(66);
      return response;
    }
    const { readable, writable } = pathname === "/sized" ? new FixedLengthStream(8) : new IdentityTransformStream();
    const writer = writable.getWriter();
    const written = writer.write(view);
    view.fill(66);
    ctx.waitUntil(written.then(() => writer.close()));
    return new Response(readable);
  },
};`;

/** The services that the test application is bound to, and itself under these names. */
export function bound(names = { app: "tests" }, options) {
  const services = { kv: { modules: { "worker.js": kvService } }, echo: { modules: { "worker.js": echoService } } };
  for (const [name, value] of Object.entries(names)) {
    services[name] = {
      modules: app(options),
      bindings: `(name = "APP", text = "${value}"), (name = "KV", kvNamespace = "kv"), (name = "SERVICE", service = "echo"), (name = "COUNTER", durableObjectNamespace = "Counter")`,
      extra: "durableObjectNamespaces = [(className = \"Counter\", uniqueKey = \"midge-counter\", enableSql = true)], durableObjectStorage = (localDisk = \"disk\"),",
    };
  }
  return services;
}
