// Prints the Workers host's figures as a Markdown table: size, memory, what a cold isolate costs, and requests a second, beside plain
// JavaScript that answers the same, and beside workers-rs where WORKERS_RS names the folder that wasm-bindgen wrote its worker to
// (benches/compare/workers-rs/build does). Rates and times are taken in turns, so that a noisy machine is noisy for all.

import { execFileSync } from "node:child_process";
import fs from "node:fs";
import net from "node:net";
import os from "node:os";
import path from "node:path";
import { fileURLToPath } from "node:url";

import { gzipped, hello as smallest, start } from "./lib.js";

const here = path.dirname(fileURLToPath(import.meta.url));
const RUNTIMES = 10, TURNS = 3, BURSTS = 300, CONNECTIONS = 16, PIPELINED = 10;
const count = (bytes) => bytes.toLocaleString("en");
const least = (numbers) => Math.min(...numbers);
const median = (numbers) => numbers.toSorted((a, b) => a - b)[numbers.length >> 1];

const { sources: hello, minified } = smallest();
const plain = { "worker.js": `export default { fetch() { return new Response("Hello, World!", { headers: { "content-type": "text/plain" } }); } };` };

/** As wrangler bundles it: the entry and what it uses of the files in a folder. */
const minify = (entry, folder) => execFileSync(path.join(here, "node_modules/.bin/esbuild"),
  ["--bundle", "--minify", "--format=esm", "--external:*.wasm", "--loader=js"], { cwd: folder, input: entry });

/** What is loaded of each, bundled: the entry, and the module if there is one. */
const bundled = {
  midge: { "worker.js": minified, "module.wasm": hello["module.wasm"] },
  "plain JavaScript": plain,
};
if (process.env.WORKERS_RS) {
  // The least that starts it; workers-rs' own build adds what starts it anew after a panic.
  const entry = `import * as bindings from "./index_bg.js";
import module from "./module.wasm";
const instance = new WebAssembly.Instance(module, { "./index_bg.js": bindings });
bindings.__wbg_set_wasm(instance.exports);
instance.exports.__wbindgen_start?.();
export default { fetch: (request, env, context) => bindings.fetch(request, env, context) };`;
  bundled["workers-rs"] = { "worker.js": minify(entry, process.env.WORKERS_RS), "module.wasm": fs.readFileSync(path.join(process.env.WORKERS_RS, "index_bg.wasm")) };
}
const names = Object.keys(bundled);
/** Everyone, and each round begun by another. */
const turned = (round) => names.map((_, at) => names[(at + round) % names.length]);
const row = (what, of) => console.log(`| ${what} | ${names.map((name) => of(name)).join(" | ")} |`);

row("what", (name) => name);
console.log(`|---|${"---:|".repeat(names.length)}`);
const wasm = (name) => bundled[name]["module.wasm"];
row("wasm, bytes", (name) => count(wasm(name)?.length ?? 0));
row("JavaScript as bundled and minified, bytes", (name) => count(bundled[name]["worker.js"].length));
row("both gzipped, bytes", (name) => count((wasm(name) ? gzipped(wasm(name)) : 0) + gzipped(bundled[name]["worker.js"])));
row("JavaScript before that, bytes", (name) => name === "midge" ? count(hello["midge.js"].length) : "");
row("all gzipped without minifying, bytes", (name) => name === "midge" ? count(gzipped(hello["module.wasm"]) + gzipped(hello["midge.js"])) : "");
row("memory of an instance at its start, pages of 64 KiB", (name) => wasm(name) ? pages(wasm(name)) : "");

/** How much memory a module asks for: the imports do nothing, and nothing is called. */
function pages(bytes) {
  const module = new WebAssembly.Module(bytes);
  const imports = {};
  for (const { module: from, name, kind } of WebAssembly.Module.imports(module)) {
    if (kind !== "function") throw new Error(`an import that is no function: ${from} ${name}`);
    (imports[from] ??= {})[name] = () => 0;
  }
  return new WebAssembly.Instance(module, imports).exports.memory.buffer.byteLength / 65_536;
}

