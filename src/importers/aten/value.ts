/** What a value of a PyTorch program is while its graph is built. Both front ends and all lowerings speak in these. */
import { ElementType } from '../../onnx/data-type.ts';
import type { Dimension, Shape } from '../../onnx/dimension.ts';
import type { Value } from '../../onnx/graph-builder.ts';

/**
 * A value of a program.
 *
 * - a tensor: `AtenTensor`, an object with an identity, because programs write into tensors
 * - an int: `bigint` where it is known now (int64, wraps around), else `GraphScalar` of type 'int'
 * - a float: `number`, else `GraphScalar` of type 'float'. 1 is the float 1.0, 1n the int 1
 * - a bool: `boolean`, else `GraphScalar` of type 'bool'
 * - None: `null`; a string or a device: `string`
 * - a dtype, layout or memory format: the int of c10 as `bigint`, as TorchScript has it (`scalarTypes`)
 * - a list: an array, which programs may change, so it has an identity too
 * - a tuple: `AtenTuple`
 *
 * What else a front end has (dicts, objects) it keeps in values of its own; no lowering takes them.
 */
export type AtenValue = AtenTensor | GraphScalar | AtenTuple | AtenValue[] | bigint | number | boolean | string | null;

export class AtenTuple {
  readonly items: readonly AtenValue[];

  constructor(items: readonly AtenValue[]) {
    this.items = items;
  }
}

/** A number or truth value that only the running graph knows: a scalar of int64, double or bool. What is known already is never one: see `toScalar`. */
export class GraphScalar {
  readonly type: 'int' | 'float' | 'bool';
  readonly value: Value;

  constructor(type: 'int' | 'float' | 'bool', value: Value) {
    this.type = type;
    this.value = value;
  }

  /** What is known of an int: a size that has a name. */
  get dimension(): Dimension | undefined {
    return this.type === 'int' ? this.value.elements?.[0] : undefined;
  }
}

export type AtenScalar = GraphScalar | bigint | number | boolean;

/** The program's number where the graph's value is known, else a `GraphScalar`. `value` is a scalar of int64, double or bool. */
export function toScalar(value: Value): AtenScalar {
  const known = value.elements?.[0];
  const constant = value.constant?.data[0];
  switch (value.elementType) {
    case ElementType.INT64:
      if (typeof constant === 'bigint') return constant;
      return typeof known === 'number' ? BigInt(known) : new GraphScalar('int', value);
    case ElementType.DOUBLE:
      return typeof constant === 'number' ? constant : new GraphScalar('float', value);
    default:
      if (constant !== undefined) return constant !== 0;
      return typeof known === 'number' ? known !== 0 : new GraphScalar('bool', value);
  }
}

/**
 * Memory that tensors share. In the graph it is a chain of values: a write makes a new one, and whoever reads afterwards reads that.
 * `value` is the content of the tensor that the memory was made for.
 */
export class AtenStorage {
  value: Value;
  /** A parameter or buffer by name, an input by name, or what the program computed. */
  readonly origin: { readonly kind: 'weight' | 'input'; readonly name: string } | undefined;
  /** Memory that may or may not be the same: PyTorch's `reshape` copies or not, depending on strides that are not known here. */
  readonly perhapsSame = new Set<AtenStorage>();
  /** Set where what perhaps is the same memory was written: why it cannot be read any more. */
  unclear: string | undefined;

  constructor(value: Value, origin?: AtenStorage['origin']) {
    this.value = value;
    this.origin = origin;
  }
}

/** How one tensor lies in another: what the view sees of it, and what the whole is when the view is written. Both are pure. */
export interface ViewStep {
  /** The part, of the whole. */
  read(whole: Value): Value;
  /** The whole with another part. Undefined: such a view cannot be written. */
  readonly write?: (whole: Value, part: Value) => Value;
}

export class AtenTensor {
  readonly storage: AtenStorage;
  /** From the storage's tensor to this one. */
  readonly steps: readonly ViewStep[];
  /** An `ElementType`. Never changes. */
  readonly elementType: number;
  /** Undefined: of any rank. Never changes. */
  readonly shape: Shape | undefined;
  /** A Python number that became a tensor without axes; it takes part in promotion as a number. */
  readonly isWrappedNumber: boolean;
  /** In elements, where the front end knows them; a dimension that has only a name is its text. */
  strides: readonly Dimension[] | undefined;
  /** Set where an axis of at least two shows one element again and again: such a tensor never lies in row-major order. */
  repeats = false;
  /** The last value that was read, and of which content. */
  cached: { readonly whole: Value; readonly value: Value } | undefined;

  constructor(storage: AtenStorage, steps: readonly ViewStep[], value: Value, isWrappedNumber = false) {
    this.storage = storage;
    this.steps = steps;
    this.elementType = value.elementType;
    this.shape = value.shape;
    this.isWrappedNumber = isWrappedNumber;
  }

  get rank(): number | undefined {
    return this.shape?.length;
  }
}

export function isScalar(value: AtenValue): value is AtenScalar {
  return typeof value === 'bigint' || typeof value === 'number' || typeof value === 'boolean' || value instanceof GraphScalar;
}

/** For messages. */
export function describeValue(value: AtenValue | undefined): string {
  if (value === undefined) return 'nothing';
  if (value === null) return 'None';
  if (value instanceof AtenTensor) return `a tensor of shape [${value.shape?.map((size) => (String(size).includes('?') ? '?' : size)).join(', ') ?? '…'}]`;
  if (value instanceof GraphScalar) return `${value.type === 'int' ? 'an' : 'a'} ${value.type} that depends on the input`;
  if (value instanceof AtenTuple) return `a tuple of ${value.items.length}`;
  if (Array.isArray(value)) return `a list of ${value.length}`;
  return typeof value === 'string' ? JSON.stringify(value.slice(0, 80)) : typeof value === 'boolean' ? (value ? 'True' : 'False') : String(value);
}

/** c10's ScalarType → ElementType. Those that ONNX does not have are missing. */
export const scalarTypes: ReadonlyMap<number, number> = new Map([
  [0, ElementType.UINT8], [1, ElementType.INT8], [2, ElementType.INT16], [3, ElementType.INT32], [4, ElementType.INT64], [5, ElementType.FLOAT16], [6, ElementType.FLOAT],
  [7, ElementType.DOUBLE], [9, ElementType.COMPLEX64], [10, ElementType.COMPLEX128], [11, ElementType.BOOL], [15, ElementType.BFLOAT16], [27, ElementType.UINT16], [28, ElementType.UINT32], [29, ElementType.UINT64],
]); // prettier-ignore

export function scalarTypeOf(elementType: number): bigint | undefined {
  for (const [scalarType, found] of scalarTypes) if (found === elementType) return BigInt(scalarType);
  return undefined;
}
