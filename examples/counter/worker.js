import module from "./target/wasm32-unknown-unknown/release/midge_example_counter.wasm";
import { worker, durableObject } from "../../adapters/workers/js/midge.js";
import { calls } from "../../adapters/workers/js/calls.js";

export default worker(module, { calls });
export const Counter = durableObject(module, "Counter", { calls });
