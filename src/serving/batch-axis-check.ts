/**
 * Finds out whether a model keeps the rows of a batch apart. There are real models that declare a free batch axis and answer
 * a batch with one row, with the mean of all, or with rows that depend on their neighbours.
 */
import { Call } from '../call.ts';
import { fromBfloat16, fromHalf } from '../lib/half-float.ts';
import type { InferRequest, InferResponse, Model, TensorSpec } from '../model.ts';
import { allocate, concatenate, datatypes, split, type NumericArray, type Tensor, type TensorData, type Tensors } from '../tensor.ts';

export interface BatchAxisVerdict {
  readonly honoured: boolean;
  /** One sentence for `inspect` and the log. */
  readonly reason: string;
}

/** Relative to the largest element. Models that are quantized by the values of the whole batch differ by about a hundredth. */
const tolerance = 0.02;

/**
 * Runs 3 distinct rows (2 where no more fit) made from a request of one row, each alone and all as one batch, and compares.
 * `model` is not batched yet. Costs five runs. Never rejects: a batch that fails is not honoured.
 */
export async function honoursBatchAxis(model: Model, sample: InferRequest, maxSize: number = model.signature.batch.maxSize): Promise<BatchAxisVerdict> {
  const outputs = model.signature.outputs.filter((spec) => spec.batchAxis !== undefined);
  if (model.infer === undefined || outputs.length === 0) return { honoured: false, reason: 'no output has a batch axis' };
  if (maxSize < 2) return { honoured: true, reason: 'a run has one row' };
  const wanted = outputs.map((spec) => spec.name);
  const run = async (inputs: Tensors): Promise<InferResponse> => model.infer!({ inputs, outputs: wanted }, new Call());

  const firstRow = firstRowOf(sample.inputs, model.signature.inputs);
  const rowCount = Math.min(3, maxSize);
  let rows = Array.from({ length: rowCount }, (_, index) => variant(firstRow, model.signature.inputs, index));
  let alone: InferResponse[];
  try {
    alone = [await run(rows[0]!)];
  } catch (error) {
    return { honoured: true, reason: `not checked: one row fails already (${message(error)})` };
  }
  try {
    for (const row of rows.slice(1)) alone.push(await run(row));
  } catch {
    // What was varied does not suit the model (an index, a length): equal rows still show sizes and mixing into one.
    rows = rows.map(() => firstRow);
    alone = rows.map(() => alone[0]!);
  }
  let together: InferResponse;
  try {
    together = await run(joined(rows, model.signature.inputs));
  } catch (error) {
    return { honoured: false, reason: `a batch of ${rowCount} rows fails where each row alone does not: ${message(error)}` };
  }
  for (const spec of outputs) {
    const size = together.outputs.get(spec.name)?.shape[spec.batchAxis!];
    if (size !== rowCount) return { honoured: false, reason: `a batch of ${rowCount} rows is answered with ${size ?? 'no'} rows in output '${spec.name}' (axis ${spec.batchAxis})` };
  }
  let again: InferResponse;
  try {
    again = await run(rows[0]!);
  } catch (error) {
    return { honoured: true, reason: `only sizes were checked: the same row fails at times (${message(error)})` };
  }
  for (const spec of outputs) {
    const first = alone[0]!.outputs.get(spec.name);
    const second = again.outputs.get(spec.name);
    if (first === undefined || second === undefined || !nearlyEqual(first, second)) {
      return { honoured: true, reason: `a batch of ${rowCount} rows is answered with ${rowCount} rows; contents were not compared, because output '${spec.name}' differs from run to run` };
    }
  }
  for (const spec of outputs) {
    const parts = split(together.outputs.get(spec.name)!, spec.batchAxis!, rows.map(() => 1));
    for (const [index, part] of parts.entries()) {
      if (!nearlyEqual(part, alone[index]!.outputs.get(spec.name)!)) {
        return { honoured: false, reason: `row ${index} of a batch of ${rowCount} is answered differently than alone (output '${spec.name}')` };
      }
    }
  }
  return { honoured: true, reason: `${rowCount} rows were answered alike alone and as a batch` };
}

