import { expect, it } from 'vitest';
import { isModelportError } from '../../../src/errors.ts';
import { decodeResponse, encodeRequest } from '../../../src/runtimes/remote/wire.ts';
import { byteLength, createTensor, elementCount, textTensor, type Tensor } from '../../../src/tensor.ts';

const tensors: Readonly<Record<string, Tensor>> = {
  floats: createTensor('FP32', [2, 2], Float32Array.of(1, -2, NaN, Infinity)),
  texts: textTensor([3], ['', 'ü', 'abc']),
  integers: createTensor('INT64', [1], BigInt64Array.of(-1n)),
  none: createTensor('FP64', [0, 4], new Float64Array(0)),
};

/** A request with binary tensors has the form of an answer, but for the names of its lists. */
function exampleAnswer(): { body: Buffer; jsonLength: number } {
  const { parts, headers } = encodeRequest({ inputs: new Map(Object.entries(tensors)) }, true);
  const json = Buffer.from(parts[0]!).toString().replace('"inputs"', '"outputs"');
  expect(Number(headers['inference-header-content-length'])).toBe(parts[0]!.byteLength);
  return { body: Buffer.concat([Buffer.from(json), ...parts.slice(1)]), jsonLength: Buffer.byteLength(json) };
}

it('writes and reads binary tensors', () => {
  const { body, jsonLength } = exampleAnswer();
  const decoded = decodeResponse(body, jsonLength);
  expect([...decoded.keys()]).toEqual(Object.keys(tensors));
  for (const [name, tensor] of Object.entries(tensors)) expect(decoded.get(name)).toEqual(tensor);
});

it('fuzz: no answer does more than fail with an error of ours', () => {
  const runs = Number(process.env['MODELPORT_FUZZ_RUNS'] ?? 2000);
  const { body, jsonLength } = exampleAnswer();
  let state = 7;
  const random = (below: number) => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return Math.floor((state / 2 ** 32) * below);
  };
  let failed = 0;
  for (let run = 0; run < runs; run++) {
    let bytes = Buffer.from(body);
    for (let change = random(4); change >= 0; change--) {
      const at = random(bytes.length);
      if (random(3) === 0) bytes = bytes.subarray(0, at + 1);
      else if (random(2) === 0) bytes[at] = random(256);
      else bytes = Buffer.concat([bytes.subarray(0, at), Buffer.from(['-1', '1e9', '[', '{}', 'NaN', 'null', '99999999999999999999', '"'][random(8)]!), bytes.subarray(at + random(4))]);
    }
    try {
      for (const tensor of decodeResponse(bytes, random(4) === 0 ? random(bytes.length * 2) - 5 : jsonLength).values()) {
        expect(tensor.data).toHaveLength(elementCount(tensor.shape));
        expect(byteLength(tensor)).toBeLessThanOrEqual(bytes.length);
      }
    } catch (error) {
      if (!isModelportError(error)) throw error;
      failed++;
    }
  }
  expect(failed).toBeGreaterThan(runs / 4);
  expect(failed).toBeLessThan(runs);
});
