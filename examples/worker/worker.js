import module from "./target/wasm32-unknown-unknown/release/midge_example_worker.wasm";
import { worker } from "../../adapters/workers/js/midge.js";
import { calls } from "../../adapters/workers/js/calls.js";

export default worker(module, { calls });
