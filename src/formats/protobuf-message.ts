/**
 * Protobuf message types as data, and messages read from text format and from proto-JSON by them. Decoded messages are
 * plain objects with the field names of the .proto file; absent fields are absent. 64-bit integers are numbers and must
 * be exact.
 */
import { ModelportError } from '../errors.ts';
import { didYouMean } from '../lib/nearest.ts';
import type { TextField, TextMessage, TextValue } from './prototext.ts';

const integerRanges = {
  int32: [-(2 ** 31), 2 ** 31 - 1],
  int64: [Number.MIN_SAFE_INTEGER, Number.MAX_SAFE_INTEGER],
  uint32: [0, 2 ** 32 - 1],
  uint64: [0, Number.MAX_SAFE_INTEGER],
} as const;

export type IntegerType = keyof typeof integerRanges;
export type ScalarType = IntegerType | 'float' | 'double' | 'bool' | 'string';

export interface EnumType<Name extends string = string> {
  readonly kind: 'enum';
  readonly name: string;
  readonly values: Readonly<Record<Name, number>>;
}

export interface MessageType<Fields extends FieldTypes = FieldTypes> {
  readonly kind: 'message';
  readonly name: string;
  readonly fields: Fields;
}

export type ElementType = ScalarType | EnumType | MessageType;

export interface FieldType<Element extends ElementType = ElementType, Cardinality extends 'one' | 'many' | 'map' = 'one' | 'many' | 'map'> {
  readonly type: Element;
  readonly cardinality: Cardinality;
  /** Of a map. */
  readonly key?: 'string' | 'uint64';
  /** Fields of one group exclude each other. */
  readonly oneOf?: string;
}

export type FieldTypes = Readonly<Record<string, FieldType>>;

type ElementOf<Element> = Element extends 'string' ? string : Element extends 'bool' ? boolean : Element extends ScalarType ? number
  : Element extends EnumType<infer Name> ? Name : Element extends MessageType<infer Fields> ? Decoded<Fields> : never;
type ValueOf<Field> = Field extends FieldType<infer Element, infer Cardinality>
  ? Cardinality extends 'many' ? ElementOf<Element>[] : Cardinality extends 'map' ? Record<string, ElementOf<Element>> : ElementOf<Element>
  : never;
type Decoded<Fields> = { -readonly [Name in keyof Fields]?: ValueOf<Fields[Name]> };
/** The decoded form of a message type. */
export type MessageOf<Type> = Type extends MessageType<infer Fields> ? Decoded<Fields> : never;

export const enumeration = <Name extends string>(name: string, values: Readonly<Record<Name, number>>): EnumType<Name> => ({ kind: 'enum', name, values });
export const message = <Fields extends FieldTypes>(name: string, fields: Fields): MessageType<Fields> => ({ kind: 'message', name, fields });
export const one = <Element extends ElementType>(type: Element, oneOf?: string): FieldType<Element, 'one'> => ({
  type,
  cardinality: 'one',
  ...(oneOf === undefined ? {} : { oneOf }),
});
export const many = <Element extends ElementType>(type: Element): FieldType<Element, 'many'> => ({ type, cardinality: 'many' });
export const map = <Element extends ElementType>(key: 'string' | 'uint64', type: Element): FieldType<Element, 'map'> => ({ type, cardinality: 'map', key });

export interface DecodedText<Type> {
  readonly value: MessageOf<Type>;
  /** Line of each field that was given, by path: `input[0].dims`. */
  readonly lines: ReadonlyMap<string, number>;
}

/** Fits a parsed text to a message type. Throws `INVALID_CONFIG` naming file, line, field and the nearest known one. */
export function decodeText<Type extends MessageType>(type: Type, text: TextMessage, fileName: string): DecodedText<Type> {
  const lines = new Map<string, number>();
  const decoder = new TextDecoderByType(fileName, lines);
  return { value: decoder.message(type, text, '', 1) as MessageOf<Type>, lines };
}

type Plain = Record<string, unknown>;

class TextDecoderByType {
  readonly #fileName: string;
  readonly #lines: Map<string, number>;

