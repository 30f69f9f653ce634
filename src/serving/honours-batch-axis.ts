/**
 * Whether rows of different requests may really be run as one. Exporters declare batch axes that a model does not honour:
 * a reshape with a fixed size inside, a softmax over the wrong axis, statistics taken over the batch.
 */
import { Call } from '../call.ts';
import { toPlainError } from '../errors.ts';
import { fromBfloat16, fromHalf } from '../lib/half-float.ts';
import type { InferResponse, Model, Signature } from '../model.ts';
import { concatenate, split, type NumericArray, type Tensor, type Tensors } from '../tensor.ts';
import { randomInputs } from './sample-inputs.ts';

export interface BatchAxisVerdict {
  /** True also where it could not be found out: the reason says so. */
  readonly honours: boolean;
  readonly reason: string;
}

/** A model this slow is tried with fewer rows. */
const slowRunMs = 1_000;
/** Of the largest value of an output. Dynamic quantization shares its scale among the rows of a run, which moves values by a percent or two. */
const tolerance = 0.05;
/** Elements that may differ: near-ties flip in integer outputs. */
const differingShare = 0.1;

/** Runs a few random rows together and one by one and compares, by the model's signature. */
export async function honoursBatchAxis(model: Model): Promise<BatchAxisVerdict> {
  const { signature } = model;
  if (model.infer === undefined || signature.batch.maxSize < 2) return { honours: true, reason: 'rows are never joined' };
  let verdict: BatchAxisVerdict = { honours: true, reason: 'not tried' };
  // A difference must show twice: one seed can hit a tie.
  for (const seed of [1, 2]) {
    verdict = await tryOnce(model, signature, seed);
    if (verdict.honours) return verdict;
  }
  return verdict;
}

async function tryOnce(model: Model, signature: Signature, seed: number): Promise<BatchAxisVerdict> {
  const first = randomInputs(signature, 1, seed * 100);
  if (first === undefined) return { honours: true, reason: 'not tried: its inputs are too large to make up' };
  const singles: InferResponse[] = [];
  const requests: Map<string, Tensor>[] = [first];
  const startedAtMs = performance.now();
  try {
    singles.push(await model.infer!({ inputs: first }, new Call()));
    const rows = Math.min(performance.now() - startedAtMs > slowRunMs ? 2 : 3, signature.batch.maxSize);
    while (requests.length < rows) requests.push(likeFirst(randomInputs(signature, 1, seed * 100 + requests.length)!, first, signature));
    for (const inputs of requests.slice(1)) singles.push(await model.infer!({ inputs }, new Call()));
  } catch (error) {
    return { honours: true, reason: `not tried: the model refuses inputs that were made up (${toPlainError(error).message.slice(0, 200)})` };
  }
  let together: InferResponse;
  try {
    together = await model.infer!({ inputs: join(requests, signature) }, new Call());
  } catch (error) {
    return { honours: false, reason: `a run of ${requests.length} rows fails: ${toPlainError(error).message.slice(0, 300)}` };
  }
  const difference = compare(singles, together, signature);
  if (difference === undefined) return { honours: true, reason: `${requests.length} random rows give the same together as one by one` };
  const again = await model.infer!({ inputs: first }, new Call()).catch(() => undefined);
  const stable = again !== undefined && compare([singles[0]!], again, signature) === undefined;
  return stable ? { honours: false, reason: difference } : { honours: true, reason: 'not tried: the model answers the same input differently each time' };
}

/** Inputs without a batch axis are the same for all rows. */
function likeFirst(inputs: Map<string, Tensor>, first: Tensors, signature: Signature): Map<string, Tensor> {
  for (const { name, batchAxis } of signature.inputs) if (batchAxis === undefined) inputs.set(name, first.get(name)!);
  return inputs;
}

function join(requests: readonly Tensors[], signature: Signature): Tensors {
  const inputs = new Map<string, Tensor>();
  for (const { name, batchAxis } of signature.inputs) {
    inputs.set(name, batchAxis === undefined ? requests[0]!.get(name)! : concatenate(requests.map((request) => request.get(name)!), batchAxis));
  }
  return inputs;
}

function compare(singles: readonly InferResponse[], together: InferResponse, signature: Signature): string | undefined {
  for (const { name, batchAxis } of signature.outputs) {
    if (batchAxis === undefined) continue;
    const all = together.outputs.get(name);
    const apart = singles.map((single) => single.outputs.get(name));
    if (all === undefined || apart.some((tensor) => tensor === undefined)) continue;
    if (all.shape[batchAxis] !== singles.length) {
      return `output '${name}' of a run of ${singles.length} rows has the shape [${all.shape.join(', ')}], without ${singles.length} rows on axis ${batchAxis}`;
    }
    const rows = split(all, batchAxis, singles.map(() => 1));
    for (const [index, row] of rows.entries()) {
      const single = apart[index]!;
      if (row.shape.join() !== single.shape.join()) {
        return `output '${name}' of one row has the shape [${single.shape.join(', ')}] alone and [${row.shape.join(', ')}] together with others`;
      }
      if (!alike(single, row)) return `output '${name}' of a row depends on the rows that it runs together with`;
    }
  }
  return undefined;
}

function alike(left: Tensor, right: Tensor): boolean {
  if (left.datatype === 'BYTES') {
    const others = right.data as Uint8Array[];
    return (left.data as Uint8Array[]).every((element, index) => Buffer.compare(element, others[index]!) === 0);
  }
  const a = numbers(left);
  const b = numbers(right);
  let largest = 0;
  for (let index = 0; index < a.length; index++) {
    if (Number.isFinite(a[index])) largest = Math.max(largest, Math.abs(a[index]!));
    if (Number.isFinite(b[index])) largest = Math.max(largest, Math.abs(b[index]!));
  }
  let differing = 0;
  for (let index = 0; index < a.length; index++) {
    const same = Object.is(a[index], b[index]) || Math.abs(a[index]! - b[index]!) <= tolerance * largest + 1e-6;
    if (!same) differing++;
  }
  return differing <= differingShare * a.length;
}

function numbers(tensor: Tensor): ArrayLike<number> {
  const data = tensor.data as NumericArray;
  if (tensor.datatype === 'FP16' || tensor.datatype === 'BF16') return Float32Array.from(data as Uint16Array, tensor.datatype === 'FP16' ? fromHalf : fromBfloat16);
  return data instanceof BigInt64Array || data instanceof BigUint64Array ? Float64Array.from(data, Number) : data;
}
