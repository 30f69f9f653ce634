/** A model's scores → probabilities → the best classes. */
import { fromBfloat16, fromHalf } from '../../lib/half-float.ts';
import { ModelportError } from '../../errors.ts';
import type { Tensor } from '../../tensor.ts';

/** Whether scores are logits: `auto` looks at them, since probabilities lie between 0 and 1 and add up to 1. */
export type Softmax = boolean | 'auto';

/** Elements from `start` to `end` as numbers. */
export function numbers(tensor: Tensor, start: number, end: number): Float64Array {
  const values = new Float64Array(end - start);
  const { data, datatype } = tensor;
  if (datatype === 'BYTES') throw new ModelportError('RUN_FAILED', 'the model answered text where its scores were expected');
  if (datatype === 'FP32' || datatype === 'FP64') {
    values.set((data as Float32Array).subarray(start, end));
    return values;
  }
  for (let index = start; index < end; index++) {
    const element = data[index] as number | bigint;
    values[index - start] = datatype === 'FP16' ? fromHalf(element as number) : datatype === 'BF16' ? fromBfloat16(element as number) : Number(element);
  }
  return values;
}

/**
 * One probability a class. A single score is that of the second of two classes. Scores that are not finite have no
 * probabilities: throws `RUN_FAILED`.
 */
export function toProbabilities(scores: Float64Array, softmax: Softmax): Float64Array {
  for (const score of scores) {
    if (!Number.isFinite(score)) throw new ModelportError('RUN_FAILED', `the model answered a score that is ${score}: its input lies outside of what it can compute, or its weights are damaged`);
  }
  if (scores.length === 1) {
    const score = scores[0]!;
    const probability = softmax === true || (softmax === 'auto' && (score < 0 || score > 1)) ? 1 / (1 + Math.exp(-score)) : score;
    return Float64Array.of(1 - probability, probability);
  }
  if (softmax === false || (softmax === 'auto' && isDistribution(scores))) return scores;
  let largest = -Infinity;
  for (const score of scores) if (score > largest) largest = score;
  let sum = 0;
  const exponentials = scores.map((score) => {
    const exponential = Math.exp(score - largest);
    sum += exponential;
    return exponential;
  });
  return exponentials.map((exponential) => exponential / sum);
}

function isDistribution(scores: Float64Array): boolean {
  let sum = 0;
  for (const score of scores) {
    if (score < -1e-6 || score > 1 + 1e-6) return false;
    sum += score;
  }
  // Half-precision probabilities of many classes add up to 1 within a few thousandths.
  return Math.abs(sum - 1) < 5e-3;
}

/** The places of the `count` largest, largest first; the earlier of equal ones first. */
export function largest(values: Float64Array, count: number): number[] {
  const places: number[] = [];
  for (let place = 0; place < values.length; place++) {
    const value = values[place]!;
    if (places.length === count && !(value > values[places.at(-1)!]!)) continue;
    let position = places.length;
    while (position > 0 && values[places[position - 1]!]! < value) position--;
    places.splice(position, 0, place);
    if (places.length > count) places.pop();
  }
  return places;
}

/** Single-precision results as a person would write them: the shortest decimals that are the same single-precision number. */
export function shortest(value: number): number {
  const single = Math.fround(value);
  for (let digits = 6; digits < 9; digits++) {
    const rounded = Number(single.toPrecision(digits));
    if (Math.fround(rounded) === single) return rounded;
  }
  return single;
}
