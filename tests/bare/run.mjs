// Runs the program that was built for WebAssembly, which may import nothing: run.mjs FILE.

import { readFileSync } from "node:fs";

const { instance } = await WebAssembly.instantiate(readFileSync(process.argv[2]), {});
const place = instance.exports._start();
if (place !== 0) {
  console.log(`the first check that does not hold is on line ${place % 10_000} of file ${Math.floor(place / 10_000)}`);
  process.exit(1);
}
