/** Inputs made up from a signature, to run a model before anybody asks it something. */
import { toBfloat16, toHalf } from '../lib/half-float.ts';
import { wireDimension, type Signature, type TensorSpec } from '../model.ts';
import { allocate, elementCount, type Datatype, type NumericArray, type Tensor, type TensorData } from '../tensor.ts';

/** Larger inputs are not made up. */
const maximumElements = 1 << 24;

/** The shape of a tensor with `rows` rows; sizes that vary count as 1. */
export function sampleShape(spec: TensorSpec, rows: number): number[] {
  return spec.shape.map((dimension, axis) => {
    if (axis === spec.batchAxis) return rows;
    const size = wireDimension(dimension);
    return size === -1 ? 1 : size;
  });
}

/** Zeros for every input, optional ones included; undefined where that would take too much memory. */
export function zeroInputs(signature: Signature, rows: number): Map<string, Tensor> | undefined {
  return makeUp(signature, rows, (spec, count) => allocate(spec.datatype, count));
}

/** Numbers from 0 to 1, the same for the same seed; 0 or 1 for integers, so that indexes stay in range. */
export function randomInputs(signature: Signature, rows: number, seed: number): Map<string, Tensor> | undefined {
  const random = generator(seed);
  return makeUp(signature, rows, (spec, count) => randomData(spec.datatype, count, random));
}

function makeUp(signature: Signature, rows: number, fill: (spec: TensorSpec, count: number) => TensorData): Map<string, Tensor> | undefined {
  const inputs = new Map<string, Tensor>();
  let total = 0;
  for (const spec of signature.inputs) {
    const shape = sampleShape(spec, rows);
    const count = elementCount(shape);
    total += count;
    if (total > maximumElements) return undefined;
    inputs.set(spec.name, { datatype: spec.datatype, shape, data: fill(spec, count) });
  }
  return inputs;
}

export function randomData(datatype: Datatype, count: number, random: () => number): TensorData {
  const data = allocate(datatype, count);
  if (Array.isArray(data)) {
    for (let index = 0; index < count; index++) data[index] = Buffer.from(String(Math.floor(random() * 10)));
    return data;
  }
  for (let index = 0; index < count; index++) {
    const value = random();
    switch (datatype) {
      case 'FP32': case 'FP64': (data as Float64Array)[index] = value; break;
      case 'FP16': (data as Uint16Array)[index] = toHalf(value); break;
      case 'BF16': (data as Uint16Array)[index] = toBfloat16(value); break;
      case 'INT64': case 'UINT64': (data as BigInt64Array)[index] = value < 0.5 ? 0n : 1n; break;
      default: (data as Exclude<NumericArray, BigInt64Array | BigUint64Array>)[index] = value < 0.5 ? 0 : 1;
    }
  }
  return data;
}

/** Numbers in [0, 1) that look random, from a 32-bit state (the mulberry32 generator). */
export function generator(seed: number): () => number {
  let state = (seed + 1) >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}
