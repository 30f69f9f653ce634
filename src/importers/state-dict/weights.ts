/** The tensors of a state dict, wherever they lie, and where an architecture gets its weights from. */
import { ModelportError } from '../../errors.ts';
import { fromBfloat16, fromHalf } from '../../lib/half-float.ts';
import type { ByteRange } from '../../onnx/byte-range.ts';
import { elementCount, type Datatype, type NumericArray } from '../../tensor.ts';

export interface StoredWeight {
  readonly datatype: Datatype;
  readonly shape: readonly number[];
  /** The elements, row-major; a view of the file's bytes where that is possible. */
  read(): NumericArray;
  /** Checks the bytes and gives their place in the file, to be copied from there; undefined where they are not float32 as ONNX writes it. */
  place(): ByteRange | undefined;
}

export type StoredWeights = ReadonlyMap<string, StoredWeight>;

/** Where a network takes its weights from: a file, or only their shapes. */
export interface WeightSource {
  /** The shape that the file has; undefined where it has no such weight. */
  shapeOf(key: string): readonly number[] | undefined;
  /** The numbers; undefined in a rehearsal, which looks at shapes alone. Nobody writes into them. */
  numbers(key: string, shape: readonly number[]): Float32Array | undefined;
  /** What an initializer of the model holds: bytes in the file, or numbers. */
  initializer(key: string, shape: readonly number[]): ByteRange | Float32Array | undefined;
}

/** The shapes that an architecture asks for, each written down. */
export class Rehearsal implements WeightSource {
  readonly asked = new Map<string, readonly number[]>();
  readonly #stored: StoredWeights;

  constructor(stored: StoredWeights) {
    this.#stored = stored;
  }

  shapeOf(key: string): readonly number[] | undefined {
    return this.#stored.get(key)?.shape;
  }

  numbers(key: string, shape: readonly number[]): undefined {
    this.asked.set(key, shape);
  }

  initializer(key: string, shape: readonly number[]): undefined {
    this.asked.set(key, shape);
  }
}

/** The weights of a file that fits. */
export class FileWeights implements WeightSource {
  readonly #stored: StoredWeights;
  readonly #taken: (() => void) | undefined;

  /** `taken` is called as often as a weight is. */
  constructor(stored: StoredWeights, taken?: () => void) {
    this.#stored = stored;
    this.#taken = taken;
  }

  shapeOf(key: string): readonly number[] | undefined {
    return this.#stored.get(key)?.shape;
  }

  numbers(key: string, shape: readonly number[]): Float32Array {
    return asFloats(key, this.#take(key, shape));
  }

  initializer(key: string, shape: readonly number[]): ByteRange | Float32Array {
    const weight = this.#take(key, shape);
    return weight.place() ?? asFloats(key, weight);
  }

  #take(key: string, shape: readonly number[]): StoredWeight {
    const weight = this.#stored.get(key);
    if (weight === undefined || weight.shape.join() !== shape.join()) throw new ModelportError('INTERNAL', `the weight ${key} was not there when the file was looked through`);
    this.#taken?.();
    return weight;
  }
}

function asFloats(key: string, weight: StoredWeight): Float32Array {
  const elements = weight.read();
  if (elements.length !== elementCount(weight.shape)) throw new ModelportError('INVALID_MODEL', `the weight ${key} has ${elements.length} elements, not ${elementCount(weight.shape)}`, { at: key });
  switch (weight.datatype) {
    case 'FP32':
      return elements as Float32Array;
    case 'FP16':
      return Float32Array.from(elements as Uint16Array, fromHalf);
    case 'BF16':
      return Float32Array.from(elements as Uint16Array, fromBfloat16);
    case 'FP64':
      return Float32Array.from(elements as Float64Array);
    default:
      return Float32Array.from(elements as ArrayLike<number | bigint>, Number);
  }
}