// Cold isolates, through workerd's loader, in turns.
const loader = {
  "worker.js": `
${names.map((name, index) => `import entry${index} from "./entry${index}.txt"; ${wasm(name) ? `import wasm${index} from "./module${index}.bin";` : `const wasm${index} = null;`}`).join("\n")}
const sources = [${names.map((_, index) => `{ entry: entry${index}, wasm: wasm${index} }`).join(", ")}];
let id = 0;
export default {
  async fetch(request, env) {
    const { entry, wasm } = sources[new URL(request.url).pathname.slice(1)];
    const modules = { "worker.js": entry };
    if (wasm) {
      // Isolates with equal modules share what was compiled: a section that says nothing makes each of them another one.
      const bytes = new Uint8Array(wasm.byteLength + 6);
      bytes.set(new Uint8Array(wasm));
      bytes.set([0, 4, 1, 120, id & 255, id >> 8], wasm.byteLength);
      modules["module.wasm"] = { wasm: bytes.buffer };
    }
    const stub = env.LOADER.get("isolate-" + id++, () => ({ compatibilityDate: "2026-04-01", mainModule: "worker.js", modules }));
    return stub.getEntrypoint().fetch("http://a/");
  },
};`,
};
names.forEach((name, index) => {
  loader[`entry${index}.txt`] = bundled[name]["worker.js"];
  if (wasm(name)) loader[`module${index}.bin`] = wasm(name);
});

// Two runtimes: the one whose loader made hundreds of isolates, which it never drops, serves the later ones more slowly.
await running({ loader: { modules: loader, bindings: `(name = "LOADER", workerLoader = (id = "figures"))` } }, async (server, processor) => {
  const cold = Object.fromEntries(names.map((name) => [name, []])), busy = Object.fromEntries(names.map((name) => [name, []]));
  for (let round = 0; round < 210; round++) {
    for (const name of turned(round)) {
      const before = processor(), begin = process.hrtime.bigint();
      const answer = await server.call("loader", `/${names.indexOf(name)}`);
      const time = Number(process.hrtime.bigint() - begin) / 1e6, computed = processor() - before;
      if (answer.text !== "Hello, World!") throw new Error(`loader: ${answer.status} ${answer.text} ${server.log.text}`);
      // The first ones warm the loader itself up.
      if (round >= 10) {
        cold[name].push(time);
        busy[name].push(computed);
      }
    }
  }
  const added = (times, name) => {
    const js = times["plain JavaScript"];
    return name === "plain JavaScript" ? "" : `${(median(times[name]) - median(js)).toFixed(2)} (${(least(times[name]) - least(js)).toFixed(2)})`;
  };
  row(`a cold isolate, ms (median of ${cold.midge.length})`, (name) => median(cold[name]).toFixed(2));
  row("added to plain JavaScript's, ms: medians (the least)", (name) => added(cold, name));
  row("the same in processor time", (name) => added(busy, name));
  row("a cold isolate against plain JavaScript's", (name) => (median(cold[name]) / median(cold["plain JavaScript"])).toFixed(2));
});