  constructor(fileName: string, lines: Map<string, number>) {
    this.#fileName = fileName;
    this.#lines = lines;
  }

  message(type: MessageType, text: TextMessage, path: string, line: number): Plain {
    const result: Plain = {};
    const groups = new Map<string, string>();
    for (const field of text.fields) {
      const known = Object.hasOwn(type.fields, field.name) ? type.fields[field.name]! : undefined;
      if (known === undefined) throw this.#error(unknownField(type, field.name), field.line);
      const at = path === '' ? field.name : `${path}.${field.name}`;
      if (known.oneOf !== undefined) {
        const other = groups.get(known.oneOf);
        if (other !== undefined && other !== field.name) throw this.#error(`'${at}' and '${other}' exclude each other`, field.line);
        groups.set(known.oneOf, field.name);
      }
      this.#field(result, known, field, at);
    }
    if (!this.#lines.has(path)) this.#lines.set(path, line);
    return result;
  }

  #field(result: Plain, known: FieldType, field: TextField, at: string): void {
    if (!this.#lines.has(at)) this.#lines.set(at, field.line);
    if (known.cardinality === 'one') {
      if (Object.hasOwn(result, field.name)) throw this.#error(`'${at}' is given twice`, field.line);
      result[field.name] = this.#element(known.type, field.value, at, field.line);
      return;
    }
    const values = field.value.kind === 'list' ? field.value.values : [field.value];
    if (known.cardinality === 'many') {
      const list = (result[field.name] ??= []) as unknown[];
      for (const value of values) {
        const elementAt = `${at}[${list.length}]`;
        this.#lines.set(elementAt, field.line);
        list.push(this.#element(known.type, value, elementAt, field.line));
      }
      return;
    }
    const entries = (result[field.name] ??= {}) as Plain;
    for (const value of values) this.#entry(entries, known, value, at, field.line);
  }

  /** A map's entry is written as a message of `key` and `value`. */
  #entry(entries: Plain, known: FieldType, value: TextValue, at: string, line: number): void {
    if (value.kind !== 'message') throw this.#error(`'${at}' is a map: its entries are written { key: … value: … }`, line);
    let key = known.key === 'uint64' ? '0' : '';
    let element: unknown = typeof known.type === 'object' && known.type.kind === 'message' ? {} : defaultOf(known.type);
    for (const part of value.fields) {
      if (part.name === 'key') key = String(this.#element(known.key!, part.value, `${at}.key`, part.line));
      else if (part.name !== 'value') throw this.#error(`unknown field '${part.name}' in an entry of the map '${at}', which has 'key' and 'value'`, part.line);
    }
    const entryAt = `${at}[${JSON.stringify(key)}]`;
    for (const part of value.fields) if (part.name === 'value') element = this.#element(known.type, part.value, entryAt, part.line);
    if (Object.hasOwn(entries, key)) throw this.#error(`'${entryAt}' is given twice`, line);
    this.#lines.set(entryAt, line);
    define(entries, key, element);
  }

  #element(type: ElementType, value: TextValue, at: string, line: number): unknown {
    if (typeof type === 'object' && type.kind === 'message') {
      if (value.kind !== 'message') throw this.#error(`'${at}' is a message: expected { … }, found ${shown(value)}`, line);
      return this.message(type, value, at, line);
    }
    if (typeof type === 'object') {
      if (value.kind === 'identifier' && Object.hasOwn(type.values, value.text)) return value.text;
      const byNumber = value.kind === 'number' ? Object.keys(type.values).find((name) => BigInt(type.values[name]!) === value.integer) : undefined;
      if (byNumber !== undefined) return byNumber;
      throw this.#error(unknownEnumValue(type, at, value.kind === 'identifier' ? value.text : shown(value)), line);
    }
    const scalar = textScalar(type, value);
    if (scalar === undefined) throw this.#error(`'${at}' expects ${expectation(type)}, found ${shown(value)}`, line);
    return scalar;
  }

  #error(text: string, line: number): ModelportError {
    const at = `${this.#fileName}:${line}`;
    return placedError(text, at);
  }
}

