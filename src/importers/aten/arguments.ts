/** The arguments of one operator call, by the names of its schema, each read as what the lowering needs. A value that cannot be read so is refused by name. */
import { ElementType } from '../../onnx/data-type.ts';
import { constantTensor, scalar } from '../../onnx/constant-tensor.ts';
import type { Value } from '../../onnx/graph-builder.ts';
import type { Index } from '../../onnx/operators/operand.ts';
import type { LoweringContext } from './lowering.ts';
import { AtenTensor, GraphScalar, describeValue, isScalar, scalarTypes, type AtenScalar, type AtenValue } from './value.ts';

export class AtenArguments {
  readonly #context: LoweringContext;
  readonly #values: ReadonlyMap<string, AtenValue>;

  constructor(context: LoweringContext, values: ReadonlyMap<string, AtenValue>) {
    this.#context = context;
    this.#values = values;
  }

  get values(): ReadonlyMap<string, AtenValue> {
    return this.#values;
  }

  /** As it was given; null where there is no such argument. */
  any(name: string): AtenValue {
    return this.#values.get(name) ?? null;
  }

  has(name: string): boolean {
    return this.any(name) !== null;
  }

  tensor(name: string): AtenTensor {
    const value = this.any(name);
    if (value instanceof AtenTensor) return value;
    // The tensors of overloads for numbers: `aten::add(x, 1)`.
    if (isScalar(value)) return this.#context.tensorOfScalar(value, true);
    throw this.#wrong(name, 'a tensor');
  }

  optionalTensor(name: string): AtenTensor | undefined {
    return this.has(name) ? this.tensor(name) : undefined;
  }

  /** The tensor's content now. */
  value(name: string): Value {
    return this.#context.read(this.tensor(name));
  }

  optionalValue(name: string): Value | undefined {
    const tensor = this.optionalTensor(name);
    return tensor === undefined ? undefined : this.#context.read(tensor);
  }

  tensors(name: string): AtenTensor[] {
    return this.list(name).map((item) => {
      if (item instanceof AtenTensor) return item;
      throw this.#wrong(name, 'a list of tensors');
    });
  }

  list(name: string): readonly AtenValue[] {
    const value = this.any(name);
    if (Array.isArray(value)) return value;
    throw this.#wrong(name, 'a list');
  }

  /** A tensor or number, as arithmetic takes them. */
  operand(name: string): AtenTensor | AtenScalar {
    const value = this.any(name);
    if (value instanceof AtenTensor || isScalar(value)) return value;
    throw this.#wrong(name, 'a tensor or a number');
  }

  scalar(name: string): AtenScalar {
    const value = this.any(name);
    if (isScalar(value)) return value;
    throw this.#wrong(name, 'a number');
  }

  /** A number that is known now: an int, float or truth value. */
  number(name: string): number {
    const value = this.any(name);
    if (typeof value === 'bigint' || typeof value === 'number' || typeof value === 'boolean') return Number(value);
    throw this.#wrong(name, 'a number that does not depend on the input');
  }

  optionalNumber(name: string): number | undefined {
    return this.has(name) ? this.number(name) : undefined;
  }

  /** An int that is known now. */
  integer(name: string): number {
    const value = this.any(name);
    if (typeof value === 'bigint') return Number(value);
    throw this.#wrong(name, 'an int that does not depend on the input');
  }

  optionalInteger(name: string): number | undefined {
    return this.has(name) ? this.integer(name) : undefined;
  }

  integers(name: string): number[] {
    const value = this.any(name);
    if (typeof value === 'bigint') return [Number(value)];
    if (!Array.isArray(value) || !value.every((item) => typeof item === 'bigint')) throw this.#wrong(name, 'ints that do not depend on the input');
    return value.map(Number);
  }

  optionalIntegers(name: string): number[] | undefined {
    return this.has(name) ? this.integers(name) : undefined;
  }

  /** An int that is known now, or one that the graph computes. */
  index(name: string): Index {
    return toIndex(this.any(name)) ?? this.#fail(name, 'an int');
  }

  optionalIndex(name: string): Index | undefined {
    return this.has(name) ? this.index(name) : undefined;
  }

  indices(name: string): Index[] {
    const value = this.any(name);
    const list = Array.isArray(value) ? value : [value];
    return list.map((item) => toIndex(item) ?? (item instanceof AtenTensor && item.elementType === ElementType.INT64 ? this.#context.read(item) : this.#fail(name, 'a list of ints')));
  }

  optionalIndices(name: string): Index[] | undefined {
    return this.has(name) ? this.indices(name) : undefined;
  }

  numbers(name: string): number[] {
    const value = this.any(name);
    if (!Array.isArray(value) || !value.every((item) => typeof item === 'bigint' || typeof item === 'number')) throw this.#wrong(name, 'numbers that do not depend on the input');
    return value.map(Number);
  }

  boolean(name: string): boolean {
    const value = this.any(name);
    if (typeof value === 'boolean') return value;
    if (typeof value === 'bigint') return value !== 0n;
    throw this.#wrong(name, 'a truth value that does not depend on the input');
  }

  optionalBoolean(name: string): boolean | undefined {
    return this.has(name) ? this.boolean(name) : undefined;
  }

  text(name: string): string {
    const value = this.any(name);
    if (typeof value === 'string') return value;
    throw this.#wrong(name, 'a string');
  }

  /** The `ElementType` of a dtype; undefined for None. */
  elementType(name = 'dtype'): number | undefined {
    const value = this.any(name);
    if (value === null) return undefined;
    if (typeof value !== 'bigint') throw this.#wrong(name, 'a dtype');
    const type = scalarTypes.get(Number(value));
    if (type === undefined) throw this.#context.refuse(`its ${name} is PyTorch's type ${value}, which ONNX does not have`);
    return type;
  }

  /** An axis counted from the front. `rank`: of what it counts in. */
  axis(name: string, rank: number): number {
    return this.#context.axis(this.integer(name), rank);
  }

  #wrong(name: string, expected: string): Error {
    return this.#context.refuse(`its argument ${name} should be ${expected}, but is ${describeValue(this.any(name))}`);
  }

  #fail(name: string, expected: string): never {
    throw this.#wrong(name, expected);
  }
}

function toIndex(value: AtenValue): Index | undefined {
  if (typeof value === 'bigint') return Number(value);
  if (value instanceof GraphScalar && value.type === 'int') return value.value;
  return undefined;
}

/** A scalar as a constant or value of the element type that it has alone: int64, double or bool. */
export function scalarValue(context: LoweringContext, given: AtenScalar): Value {
  if (given instanceof GraphScalar) return given.value;
  const type = typeof given === 'bigint' ? ElementType.INT64 : typeof given === 'boolean' ? ElementType.BOOL : ElementType.DOUBLE;
  return context.graph.constant(scalar(type, given));
}

/** A constant of the element type, which a float is rounded to as PyTorch rounds it. */
export function constantOf(context: LoweringContext, given: bigint | number | boolean, elementType: number): Value {
  if (elementType === ElementType.BOOL) return context.graph.constant(constantTensor(elementType, [Number(given) !== 0], []));
  const isWhole = elementType === ElementType.INT64;
  if (isWhole && typeof given === 'number') {
    if (!Number.isFinite(given)) throw context.refuse(`the float ${given} becomes an int`);
    return context.graph.constant(scalar(elementType, BigInt(Math.trunc(given))));
  }
  return context.graph.constant(scalar(elementType, typeof given === 'boolean' ? Number(given) : given));
}
