/** How long a run takes, and inputs to find that out with. */
import { Call } from '../call.ts';
import type { InferRequest, Model, Signature } from '../model.ts';
import { allocate, elementCount, type Tensor } from '../tensor.ts';

const maxRuns = 12;
const budgetMs = 5;

/**
 * The shortest of several runs, in milliseconds. The first run includes what the runtime does lazily and others are
 * disturbed by whatever else the machine does, so the shortest says what the model costs. Ends early once that is plainly
 * more than `budgetMs`. Rejects where the model rejects the request.
 */
export async function measureRun(model: Model, request: InferRequest): Promise<number> {
  let shortestMs = Infinity;
  let totalMs = 0;
  for (let run = 0; run < maxRuns; run++) {
    const startedAtMs = performance.now();
    await model.infer!(request, new Call());
    const durationMs = performance.now() - startedAtMs;
    shortestMs = Math.min(shortestMs, durationMs);
    totalMs += durationMs;
    if (totalMs > budgetMs && run > 0) break;
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

/** Inputs of this size are never cheap to run, and making them up would cost memory. */
const maxSampleElements = 1 << 24;