function textScalar(type: ScalarType, value: TextValue): unknown {
  switch (type) {
    case 'string':
      return value.kind === 'string' ? utf8(value.bytes) : undefined;
    case 'bool':
      if (value.kind === 'identifier' && /^(?:true|True|t)$/.test(value.text)) return true;
      if (value.kind === 'identifier' && /^(?:false|False|f)$/.test(value.text)) return false;
      return value.kind === 'number' && (value.integer === 0n || value.integer === 1n) ? value.integer === 1n : undefined;
    case 'float':
    case 'double':
      if (value.kind === 'number') return value.value;
      if (value.kind !== 'identifier') return undefined;
      if (/^nan$/i.test(value.text)) return Number.NaN;
      return /^inf(?:inity)?$/i.test(value.text) ? (value.negative ? -Infinity : Infinity) : undefined;
    default:
      return value.kind === 'number' && value.integer !== undefined ? inRange(type, Number(value.integer)) : undefined;
  }
}

/**
 * Reads a message from proto-JSON (already parsed): names in either case style, enums by name in any case or number,
 * 64-bit integers as numbers or text, `null` as absent. Throws `INVALID_CONFIG` naming the path.
 */
export function decodeJson<Type extends MessageType>(type: Type, value: unknown, source: string): MessageOf<Type> {
  return jsonMessage(type, value, '', source) as MessageOf<Type>;
}

/** `max_batch_size` → `maxBatchSize`: the name that proto-JSON writes. */
export function jsonName(name: string): string {
  return name.replace(/_([a-z0-9])/g, (_, letter: string) => letter.toUpperCase());
}

function jsonMessage(type: MessageType, value: unknown, path: string, source: string): Plain {
  if (!isObject(value)) throw jsonError(`'${path === '' ? type.name : path}' expects an object, found ${JSON.stringify(value)?.slice(0, 60)}`, source);
  const byJsonName = new Map(Object.keys(type.fields).map((name) => [jsonName(name), name]));
  const result: Plain = {};
  const groups = new Map<string, string>();
  for (const [key, member] of Object.entries(value)) {
    const name = Object.hasOwn(type.fields, key) ? key : byJsonName.get(key);
    if (name === undefined) throw jsonError(unknownField(type, key), source);
    if (member === null) continue;
    const field = type.fields[name]!;
    const at = path === '' ? name : `${path}.${name}`;
    if (field.oneOf !== undefined) {
      const other = groups.get(field.oneOf);
      if (other !== undefined && other !== name) throw jsonError(`'${at}' and '${other}' exclude each other`, source);
      groups.set(field.oneOf, name);
    }
    if (field.cardinality === 'one') result[name] = jsonElement(field.type, member, at, source);
    else if (field.cardinality === 'many') {
      if (!Array.isArray(member)) throw jsonError(`'${at}' expects a list`, source);
      result[name] = member.map((element, index) => jsonElement(field.type, element, `${at}[${index}]`, source));
    } else {
      if (!isObject(member)) throw jsonError(`'${at}' expects an object`, source);
      const entries: Plain = {};
      for (const [entryKey, element] of Object.entries(member)) {
        if (field.key === 'uint64' && !/^[0-9]{1,16}$/.test(entryKey)) throw jsonError(`'${at}' expects whole numbers as keys, found '${entryKey}'`, source);
        define(entries, entryKey, jsonElement(field.type, element, `${at}[${JSON.stringify(entryKey)}]`, source));
      }
      result[name] = entries;
    }
  }
  return result;
}

function jsonElement(type: ElementType, value: unknown, at: string, source: string): unknown {
  if (typeof type === 'object' && type.kind === 'message') return jsonMessage(type, value, at, source);
  if (typeof type === 'object') {
    const name = Object.keys(type.values).find((known) => (typeof value === 'string' ? known === value.toUpperCase() : type.values[known] === value));
    if (name === undefined) throw jsonError(unknownEnumValue(type, at, String(value)), source);
    return name;
  }
  const scalar = jsonScalar(type, value);
  if (scalar === undefined) throw jsonError(`'${at}' expects ${expectation(type)}, found ${JSON.stringify(value)?.slice(0, 60)}`, source);
  return scalar;
}

