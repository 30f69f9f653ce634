// Loads, calls and unloads a model again and again, alone in a process. Arguments: folder of model.onnx, instance kind,
// cycles. Prints, as JSON, the resident memory in MB: before, and while loaded and after unloading in each cycle.
import { readFileSync } from 'node:fs';
import { Call } from '../../dist/call.js';
import runtime from '../../dist/runtimes/onnx/onnx-runtime.js';
import { instanceGroup } from '../../dist/serving/instance-group.js';

const [directory, kind, cycles] = process.argv.slice(2);
const artifact = { format: 'onnx', directory, main: 'model.onnx', files: [], metadata: {} };
const residentMb = () => Number(/VmRSS:\s+(\d+)/.exec(readFileSync('/proc/self/status', 'utf8'))[1]) / 1024;

const beforeMb = residentMb();
const loadedMb = [];
const afterMb = [];
const answers = [];
for (let cycle = 0; cycle < Number(cycles); cycle++) {
  const group = await instanceGroup(runtime, artifact, { kind, load: { threads: 1, parameters: {} } });
  const side = group.signature.inputs[0].shape[1];
  const { outputs } = await group.infer({ inputs: new Map([['x', { datatype: 'FP32', shape: [1, side], data: new Float32Array(side).fill(cycle) }]]) }, new Call());
  answers.push(Math.round(outputs.get('y').data[side - 1]));
  loadedMb.push(residentMb());
  await group[Symbol.asyncDispose]();
  afterMb.push(residentMb());
}
console.log(JSON.stringify({ beforeMb, loadedMb, afterMb, answers }));
