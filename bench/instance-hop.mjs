// What a call to an instance costs beyond the run itself, by kind and size of the tensors. Prints microseconds.
//   npm run build && node bench/instance-hop.mjs
import { Call } from '../dist/call.js';
import { instanceGroup } from '../dist/serving/instance-group.js';

const moduleUrl = new URL('identity-runtime.mjs', import.meta.url).href;
const { default: runtime } = await import(moduleUrl);
const artifact = { format: 'bench', directory: import.meta.dirname, main: 'identity', files: [], metadata: {} };
const load = { threads: 1, parameters: {} };

const percentile = (sorted, part) => sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * part))];

async function measure(model, name, request, count) {
  const call = new Call();
  for (let index = 0; index < Math.min(count, 2000); index++) await model.infer(request, call);
  const durationsUs = [];
  const cpuBefore = process.cpuUsage();
  const startedAtMs = performance.now();
  for (let index = 0; index < count; index++) {
    const beforeMs = performance.now();
    await model.infer(request, call);
    durationsUs.push((performance.now() - beforeMs) * 1000);
  }
  const meanUs = ((performance.now() - startedAtMs) / count) * 1000;
  const cpu = process.cpuUsage(cpuBefore);
  durationsUs.sort((left, right) => left - right);
  const columns = [percentile(durationsUs, 0.1), percentile(durationsUs, 0.5), percentile(durationsUs, 0.99), meanUs, (cpu.user + cpu.system) / count];
  console.log(`${name.padEnd(28)} ${columns.map((value) => value.toFixed(2).padStart(10)).join('')}`);
}

const inputs = [
  { name: '16 B', count: 20_000, tensor: { datatype: 'FP32', shape: [1, 4], data: Float32Array.of(1, 2, 3, 4) } },
  { name: '2 KB (32 rows)', count: 20_000, tensor: { datatype: 'FP32', shape: [32, 16], data: new Float32Array(512) } },
  { name: '600 KB', count: 2_000, tensor: { datatype: 'FP32', shape: [1, 150_000], data: new Float32Array(150_000) } },
  { name: '1000 strings', count: 2_000, tensor: { datatype: 'BYTES', shape: [1000], data: Array.from({ length: 1000 }, (_, index) => Buffer.from(`category ${index}`)) } },
];

console.log(`${''.padEnd(28)}${['p10', 'p50', 'p99', 'mean', 'CPU'].map((column) => column.padStart(10)).join('')}   (us; CPU of the server's process, threads included)`);
const bare = await runtime.load(artifact, load);
for (const { name, count, tensor } of inputs) await measure(bare, `bare    ${name}`, { inputs: new Map([['x', tensor]]) }, count);
for (const kind of ['inline', 'thread', 'process']) {
  const group = await instanceGroup(runtime, artifact, { kind, load });
  for (const { name, count, tensor } of inputs) await measure(group, `${kind.padEnd(7)} ${name}`, { inputs: new Map([['x', tensor]]) }, count);
  await group[Symbol.asyncDispose]();
}