function jsonScalar(type: ScalarType, value: unknown): unknown {
  if (type === 'string') return typeof value === 'string' ? value : undefined;
  if (type === 'bool') return typeof value === 'boolean' ? value : undefined;
  const number = typeof value === 'string' && /^-?(?:[0-9]{1,25}(?:\.[0-9]{1,25})?(?:[eE][+-]?[0-9]{1,3})?|Infinity)$|^NaN$/.test(value) ? Number(value) : value;
  if (typeof number !== 'number') return undefined;
  return type === 'float' || type === 'double' ? number : Number.isInteger(number) ? inRange(type, number) : undefined;
}

/**
 * A decoded message as the JSON that Triton answers: the names of the .proto file in its order, 64-bit integers as
 * numbers, scalars, lists and maps that are absent written with their default, absent messages left out.
 */
export function encodeJson<Type extends MessageType>(type: Type, value: MessageOf<Type>): Plain {
  return jsonOf(type, value);
}

function jsonOf(type: MessageType, value: Plain): Plain {
  const result: Plain = {};
  for (const [name, field] of Object.entries(type.fields)) {
    const member = value[name];
    const encode = (element: unknown) => (typeof field.type === 'object' && field.type.kind === 'message' ? jsonOf(field.type, element as Plain) : element);
    if (field.cardinality === 'many') result[name] = ((member ?? []) as unknown[]).map(encode);
    else if (field.cardinality === 'map') {
      const entries: Plain = {};
      for (const [key, element] of Object.entries((member ?? {}) as Plain)) define(entries, key, encode(element));
      result[name] = entries;
    } else if (member !== undefined) result[name] = encode(member);
    else if (field.oneOf === undefined && !(typeof field.type === 'object' && field.type.kind === 'message')) result[name] = defaultOf(field.type);
  }
  return result;
}

function defaultOf(type: ElementType): unknown {
  if (type === 'string') return '';
  if (type === 'bool') return false;
  if (typeof type === 'string') return 0;
  return type.kind === 'enum' ? Object.keys(type.values).find((name) => type.values[name] === 0) : undefined;
}

/** Also for the key `__proto__`. */
function define(target: Plain, key: string, value: unknown): void {
  Object.defineProperty(target, key, { value, enumerable: true, configurable: true, writable: true });
}

function inRange(type: IntegerType, value: number): number | undefined {
  const [low, high] = integerRanges[type];
  return value >= low && value <= high ? value : undefined;
}

function expectation(type: ScalarType): string {
  switch (type) {
    case 'string': return 'a string of UTF-8 text';
    case 'bool': return 'true or false';
    case 'float': case 'double': return 'a number';
    default: return `a whole number from ${integerRanges[type][0]} to ${integerRanges[type][1]}`;
  }
}

function shown(value: TextValue): string {
  switch (value.kind) {
    case 'message': return 'a message';
    case 'list': return 'a list';
    case 'string': return JSON.stringify(Buffer.from(value.bytes).toString('utf8').slice(0, 60));
    case 'identifier': return `${value.negative ? '-' : ''}${value.text.slice(0, 60)}`;
    default: return value.text.slice(0, 60);
  }
}

function unknownField(type: MessageType, name: string): string {
  return `unknown field '${name.slice(0, 100)}' of ${type.name}${didYouMean(name, Object.keys(type.fields))}`;
}

function unknownEnumValue(type: EnumType, at: string, found: string): string {
  return `'${at}' has no value '${found.slice(0, 100)}'; it is one of ${Object.keys(type.values).join(', ')}`;
}

function utf8(bytes: Uint8Array): string | undefined {
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    return undefined;
  }
}

function isObject(value: unknown): value is Plain {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function jsonError(text: string, source: string): ModelportError {
  return placedError(text, source);
}

/** The place stands before the guess: `unknown field 'inptu' of ModelConfig (config.pbtxt:3): did you mean 'input'?` */
function placedError(text: string, at: string): ModelportError {
  const message = text.endsWith('?') ? text.replace(': did you mean', ` (${at}): did you mean`) : `${text} (${at})`;
  return new ModelportError('INVALID_CONFIG', message, { at });
}
