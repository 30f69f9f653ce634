/** One run of several sequences: which requests fit together, their rows as one request, and the answer cut into rows. Pure. */
import { ModelportError } from '../errors.ts';
import type { InferResponse, Parameters, TensorSpec } from '../model.ts';
import { byteLength, concatenate, split, type NumericArray, type Tensor, type Tensors } from '../tensor.ts';

/** All inputs of the model for one row: the client's, the controls and the states. */
export interface Row {
  readonly inputs: Tensors;
  readonly parameters: Parameters | undefined;
}

/**
 * Whether two rows can run together: the same inputs, equal datatypes and sizes beside the batch axis, equal content of
 * what has no rows, equal parameters.
 */
export function fitTogether(a: Row, b: Row, specs: readonly TensorSpec[]): boolean {
  if (a.inputs.size !== b.inputs.size || !sameParameters(a.parameters, b.parameters)) return false;
  for (const spec of specs) {
    const one = a.inputs.get(spec.name);
    const other = b.inputs.get(spec.name);
    if (one === undefined && other === undefined) continue;
    if (one === undefined || other === undefined || one.datatype !== other.datatype || one.shape.length !== other.shape.length) return false;
    for (let axis = 0; axis < one.shape.length; axis++) {
      if (axis !== spec.batchAxis && one.shape[axis] !== other.shape[axis]) return false;
    }
    if (spec.batchAxis === undefined && !sameElements(one, other)) return false;
  }
  return true;
}

/** The rows as one request's inputs. What has no rows is taken from the first: {@link fitTogether} holds for all of them. */
export function joinRows(rows: readonly Row[], specs: readonly TensorSpec[]): Tensors {
  if (rows.length === 1) return rows[0]!.inputs;
  const joined = new Map<string, Tensor>();
  for (const spec of specs) {
    const first = rows[0]!.inputs.get(spec.name);
    if (first === undefined) continue;
    joined.set(spec.name, spec.batchAxis === undefined ? first : concatenate(rows.map((row) => row.inputs.get(spec.name)!), spec.batchAxis));
  }
  return joined;
}

/**
 * The outputs of each row, in the order of the rows. What has no rows goes to all of them. Throws `RUN_FAILED` where an
 * output has not one row for each.
 */
export function splitRows(response: InferResponse, rowCount: number, specs: readonly TensorSpec[], modelName: string): Map<string, Tensor>[] {
  const rows = Array.from({ length: rowCount }, () => new Map<string, Tensor>());
  for (const [name, tensor] of response.outputs) {
    const axis = specs.find((spec) => spec.name === name)?.batchAxis;
    if (axis !== undefined && rowCount > 1 && tensor.shape[axis] !== rowCount) {
      throw new ModelportError('RUN_FAILED', `output '${name}' of model '${modelName}' has shape [${tensor.shape.join(', ')}] for a run of ${rowCount} rows (batch axis ${axis})`);
    }
    const parts = axis === undefined || rowCount === 1 ? undefined : split(tensor, axis, new Array<number>(rowCount).fill(1));
    rows.forEach((row, index) => row.set(name, parts?.[index] ?? tensor));
  }
  return rows;
}

/** The tensor in memory of its own: a row that is kept must not keep the run's whole output alive. */
export function compact(tensor: Tensor): Tensor {
  if (tensor.datatype === 'BYTES') return tensor;
  const data = tensor.data as NumericArray;
  return data.byteLength === data.buffer.byteLength ? tensor : { ...tensor, data: data.slice() };
}

function sameElements(a: Tensor, b: Tensor): boolean {
  if (a.data === b.data) return true;
  if (byteLength(a) !== byteLength(b)) return false;
  if (a.datatype === 'BYTES') return (a.data as Uint8Array[]).every((element, index) => Buffer.compare(element, (b.data as Uint8Array[])[index]!) === 0);
  const bytes = (tensor: Tensor): Uint8Array => {
    const data = tensor.data as NumericArray;
    return new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
  };
  return Buffer.compare(bytes(a), bytes(b)) === 0;
}

function sameParameters(a: Parameters | undefined, b: Parameters | undefined): boolean {
  const one = Object.entries(a ?? {});
  return one.length === Object.keys(b ?? {}).length && one.every(([name, value]) => b?.[name] === value);
}
