// Two process instances; prints their ids, again after every SIGINT, and runs until it is killed.
import { Call } from '../../dist/call.js';
import { instanceGroup } from '../../dist/serving/instance-group.js';
import runtime from '../fixtures/runtimes/obedient.mjs';

const artifact = { format: 'test', directory: import.meta.dirname, main: 'model.test', files: [], metadata: {} };
const group = await instanceGroup(runtime, artifact, { kind: 'process', count: 2, load: { threads: 1, parameters: {} } });
const x = { datatype: 'FP32', shape: [1, 4], data: new Float32Array(4) };

async function printIds() {
  const request = { inputs: new Map([['x', x]]), parameters: { action: 'sleep', durationMs: 20 } };
  const answers = await Promise.all([0, 1].map(() => group.infer(request, new Call())));
  console.log(answers.map(({ parameters }) => parameters.pid).sort((left, right) => left - right).join(' '));
}

process.on('SIGINT', () => void printIds());
await printIds();
