/**
 * Tensor elements as bytes: little-endian, row-major, without padding; BOOL one byte; each BYTES element after its length as
 * a 32-bit number. The layout of REST's binary tensors, of gRPC's raw contents and of shared memory.
 */
import { ModelportError } from '../../errors.ts';
import type { Signature } from '../../model.ts';
import { datatypes, elementCount, type Datatype, type NumericArray, type Tensor, type TensorData } from '../../tensor.ts';

/**
 * The elements in `bytes`. They are copied out where they lie unaligned, or where the bytes may change while they are used; else they are a view, as
 * of a request's body (`stable`). Throws `INVALID_REQUEST`.
 */
export function tensorDataFromBytes(name: string, datatype: Datatype, shape: readonly number[], bytes: Uint8Array, modelName: string, stable = false): TensorData {
  const count = elementCount(shape);
  if (datatype === 'BYTES') return readByteStrings(name, count, bytes, modelName);
  const { array, bytes: elementBytes } = datatypes[datatype];
  if (count * elementBytes !== bytes.length) {
    throw new ModelportError(
      'INVALID_REQUEST',
      `input byte size mismatch for input '${name}' for model '${modelName}'. Expected ${count * elementBytes}, got ${bytes.length} (datatype ${datatype}, shape [${shape.join(', ')}])`,
      { at: `inputs.${name}` },
    );
  }
  if (datatype === 'BOOL') requireBooleans(name, bytes);
  const view = array as unknown as new (buffer: ArrayBufferLike, byteOffset: number, length: number) => NumericArray;
  if (stable && bytes.byteOffset % elementBytes === 0) return new view(bytes.buffer, bytes.byteOffset, count);
  const copy = new Uint8Array(bytes.length);
  copy.set(bytes);
  return new view(copy.buffer, 0, count);
}

function requireBooleans(name: string, bytes: Uint8Array): void {
  for (let index = 0; index < bytes.length; index++) {
    if (bytes[index]! > 1) throw new ModelportError('INVALID_REQUEST', `element ${index} of input '${name}' is ${bytes[index]}: a BOOL is a byte 0 or 1`, { at: `inputs.${name}` });
  }
}

function readByteStrings(name: string, count: number, bytes: Uint8Array, modelName: string): Uint8Array[] {
  const copy = new Uint8Array(bytes.length);
  copy.set(bytes);
  const view = new DataView(copy.buffer);
  const found = countByteStrings(view, name, modelName);
  if (found !== count) {
    const message = found < count ? `expected ${count} string elements for inference input '${name}' for model '${modelName}', got ${found}` : `unexpected number of string elements ${found} for inference input '${name}' for model '${modelName}', expecting ${count}`;
    throw new ModelportError('INVALID_REQUEST', message, { at: `inputs.${name}` });
  }
  const elements: Uint8Array[] = [];
  for (let offset = 0; elements.length < count; ) {
    const end = offset + 4 + view.getUint32(offset, true);
    elements.push(copy.subarray(offset + 4, end));
    offset = end;
  }
  return elements;
}

/** How many strings there are. Nothing is made of them before the last one is known to be whole. */
function countByteStrings(view: DataView, name: string, modelName: string): number {
  let count = 0;
  for (let offset = 0; offset < view.byteLength; count++) {
    const left = view.byteLength - offset;
    if (left < 4) {
      throw new ModelportError('INVALID_REQUEST', `incomplete string length indicator for inference input '${name}' for model '${modelName}', expecting 4 bytes but only ${left} bytes available (element ${count})`, { at: `inputs.${name}` });
    }
    const length = view.getUint32(offset, true);
    if (length > left - 4) {
      throw new ModelportError('INVALID_REQUEST', `incomplete string data for inference input '${name}', expecting string of length ${length} but only ${left - 4} bytes available (element ${count})`, { at: `inputs.${name}` });
    }
    offset += 4 + length;
  }
  return count;
}

/** The elements as bytes: a view of a numeric tensor's memory, new memory for BYTES. */
export function bytesOfTensor(tensor: Tensor): Uint8Array {
  if (tensor.datatype !== 'BYTES') {
    const { buffer, byteOffset, byteLength } = tensor.data as NumericArray;
    return new Uint8Array(buffer, byteOffset, byteLength);
  }
  const elements = tensor.data as Uint8Array[];
  let size = 0;
  for (const element of elements) size += 4 + element.length;
  const bytes = new Uint8Array(size);
  const view = new DataView(bytes.buffer);
  let offset = 0;
  for (const element of elements) {
    view.setUint32(offset, element.length, true);
    bytes.set(element, offset + 4);
    offset += 4 + element.length;
  }
  return bytes;
}

/**
 * A body that is nothing but the elements of the model's only input, one row. The one dimension that may vary is found from
 * the size; a BYTES input takes the body as its one element.
 */
export function rawInput(signature: Signature, body: Uint8Array, modelName: string): { readonly name: string; readonly tensor: Tensor } {
  const required = signature.inputs.filter((input) => input.optional !== true);
  const [spec] = required;
  const fail = (message: string): never => {
    throw new ModelportError('INVALID_REQUEST', message, { at: 'body' });
  };
  if (spec === undefined || required.length !== 1) {
    return fail(`Raw request must only have 1 input (found ${required.length}) to be deduced but model '${modelName}' takes [${required.map((input) => `'${input.name}'`).join(',')}]`);
  }
  const shape = spec.shape.map((dimension, axis) => (axis === spec.batchAxis ? 1 : typeof dimension === 'number' ? dimension : -1));
  if (spec.datatype === 'BYTES') {
    if (shape.some((size) => size !== 1)) return fail(`For BYTES datatype raw input '${spec.name}', the model must have input shape [1], but it is [${shape.join(', ')}]`);
    return { name: spec.name, tensor: { datatype: 'BYTES', shape, data: [new Uint8Array(body)] } };
  }
  const variable = shape.filter((size) => size === -1).length;
  if (variable > 1) return fail(`The shape of the raw input '${spec.name}' can not be deduced because there are more than one variable-sized dimension`);
  if (variable === 1) {
    const fixed = elementCount(shape.filter((size) => size !== -1)) * datatypes[spec.datatype].bytes;
    const size = fixed === 0 ? 0 : body.length / fixed;
    if (!Number.isInteger(size)) return fail(`The shape of the raw input '${spec.name}' can not be deduced: ${body.length} bytes are no multiple of ${fixed} (${spec.datatype}, shape [${shape.join(', ')}])`);
    shape[shape.indexOf(-1)] = size;
  }
  return { name: spec.name, tensor: { datatype: spec.datatype, shape, data: tensorDataFromBytes(spec.name, spec.datatype, shape, body, modelName, true) } };
}
