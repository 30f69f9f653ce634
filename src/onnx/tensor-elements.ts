/** The elements of a tensor, whichever of its fields or files holds them. */
import { dataTypes, type DataTypeFacts } from './data-type.ts';
import { externalRange } from './external-data.ts';
import { DataLocation, type TensorProto } from './model-proto.ts';
import { invalidTensor as invalid, tensorElementCount } from './tensor-size.ts';

export type TensorElements =
  | Float32Array
  | Float64Array
  | Uint8Array
  | Int8Array
  | Uint16Array
  | Int16Array
  | Uint32Array
  | Int32Array
  | BigInt64Array
  | BigUint64Array
  | Uint8Array[];

/**
 * Reads the elements, from the model's file or from the one beside it that `directory` confines (undefined: external data is refused).
 * The array is that of `dataTypes`; strings are byte strings. Numbers in memory may be a view of the file's bytes: do not write into them.
 * Throws `INVALID_MODEL` where type, shape and data don't agree.
 */
export function tensorElements(tensor: TensorProto, directory?: string): TensorElements {
  const facts = dataTypes.get(tensor.dataType ?? 0);
  if (facts === undefined) throw invalid(tensor, `has the unknown element type ${tensor.dataType ?? 0}`);
  const count = tensorElementCount(tensor);
  const external = tensor.dataLocation === DataLocation.EXTERNAL;
  if (facts.name === 'STRING') {
    if (external) throw invalid(tensor, 'keeps strings in another file, which ONNX does not allow');
    const strings = tensor.stringData ?? [];
    if (strings.length !== count) throw invalid(tensor, `has ${strings.length} strings for the shape [${tensor.dims.join(', ')}]`);
    return strings;
  }
  if (external) {
    if (directory === undefined) throw invalid(tensor, 'keeps its data in another file, and there is no folder to look in');
    return fromRaw(tensor, facts, count, externalRange(tensor, directory).read());
  }
  if (tensor.rawData !== undefined) return fromRaw(tensor, facts, count, tensor.rawData.read());
  const packed = tensor[facts.field as Exclude<typeof facts.field, 'stringData'>];
  if (packed === undefined) {
    if (count === 0) return new facts.array!(0);
    throw invalid(tensor, `has no data for its ${count} elements`);
  }
  const encoded = packed.read();
  switch (facts.field) {
    case 'floatData':
    case 'doubleData':
      return fromRaw(tensor, facts, count, encoded);
    default:
      return fromVarints(tensor, facts, count, encoded);
  }
}

function fromRaw(tensor: TensorProto, facts: DataTypeFacts, count: number, bytes: Uint8Array): TensorElements {
  const expected = Math.ceil((count * facts.bits) / 8);
  if (bytes.byteLength !== expected) {
    throw invalid(tensor, `has ${bytes.byteLength} bytes of data, but ${facts.name}[${tensor.dims.join(', ')}] takes ${expected}`);
  }
  const array = facts.array!;
  if (facts.bits < 8) return unpackBits(bytes, count, facts);
  const width = array.BYTES_PER_ELEMENT;
  if (bytes.byteOffset % width === 0) return new array(bytes.buffer as ArrayBuffer, bytes.byteOffset, bytes.byteLength / width);
  const aligned = new Uint8Array(bytes);
  return new array(aligned.buffer, 0, aligned.byteLength / width);
}

/** Elements of 2, 4 and 6 bits, one after the other from the lowest bit of the first byte; a byte each in the result. */
function unpackBits(bytes: Uint8Array, count: number, facts: DataTypeFacts): Uint8Array | Int8Array {
  const { bits } = facts;
  const elements = facts.array === Int8Array ? new Int8Array(count) : new Uint8Array(count);
  const mask = (1 << bits) - 1;
  const sign = facts.array === Int8Array ? 1 << (bits - 1) : 0;
  for (let index = 0; index < count; index++) {
    const bit = index * bits;
    const at = bit >>> 3;
    const pair = bytes[at]! | ((bytes[at + 1] ?? 0) << 8);
    const value = (pair >>> (bit & 7)) & mask;
    elements[index] = (value ^ sign) - sign;
  }
  return elements;
}

function fromVarints(tensor: TensorProto, facts: DataTypeFacts, count: number, encoded: Uint8Array): TensorElements {
  // Elements of 2 and 4 bits: one number is one byte of packed elements. Those of 6 bits have a number each.
  const packedBytes = facts.bits < 6;
  const expected = packedBytes ? Math.ceil((count * facts.bits) / 8) : count;
  // Every number takes at least a byte: checked before memory for them is taken.
  if (expected > encoded.length) throw invalid(tensor, `has at most ${encoded.length} numbers for the shape [${tensor.dims.join(', ')}]`);
  const wide = facts.bits === 64;
  const numbers = packedBytes ? new Uint8Array(expected) : new facts.array!(expected);
  let position = 0;
  let index = 0;
  while (position < encoded.length) {
    let low = 0;
    let high = 0;
    for (let shift = 0; ; shift += 7) {
      const byte = encoded[position++];
      if (byte === undefined || shift > 63) throw invalid(tensor, 'has data that is cut off');
      const bits = byte & 0x7f;
      if (shift < 28) low |= bits << shift;
      else if (shift === 28) {
        low |= bits << 28;
        high = bits >>> 4;
      } else if (shift < 63) high |= bits << (shift - 32);
      else high |= (bits & 1) << 31;
      if (byte < 0x80) break;
    }
    if (index < expected) {
      if (wide) (numbers as BigInt64Array)[index] = (BigInt(high >>> 0) << 32n) | BigInt(low >>> 0);
      else (numbers as Int32Array)[index] = low;
    }
    index++;
  }
  if (index !== expected) throw invalid(tensor, `has ${index} numbers for the shape [${tensor.dims.join(', ')}]`);
  return packedBytes ? unpackBits(numbers as Uint8Array, count, facts) : numbers;
}
