/** How long a run takes, and inputs to find that out with. */
import { Call } from '../call.ts';
import { collectYoungGarbage } from '../lib/collect-young-garbage.ts';
import type { InferRequest, Model, Signature } from '../model.ts';
import { allocate, datatypes, elementCount, type Tensor } from '../tensor.ts';

const maxRuns = 12;
/** A model that takes longer in its best run is no tiny one; how long exactly matters to nobody. */
const longRunMs = 1;
/** The first touch of fresh memory costs more than many a run. A server that works has memory of this size back soon, so here it is given back at once. */
const largeInputBytes = 64 * 1024;

/**
 * The shortest of several runs, in milliseconds. The first run includes what the runtime does lazily and others are
 * disturbed by whatever else the machine does, so the shortest says what the model costs. A second long run is the last.
 * Rejects where the model rejects the request.
 */
export async function measureRun(model: Model, request: InferRequest): Promise<number> {
  let shortestMs = Infinity;
  const large = bytesOf(request) >= largeInputBytes;
  for (let run = 0; run < maxRuns; run++) {
    const startedAtMs = performance.now();
    await model.infer!(request, new Call());
    shortestMs = Math.min(shortestMs, performance.now() - startedAtMs);
    if (shortestMs > longRunMs && run > 0) break;
    if (large) collectYoungGarbage();
  }
  return shortestMs;
}

/**
 * A request of `rows` rows of zeros, or undefined where the signature leaves another size open: a run with a size that
 * was made up says nothing about real ones.
 */
export function sampleRequest(signature: Signature, rows: number): InferRequest | undefined {
  const inputs = new Map<string, Tensor>();
  for (const spec of signature.inputs) {
    const shape: number[] = [];
    for (const [axis, dimension] of spec.shape.entries()) {
      if (axis === spec.batchAxis) shape.push(rows);
      else if (typeof dimension === 'number' && dimension >= 0) shape.push(dimension);
      else return undefined;
    }
    if (elementCount(shape) > maxSampleElements) return undefined;
    inputs.set(spec.name, { datatype: spec.datatype, shape, data: allocate(spec.datatype, elementCount(shape)) });
  }
  return { inputs };
}

/** Of its inputs; elements of BYTES count nothing. */
export function bytesOf({ inputs }: InferRequest): number {
  let sizeBytes = 0;
  for (const { datatype, data } of inputs.values()) sizeBytes += data.length * datatypes[datatype].bytes;
  return sizeBytes;
}

/** Inputs of this size are never cheap to run, and making them up would cost memory. */
const maxSampleElements = 1 << 24;
