/** The attributes of a node: written from plain values, and read. */
import { ModelportError } from '../errors.ts';
import { toTensorProto, type ConstantTensor } from './constant-tensor.ts';
import { AttributeType, type AttributeProto, type GraphProto, type NodeProto, type TensorProto, type TypeProto } from './model-proto.ts';
import { operatorSchema } from './operator-schema.ts';

/** Booleans are the numbers 0 and 1; a `ConstantTensor` or `TensorProto` is a tensor. */
export type AttributeValue =
  | number
  | bigint
  | boolean
  | string
  | Uint8Array
  | readonly (number | bigint | boolean)[]
  | readonly string[]
  | Float32Array
  | Float64Array
  | BigInt64Array
  | ConstantTensor
  | TensorProto
  | GraphProto
  | { readonly type: TypeProto };

/** By name. Those that are undefined are left out. */
export type AttributeValues = Readonly<Record<string, AttributeValue | undefined>>;

const encoder = new TextEncoder();
const decoder = new TextDecoder();

/**
 * The messages of plain values. The operator's schema says whether a number is an integer; of an operator that the standard
 * does not know, whole numbers are integers. Throws `INTERNAL` where a value does not fit its attribute.
 */
export function toAttributes(values: AttributeValues, operator: { readonly domain: string; readonly name: string; readonly opset: number }): AttributeProto[] {
  const schema = operatorSchema(operator.domain, operator.name, operator.opset);
  const attributes: AttributeProto[] = [];
  for (const [name, value] of Object.entries(values)) {
    if (value === undefined) continue;
    const expected = schema?.attributes.get(name);
    if (schema !== undefined && expected === undefined) {
      throw new ModelportError('INTERNAL', `${operator.name} of operator set ${operator.opset} has no attribute '${name}' (it has ${[...schema.attributes.keys()].join(', ') || 'none'})`);
    }
    const attribute = toAttribute(name, value, expected?.type);
    if (attribute === undefined) throw new ModelportError('INTERNAL', `the value of the attribute '${name}' of ${operator.name} has the wrong type`);
    attributes.push(attribute);
  }
  return attributes;
}

function toAttribute(name: string, value: AttributeValue, expected: number | undefined): AttributeProto | undefined {
  const type = expected ?? typeOf(value);
  switch (type) {
    case AttributeType.FLOAT:
      return typeof value === 'number' ? { name, type, f: Math.fround(value) } : undefined;
    case AttributeType.INT:
      return typeof value === 'bigint' || typeof value === 'boolean' || Number.isSafeInteger(value) ? { name, type, i: BigInt(value as number) } : undefined;
    case AttributeType.STRING:
      if (typeof value === 'string') return { name, type, s: encoder.encode(value) };
      return value instanceof Uint8Array ? { name, type, s: value } : undefined;
    case AttributeType.FLOATS:
      return isNumberList(value) ? { name, type, floats: value instanceof Float32Array ? value : Float32Array.from(value as number[]) } : undefined;
    case AttributeType.INTS:
      if (value instanceof BigInt64Array) return { name, type, ints: value };
      return isNumberList(value) ? { name, type, ints: BigInt64Array.from(Array.from(value as ArrayLike<number>), (element) => BigInt(element)) } : undefined;
    case AttributeType.STRINGS:
      return Array.isArray(value) && value.every((element) => typeof element === 'string') ? { name, type, strings: value.map((element) => encoder.encode(element)) } : undefined;
    case AttributeType.TENSOR:
      if (!isPlainObject(value)) return undefined;
      return 'elementType' in value ? { name, type, t: toTensorProto(value) } : 'dims' in value ? { name, type, t: value } : undefined;
    case AttributeType.GRAPH:
      return isPlainObject(value) && 'node' in value ? { name, type, g: value } : undefined;
    case AttributeType.TYPE_PROTO:
      return isPlainObject(value) && 'type' in value ? { name, type, tp: value.type } : undefined;
    default:
      return undefined;
  }
}

function typeOf(value: AttributeValue): number {
  if (typeof value === 'number') return Number.isSafeInteger(value) ? AttributeType.INT : AttributeType.FLOAT;
  if (typeof value === 'bigint' || typeof value === 'boolean') return AttributeType.INT;
  if (typeof value === 'string' || value instanceof Uint8Array) return AttributeType.STRING;
  if (value instanceof Float32Array || value instanceof Float64Array) return AttributeType.FLOATS;
  if (value instanceof BigInt64Array) return AttributeType.INTS;
  if (Array.isArray(value)) {
    if (value.some((element) => typeof element === 'string')) return AttributeType.STRINGS;
    return value.every((element) => typeof element !== 'number' || Number.isSafeInteger(element)) ? AttributeType.INTS : AttributeType.FLOATS;
  }
  if ('node' in (value as object)) return AttributeType.GRAPH;
  return 'type' in (value as object) ? AttributeType.TYPE_PROTO : AttributeType.TENSOR;
}

function isNumberList(value: AttributeValue): boolean {
  return value instanceof Float32Array || value instanceof Float64Array || (Array.isArray(value) && value.every((element) => typeof element !== 'string'));
}

function isPlainObject(value: AttributeValue): value is ConstantTensor | TensorProto | GraphProto | { readonly type: TypeProto } {
  return typeof value === 'object' && !Array.isArray(value) && !ArrayBuffer.isView(value);
}

/** Reads a node's attributes. One that is absent, or is named only by a function's parameter, is undefined. */
export class Attributes {
  readonly #node: NodeProto;

  constructor(node: NodeProto) {
    this.#node = node;
  }

  get(name: string): AttributeProto | undefined {
    return this.#node.attribute.find((attribute) => attribute.name === name);
  }

  has(name: string): boolean {
    return this.get(name) !== undefined;
  }

  /** The value that counts is not known here, because the caller of a function gives it. */
  isReference(name: string): boolean {
    const reference = this.get(name)?.refAttrName;
    return reference !== undefined && reference !== '';
  }

  integer(name: string): number | undefined {
    const value = this.get(name)?.i;
    return value === undefined ? undefined : Number(value);
  }

  float(name: string): number | undefined {
    return this.get(name)?.f;
  }

  text(name: string): string | undefined {
    const value = this.get(name)?.s;
    return value === undefined ? undefined : decoder.decode(value);
  }

  integers(name: string): number[] | undefined {
    const value = this.get(name)?.ints;
    return value === undefined ? undefined : Array.from(value, Number);
  }

  floats(name: string): Float32Array | undefined {
    return this.get(name)?.floats;
  }

  texts(name: string): string[] | undefined {
    return this.get(name)?.strings?.map((value) => decoder.decode(value));
  }

  tensor(name: string): TensorProto | undefined {
    return this.get(name)?.t;
  }

  graph(name: string): GraphProto | undefined {
    return this.get(name)?.g;
  }

  type(name: string): TypeProto | undefined {
    return this.get(name)?.tp;
  }
}
