/**
 * How long it takes to read and write tensors as JSON, against the platform's own parser: node bench/json-tensors.mjs
 * Best of many runs of one thread, warm.
 */
import { parseInferRequest } from '../dist/protocols/open-inference/infer-request.js';
import { tensorText } from '../dist/protocols/open-inference/infer-response.js';

const tiny = Buffer.from('{"inputs": [{"name": "input", "shape": [1, 4], "datatype": "FP32", "data": [5.1, 3.5, 1.4, 0.2]}]}');
const values = Array.from({ length: 3 * 224 * 224 }, (_, index) => Math.sin(index * 12.9898));
const image = (datatype, write) => Buffer.from(`{"inputs": [{"name": "input", "shape": [1, 3, 224, 224], "datatype": "${datatype}", "data": [${values.map(write).join(', ')}]}]}`);
const digits = (value) => value.toPrecision(17);

/** Best time of one call in milliseconds. */
function best(run, calls, rounds = 25) {
  let shortest = Infinity;
  for (let round = 0; round < rounds; round++) {
    const started = performance.now();
    for (let call = 0; call < calls; call++) run();
    shortest = Math.min(shortest, (performance.now() - started) / calls);
  }
  return shortest;
}

function report(what, bytes, run, calls) {
  const milliseconds = best(run, calls);
  const time = milliseconds < 0.1 ? `${(milliseconds * 1000).toFixed(2)} µs` : `${milliseconds.toFixed(2)} ms`;
  console.log(`${what.padEnd(58)} ${time.padStart(10)}  ${(bytes / milliseconds / 1000).toFixed(0).padStart(5)} MB/s`);
}

const platform = (body) => () => Float32Array.from(JSON.parse(body.toString()).inputs[0].data);
report(`read ${tiny.length} bytes, 4 FP32`, tiny.length, () => parseInferRequest(tiny), 20_000);
report('  JSON.parse and Float32Array.from', tiny.length, platform(tiny), 20_000);
for (const [datatype, write] of [['FP32', digits], ['FP64', digits], ['FP16', digits], ['UINT8', (value) => Math.round(value * 127 + 128)], ['INT64', (value) => Math.round(value * 1e15)]]) {
  const body = image(datatype, write);
  report(`read ${(body.length / 1e6).toFixed(1)} MB, 150,528 ${datatype}`, body.length, () => parseInferRequest(body), 1);
  if (datatype === 'FP32') report('  JSON.parse and Float32Array.from', body.length, platform(body), 1);
}
const floats = Float32Array.from(values);
const written = tensorText('x', 'FP32', floats).length;
report(`write ${(written / 1e6).toFixed(1)} MB, 150,528 FP32`, written, () => tensorText('x', 'FP32', floats), 1);
report('  JSON.stringify(Array.from())', JSON.stringify(Array.from(floats)).length, () => JSON.stringify(Array.from(floats)), 1);
const three = Float32Array.of(0.97, 0.029999, 1.5e-7);
report('write 3 FP32', tensorText('x', 'FP32', three).length, () => tensorText('x', 'FP32', three), 20_000);
