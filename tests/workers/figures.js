// Prints the Workers host's figures: size, memory, what a cold isolate costs, and requests a second, each beside plain JavaScript that
// answers the same. Rates and times are taken in turns, so that a noisy machine is noisy for both.

import { execFileSync } from "node:child_process";
import fs from "node:fs";
import os from "node:os";
import path from "node:path";

import { gzipped, hello as smallest, start } from "./lib.js";

const kilobytes = (bytes) => `${(bytes / 1024).toFixed(1)} KiB`;
const least = (numbers) => Math.min(...numbers);
const median = (numbers) => numbers.toSorted((a, b) => a - b)[numbers.length >> 1];

const { sources: hello, minified } = smallest();
const plain = { "worker.js": `export default { fetch() { return new Response("Hello, World!", { headers: { "content-type": "text/plain" } }); } };` };

const shim = hello["midge.js"];
console.log("hello, as it is:        wasm %s + JavaScript %s = %s gzipped", kilobytes(hello["module.wasm"].length), kilobytes(shim.length),
  kilobytes(gzipped(hello["module.wasm"]) + gzipped(shim)));
console.log("hello, \"minify\": true:  wasm %s + JavaScript %s = %s gzipped (%s + %s)", kilobytes(hello["module.wasm"].length), kilobytes(minified.length),
  kilobytes(gzipped(hello["module.wasm"]) + gzipped(minified)), kilobytes(gzipped(hello["module.wasm"])), kilobytes(gzipped(minified)));

const instance = new WebAssembly.Instance(new WebAssembly.Module(hello["module.wasm"]), { midge: new Proxy({}, { get: () => () => 0 }) });
console.log("memory of an instance:  %d pages", instance.exports.memory.buffer.byteLength / 65_536);

// Cold isolates, through workerd's loader, in turns.
const loader = {
  "worker.js": `
import entry from "./entry.txt"; import plain from "./plain.txt"; import wasm from "./module.bin";
const sources = {
  midge: { "worker.js": entry },
  plain: { "worker.js": plain },
};
let id = 0;
export default {
  async fetch(request, env) {
    const modules = { ...sources[new URL(request.url).pathname.slice(1)] };
    if (modules["worker.js"] === entry) {
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

const dir = fs.mkdtempSync(path.join(os.tmpdir(), "midge-figures-"));
const server = await start({
  midge: { modules: hello }, plain: { modules: plain },
  loader: {
    modules: { ...loader, "entry.txt": minified, "plain.txt": plain["worker.js"], "module.bin": hello["module.wasm"] },
    bindings: `(name = "LOADER", workerLoader = (id = "figures"))`,
  },
}, { dir });
try {
  const cold = { midge: [], plain: [] };
  for (let round = 0; round < 210; round++) {
    for (const name of round % 2 ? ["midge", "plain"] : ["plain", "midge"]) {
      const begin = process.hrtime.bigint();
      const answer = await server.call("loader", `/${name}`);
      const time = Number(process.hrtime.bigint() - begin) / 1e6;
      if (answer.text !== "Hello, World!") throw new Error(`loader: ${answer.status} ${answer.text} ${server.log.text}`);
      // The first ones warm the loader itself up.
      if (round >= 10) cold[name].push(time);
    }
  }
  const [midge, js] = [median(cold.midge), median(cold.plain)];
  console.log("a cold isolate:         %s ms, plain JavaScript %s ms: %s ms added (medians of %d; the least: %s ms added)", midge.toFixed(2), js.toFixed(2), (midge - js).toFixed(2),
    cold.midge.length, (least(cold.midge) - least(cold.plain)).toFixed(2));

  const rates = { midge: [], plain: [] };
  const rate = (name, seconds) => Number(/Requests\/sec:\s+([\d.]+)/.exec(String(
    execFileSync("wrk", ["-t1", "-c32", `-d${seconds}`, `http://127.0.0.1:${server.ports[name]}/`])))?.[1]);
  for (const name of ["plain", "midge"]) rate(name, 2);
  for (let round = 0; round < 9; round++) for (const name of round % 2 ? ["midge", "plain"] : ["plain", "midge"]) rates[name].push(rate(name, 2));
  const ratios = rates.midge.map((value, index) => value / rates.plain[index]);
  console.log("requests a second:      %d, plain JavaScript %d: ratio %s (median of %d turns, %s to %s)", median(rates.midge), median(rates.plain), median(ratios).toFixed(2),
    ratios.length, Math.min(...ratios).toFixed(2), Math.max(...ratios).toFixed(2));
} finally {
  await server.stop();
  server.remove();
}
