// Exits while a thread is inside a native run of some hundred milliseconds. Argument: folder of model.onnx.
import { Call } from '../../dist/call.js';
import runtime from '../../dist/runtimes/onnx/onnx-runtime.js';
import { instanceGroup } from '../../dist/serving/instance-group.js';

const artifact = { format: 'onnx', directory: process.argv[2], main: 'model.onnx', files: [], metadata: {} };
const group = await instanceGroup(runtime, artifact, { kind: 'thread', load: { threads: 1, parameters: {} } });
const side = group.signature.inputs[0].shape[1];
void group.infer({ inputs: new Map([['x', { datatype: 'FP32', shape: [side, side], data: new Float32Array(side * side) }]]) }, new Call()).then(() => console.log('answered'));
setTimeout(() => process.exit(5), 50);