function firstRowOf(inputs: Tensors, specs: readonly TensorSpec[]): Map<string, Tensor> {
  const row = new Map<string, Tensor>();
  for (const spec of specs) {
    const tensor = inputs.get(spec.name);
    if (tensor === undefined) continue;
    const size = spec.batchAxis === undefined ? 1 : tensor.shape[spec.batchAxis]!;
    row.set(spec.name, size <= 1 ? tensor : split(tensor, spec.batchAxis!, [1, size - 1])[0]!);
  }
  return row;
}

/** Row 0 is the sample. The others hold its elements in another order, which keeps them valid; constant floats are varied a little. */
function variant(row: Tensors, specs: readonly TensorSpec[], index: number): Map<string, Tensor> {
  const varied = new Map<string, Tensor>();
  for (const spec of specs) {
    const tensor = row.get(spec.name);
    if (tensor === undefined) continue;
    varied.set(spec.name, index === 0 || spec.batchAxis === undefined ? tensor : { ...tensor, data: variedData(tensor, index) });
  }
  return varied;
}

function variedData(tensor: Tensor, index: number): TensorData {
  const { data, datatype } = tensor;
  const length = data.length;
  const result = allocate(datatype, length) as TensorData & unknown[];
  const shift = length === 0 ? 0 : (index * (1 + (length >> 2))) % length;
  for (let position = 0; position < length; position++) result[position] = data[(position + shift) % length]!;
  if (datatype === 'FP32' || datatype === 'FP64') {
    const values = result as unknown as Float64Array;
    const constant = values.every((value) => value === values[0]);
    if (constant) for (let position = 0; position < length; position++) values[position]! += index * (0.25 + 0.5 * fraction(position * 0.618 + index * 0.37));
  } else if (datatypes[datatype].kind === 'integer' && length > 0 && isConstantZero(result)) {
    // 1 is the smallest other index of a vocabulary.
    result[(index - 1) % length] = typeof result[0] === 'bigint' ? 1n : 1;
  }
  return result;
}

function isConstantZero(data: ArrayLike<unknown>): boolean {
  for (let position = 0; position < data.length; position++) if (data[position] !== 0 && data[position] !== 0n) return false;
  return true;
}

function fraction(value: number): number {
  return value - Math.floor(value);
}

function joined(rows: readonly Tensors[], specs: readonly TensorSpec[]): Map<string, Tensor> {
  const batch = new Map<string, Tensor>();
  for (const spec of specs) {
    const first = rows[0]!.get(spec.name);
    if (first === undefined) continue;
    batch.set(spec.name, spec.batchAxis === undefined ? first : concatenate(rows.map((row) => row.get(spec.name)!), spec.batchAxis));
  }
  return batch;
}

function nearlyEqual(one: Tensor, other: Tensor): boolean {
  if (one.datatype !== other.datatype || one.shape.length !== other.shape.length || one.shape.some((size, axis) => size !== other.shape[axis])) return false;
  if (Array.isArray(one.data)) return one.data.every((element, index) => Buffer.compare(element, (other.data as Uint8Array[])[index]!) === 0);
  const left = one.data as NumericArray;
  const right = other.data as NumericArray;
  if (datatypes[one.datatype].kind !== 'float') {
    for (let index = 0; index < left.length; index++) if (left[index] !== right[index]) return false;
    return true;
  }
  const valueOf = one.datatype === 'FP16' ? fromHalf : one.datatype === 'BF16' ? fromBfloat16 : Number;
  let largest = 0;
  for (let index = 0; index < left.length; index++) {
    const magnitude = Math.abs(valueOf(left[index] as number));
    if (magnitude < Infinity && magnitude > largest) largest = magnitude;
  }
  const allowed = tolerance * largest + 1e-5;
  for (let index = 0; index < left.length; index++) {
    const a = valueOf(left[index] as number);
    const b = valueOf(right[index] as number);
    if (a !== b && !(Number.isNaN(a) && Number.isNaN(b)) && !(Math.abs(a - b) <= allowed)) return false;
  }
  return true;
}

function message(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
