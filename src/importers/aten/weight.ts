/** Parameters, buffers and constants of a program: what they are, and their elements when somebody asks. */
import { ByteRange } from '../../onnx/byte-range.ts';
import { fromTensorProto, toTensorProto, type ConstantTensor } from '../../onnx/constant-tensor.ts';
import { dataTypes } from '../../onnx/data-type.ts';
import type { TensorProto } from '../../onnx/model-proto.ts';
import { ModelportError } from '../../errors.ts';

export interface WeightSource {
  /** The program's name of it: `layer1.0.conv1.weight`. */
  readonly name: string;
  /** An `ElementType`. */
  readonly elementType: number;
  readonly shape: readonly number[];
  /** The message for the graph; its bytes may still lie in a file. */
  proto(): TensorProto;
  /** The elements, in row-major order. */
  read(): ConstantTensor;
}

/** A weight whose bytes, row-major and little-endian, are in memory or lie in a file. */
export function weightOfBytes(name: string, elementType: number, shape: readonly number[], bytes: ByteRange): WeightSource {
  const proto = (): TensorProto => ({ dims: [...shape], dataType: elementType, rawData: bytes });
  return { name, elementType, shape, proto, read: () => fromTensorProto(proto()) };
}

export function weightOfConstant(name: string, tensor: ConstantTensor): WeightSource {
  return { name, elementType: tensor.elementType, shape: tensor.shape, proto: () => toTensorProto(tensor), read: () => tensor };
}

/** The weight with two axes exchanged, which is computed when it is written. Undefined for element types of less than a byte. */
export function transposedWeight(source: WeightSource): WeightSource | undefined {
  const [rows, columns] = source.shape as [number, number];
  const facts = dataTypes.get(source.elementType);
  if (source.shape.length !== 2 || facts === undefined || facts.bits < 8) return undefined;
  const shape = [columns, rows];
  const name = `${source.name}.transposed`;
  let kept: ByteRange | undefined;
  const proto = (): TensorProto => ({ dims: shape, dataType: source.elementType, rawData: (kept ??= ByteRange.of(transposedBytes(source, rows, columns, facts.bits / 8))) });
  return { name, elementType: source.elementType, shape, proto, read: () => fromTensorProto(proto()) };
}

function transposedBytes(source: WeightSource, rows: number, columns: number, width: number): Uint8Array {
  const raw = source.proto().rawData;
  if (raw === undefined) throw new ModelportError('INTERNAL', `${source.name} has no bytes`);
  const given = raw.read();
  const aligned = given.byteOffset % width === 0 ? given : new Uint8Array(given);
  const result = new Uint8Array(given.byteLength);
  const arrays = { 1: Uint8Array, 2: Uint16Array, 4: Uint32Array, 8: BigUint64Array } as const;
  const Elements = arrays[width as 1 | 2 | 4 | 8] as typeof Uint32Array;
  const from = new Elements(aligned.buffer as ArrayBuffer, aligned.byteOffset, rows * columns);
  const to = new Elements(result.buffer, 0, rows * columns);
  // In blocks, so that both sides stay in the cache.
  for (let top = 0; top < rows; top += 32) {
    for (let left = 0; left < columns; left += 32) {
      for (let row = top; row < Math.min(top + 32, rows); row++) {
        for (let column = left; column < Math.min(left + 32, columns); column++) to[column * rows + row] = from[row * columns + column]!;
      }
    }
  }
  return result;
}