// How fast a Worker is differs between two runtimes by more than two Workers differ in one, as chance has placed things there: several of them.
const services = Object.fromEntries(names.map((name, index) => [`peer${index}`, { modules: name === "midge" ? hello : bundled[name] }]));
const rates = [], bursts = [], computed = [];
for (let runtime = 0; runtime < RUNTIMES; runtime++) {
  await running(services, async (server, processor) => {
    await same(server);
    const rate = (name) => Number(/Requests\/sec:\s+([\d.]+)/.exec(String(
      execFileSync("wrk", ["-t1", "-c32", "-d1", `http://127.0.0.1:${server.ports[`peer${names.indexOf(name)}`]}/`])))?.[1]);
    for (const name of names) rate(name);
    // Many short turns: what makes the machine slower or faster then does so for all of them.
    for (let turn = 0; turn < TURNS; turn++) {
      const each = {};
      for (const name of turned(turn + runtime)) each[name] = rate(name);
      rates.push(each);
    }
    // The same in bursts that take milliseconds, each another's, in random order: by the clock, and by what the runtime's thread computes.
    const peers = [];
    for (const [index, name] of names.entries()) peers.push({ name, connections: await connected(server.ports[`peer${index}`]), time: [], busy: [] });
    for (let round = 0; round < BURSTS + 50; round++) {
      for (const peer of shuffled(peers)) {
        const before = processor(), begin = process.hrtime.bigint();
        await Promise.all(peer.connections.map((connection) => connection.burst()));
        if (round < 50) continue;
        peer.time.push(Number(process.hrtime.bigint() - begin) / 1e3 / (CONNECTIONS * PIPELINED));
        peer.busy.push((processor() - before) * 1_000 / (CONNECTIONS * PIPELINED));
      }
    }
    for (const { connections } of peers) for (const connection of connections) connection.close();
    bursts.push(Object.fromEntries(peers.map(({ name, time }) => [name, 1e6 / median(time)])));
    computed.push(Object.fromEntries(peers.map(({ name, busy }) => [name, median(busy)])));
  });
}
/** What each is of plain JavaScript's, in the median and from least to most. */
const ratios = (of) => (name) => {
  const js = "plain JavaScript";
  if (name === js) return "";
  const all = of.map((each) => (of === computed ? each[js] / each[name] : each[name] / each[js]));
  return `${median(all).toFixed(2)} (${least(all).toFixed(2)}, ${Math.max(...all).toFixed(2)})`;
};
const middle = (of, name) => median(of.map((each) => each[name]));
row("requests a second", (name) => Math.round(middle(rates, name)));
row(`requests a second against plain JavaScript's: median of ${rates.length} turns (from, to)`, ratios(rates));
row(`requests a second in bursts: median of ${RUNTIMES} runtimes`, (name) => Math.round(middle(bursts, name)));
row("the same against plain JavaScript's (from, to)", ratios(bursts));
row("processor time of a request then, µs", (name) => middle(computed, name).toFixed(1));
row("plain JavaScript's processor time against it (from, to)", ratios(computed));

/** Measures with a workerd of its own; `processor` tells how many milliseconds its one thread for requests has computed. */
async function running(services, measure) {
  const server = await start(services, { dir: fs.mkdtempSync(path.join(os.tmpdir(), "midge-figures-")) });
  try {
    await measure(server, () => Number(fs.readFileSync(`/proc/${server.child.pid}/schedstat`, "latin1").split(" ")[0]) / 1e6);
  } finally {
    await server.stop();
    server.remove();
  }
}

/** Connections that each send a burst in one piece, and wait for its answers. */
function connected(port) {
  const text = "GET / HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n".repeat(PIPELINED);
  return Promise.all(Array.from({ length: CONNECTIONS }, () => new Promise((resolve, reject) => {
    let left = 0, done = () => {}, failed = reject;
    const socket = net.connect(port, "127.0.0.1", () => resolve({
      burst: () => new Promise((resolve, reject) => {
        [left, done, failed] = [PIPELINED, resolve, reject];
        socket.write(text);
      }),
      close: () => socket.destroy(),
    }));
    socket.setNoDelay(true).on("error", (error) => failed(error)).on("end", () => failed(new Error("a connection was closed")));
    // An answer's last bytes may come in two pieces.
    let rest = "";
    socket.on("data", (data) => {
      const parts = (rest + data.toString("latin1")).split("Hello, World!");
      rest = parts.at(-1).slice(-12);
      left -= parts.length - 1;
      if (left === 0) done();
    });
  })));
}

/** In random order. */
function shuffled(values) {
  return values.map((value) => ({ value, at: Math.random() })).sort((a, b) => a.at - b.at).map(({ value }) => value);
}

/** All of them answer the same, or there is nothing to compare. */
async function same(server) {
  for (const [index, name] of names.entries()) {
    const { status, text, headers } = await server.call(`peer${index}`, "/");
    if (status !== 200 || text !== "Hello, World!" || headers["content-type"] !== "text/plain") {
      throw new Error(`${name} answers ${status} ${headers["content-type"]} ${text} ${server.log.text}`);
    }
  }
}
