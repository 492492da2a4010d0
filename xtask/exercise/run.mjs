// Runs the program as a WebAssembly module: node run.mjs MODULE [FAULT]
import { readFileSync, writeSync } from "node:fs";

const faults = { none: 0, overwrite: 1, leak: 2 };
const [path, name = "none"] = process.argv.slice(2);
if (!(name in faults)) throw new Error(`there is no fault ${name}`);

let memory;
const print_text = (start, length) => writeSync(1, new Uint8Array(memory.buffer, start, length));
const { instance } = await WebAssembly.instantiate(readFileSync(path), { host: { print_text } });
memory = instance.exports.memory;

let result;
try {
    result = instance.exports.run(faults[name]);
} catch (error) {
    if (!(error instanceof WebAssembly.RuntimeError)) throw error;
    console.error(`${error}`);
    result = 1;
}
// The memory never shrinks, so its final size is its peak.
console.log(`${memory.buffer.byteLength} bytes of memory`);
process.exitCode = result;
