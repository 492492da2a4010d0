// Measures modules: node run.mjs ROUNDS ACTIONS LARGEST MODULE...
// Prints the median time per action in nanoseconds, and the size of the memory in pages, for each module.
import { readFileSync } from "node:fs";

const [rounds, actions, largest] = process.argv.slice(2, 5).map(Number);
const modules = [];
for (const path of process.argv.slice(5)) {
    const { instance } = await WebAssembly.instantiate(readFileSync(path));
    modules.push({ exports: instance.exports, times: [] });
}
// Warms up, until the optimising compiler has compiled all functions.
for (const { exports } of modules) for (let i = 0; i < 5; i++) exports.run(actions, largest);
for (let round = 0; round < rounds; round++) {
    for (let i = 0; i < modules.length; i++) {
        const { exports, times } = modules[(i + round) % modules.length];
        const start = process.hrtime.bigint();
        exports.run(actions, largest);
        times.push(Number(process.hrtime.bigint() - start) / actions);
    }
}
for (const { exports, times } of modules) {
    times.sort((a, b) => a - b);
    const pages = exports.memory.buffer.byteLength / 65536;
    console.log(`${times[Math.floor(times.length / 2)].toFixed(3)} ${pages}`);
}
