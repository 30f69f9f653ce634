/** Reads ONNX files: every message of the format, weights left where they are, nothing executed, everything limited. */
import { closeSync, fstatSync } from 'node:fs';
import { ModelportError } from '../errors.ts';
import { describeContent } from '../file-content.ts';
import { ByteRange, openForReading } from './byte-range.ts';
import { GrowingFloats, GrowingIntegers } from './growing-array.ts';
import type { Message, ModelProto } from './model-proto.ts';
import { schema, type Encoding, type Field, type MessageName } from './schema.ts';
import { EIGHT_BYTES, FOUR_BYTES, LENGTH_DELIMITED, VARINT, WireReader } from './wire-reader.ts';

export interface ReadLimits {
  /** Messages inside messages; a subgraph counts for three. Protocol buffers' own default, which ONNX Runtime has too. */
  readonly depth: number;
  /** Messages, texts and byte strings altogether. */
  readonly items: number;
  /** Of one text or attribute. */
  readonly stringBytes: number;
  /** Of all texts and attributes, weights not counted. */
  readonly totalBytes: number;
}

export const defaultReadLimits: ReadLimits = { depth: 100, items: 3_000_000, stringBytes: 64 * 2 ** 20, totalBytes: 512 * 2 ** 20 };

/**
 * Reads a model file. Weights larger than a kilobyte stay in the file and are read when asked for, so a large model's
 * graph takes milliseconds. Blocks the thread. Throws `INVALID_MODEL`.
 */
export function readModelFile(path: string, limits: ReadLimits = defaultReadLimits): ModelProto {
  const descriptor = openForReading(path);
  try {
    const status = fstatSync(descriptor);
    if (!status.isFile()) throw new ModelportError('INVALID_MODEL', `${path} is not a file`, { at: path });
    return read(WireReader.ofFile(descriptor, { path, sizeBytes: status.size, modifiedMs: status.mtimeMs }), limits);
  } finally {
    closeSync(descriptor);
  }
}

/** Reads a model in memory. Weights are views of `bytes`. Throws `INVALID_MODEL`. */
export function readModelBytes(bytes: Uint8Array, name = 'the model', limits: ReadLimits = defaultReadLimits): ModelProto {
  return read(WireReader.ofBytes(bytes, name), limits);
}

function read(reader: WireReader, limits: ReadLimits): ModelProto {
  if (reader.sizeBytes === 0) throw new ModelportError('INVALID_MODEL', `${reader.name} is empty`, { at: reader.name });
  const start = reader.bytes(Math.min(4096, reader.sizeBytes));
  const other = describeContent(start);
  if (other !== undefined) throw new ModelportError('INVALID_MODEL', `${reader.name} is not an ONNX model: it is ${other}`, { at: reader.name });
  reader.position = 0;
  const model = new MessageReader(reader, limits).message('ModelProto', reader.sizeBytes, 1) as ModelProto;
  if (model.graph === undefined) throw new ModelportError('INVALID_MODEL', `${reader.name} is not an ONNX model: it holds no graph`, { at: reader.name });
  return model;
}

/** A message while it is filled; its properties are the schema's. */
type Filling = Record<string, unknown> & Message;

class MessageReader {
  readonly #reader: WireReader;
  readonly #limits: ReadLimits;
  #items = 0;
  #bytes = 0;

  constructor(reader: WireReader, limits: ReadLimits) {
    this.#reader = reader;
    this.#limits = limits;
  }

  message(name: MessageName, end: number, depth: number): Message {
    const reader = this.#reader;
    if (depth > this.#limits.depth) throw reader.malformed(`its messages are nested more than ${this.#limits.depth} deep`);
    this.#count(0);
    const fields = schema[name];
    const filling: Filling = {};
    for (const field of fields.values()) if (field.always) filling[field.name] = [];
    let growing: Map<Field, GrowingFloats | GrowingIntegers | PackedParts> | undefined;
    while (reader.position < end) {
      const tag = reader.tag();
      const fieldNumber = tag >>> 3;
      const wireType = tag & 7;
      const field = fields.get(fieldNumber);
      if (field === undefined) {
        this.#count(0);
        (filling.unknownFields ??= []).push({ fieldNumber, wireType, value: reader.unknown(wireType, end) });
        continue;
      }
      const parts = accumulator(field);
      if (parts !== undefined) {
        growing ??= new Map();
        let target = growing.get(field);
        if (target === undefined) growing.set(field, (target = parts()));
        this.#accumulate(name, field, target, wireType, end);
        continue;
      }
      if (field.repeated && field.encoding === 'integer' && wireType === LENGTH_DELIMITED) {
        const stop = reader.length(end) + reader.position;
        const list = (filling[field.name] ??= []) as number[];
        while (reader.position < stop) {
          this.#count(0);
          list.push(reader.integer());
        }
        if (reader.position !== stop) throw reader.malformed(`the list ${field.name} of a ${name} is cut off`);
        continue;
      }
      const value = this.#value(name, field, wireType, end, depth);
      if (field.encoding === 'integer' && field.repeated) this.#count(0);
      if (field.repeated) ((filling[field.name] ??= []) as unknown[]).push(value);
      else this.#set(name, filling, field, value);
    }
    if (reader.position !== end) throw reader.malformed(`a ${name} is longer than its length says`);
    if (growing !== undefined) for (const [field, target] of growing) filling[field.name] = target.finish();
    return filling;
  }

  #set(name: MessageName, filling: Filling, field: Field, value: unknown): void {
    // Protocol buffers would merge the two. What was checked in one could then be changed by the other.
    if (isMessage(field.encoding) && filling[field.name] !== undefined) throw this.#reader.malformed(`a ${name} has two fields ${field.name}`);
    if (field.oneof !== undefined) {
      for (const other of schema[name].values()) if (other.oneof === field.oneof) delete filling[other.name];
    }
    filling[field.name] = value;
  }

  #value(name: MessageName, field: Field, wireType: number, end: number, depth: number): unknown {
    const reader = this.#reader;
    const { encoding } = field;
    switch (encoding) {
      case 'integer':
      case 'int64':
        this.#expect(name, field, wireType, VARINT);
        return encoding === 'integer' ? reader.integer() : reader.int64();
      case 'float':
        this.#expect(name, field, wireType, FOUR_BYTES);
        return reader.float();
      default:
    }
    this.#expect(name, field, wireType, LENGTH_DELIMITED);
    const length = reader.length(end);
    switch (encoding) {
      case 'string':
        this.#count(length);
        return reader.string(length);
      case 'bytes':
        this.#count(length);
        return reader.bytes(length);
      case 'range':
        return reader.range(length);
      default:
        return this.message(encoding as MessageName, reader.position + length, depth + 1);
    }
  }

  /** Repeated numbers come one by one, as packed runs, or mixed. */
  #accumulate(name: MessageName, field: Field, target: GrowingFloats | GrowingIntegers | PackedParts, wireType: number, end: number): void {
    const reader = this.#reader;
    if (target instanceof PackedParts) {
      const single = field.encoding === 'packed32' ? FOUR_BYTES : field.encoding === 'packed64' ? EIGHT_BYTES : VARINT;
      if (wireType === LENGTH_DELIMITED) {
        const range = reader.range(reader.length(end));
        const size = single === FOUR_BYTES ? 4 : single === EIGHT_BYTES ? 8 : 1;
        if (range.byteLength % size !== 0) throw reader.malformed(`the list ${field.name} of a ${name} is cut off`);
        if (target.length > 0) this.#count(range.byteLength);
        target.push(range);
      } else {
        this.#expect(name, field, wireType, single);
        this.#count(10);
        target.push(reader.unknown(single, end));
      }
      return;
    }
    const one = () => {
      this.#bytes += target.elementBytes;
      if (this.#bytes > this.#limits.totalBytes) this.#count(0);
      if (target instanceof GrowingFloats) target.push(reader.float());
      else target.push(reader.int64());
    };
    if (wireType === LENGTH_DELIMITED) {
      const stop = reader.length(end) + reader.position;
      while (reader.position < stop) one();
      if (reader.position !== stop) throw reader.malformed(`the list ${field.name} of a ${name} is cut off`);
    } else {
      this.#expect(name, field, wireType, target instanceof GrowingFloats ? FOUR_BYTES : VARINT);
      one();
    }
  }

  #expect(name: MessageName, field: Field, wireType: number, expected: number): void {
    if (wireType !== expected) throw this.#reader.malformed(`the field ${field.name} of a ${name} has the wire type ${wireType} instead of ${expected}`);
  }

  #count(bytes: number): void {
    const { items, stringBytes, totalBytes } = this.#limits;
    this.#items++;
    this.#bytes += bytes;
    if (this.#items > items) throw this.#reader.malformed(`it has more than ${items} parts`);
    if (bytes > stringBytes) throw this.#reader.malformed(`a text of ${bytes} bytes is longer than ${stringBytes}`);
    if (this.#bytes > totalBytes) throw this.#reader.malformed(`its texts and attributes have more than ${totalBytes} bytes`);
  }
}

/** The runs of a packed field. Usually one, which stays in the file. */
class PackedParts {
  readonly #parts: ByteRange[] = [];

  get length(): number {
    return this.#parts.length;
  }

  push(range: ByteRange): void {
    this.#parts.push(range);
  }

  finish(): ByteRange {
    return this.#parts.length === 1 ? this.#parts[0]! : ByteRange.of(Buffer.concat(this.#parts.map((part) => part.read())), this.#parts[0]!.offset);
  }
}

function accumulator(field: Field): (() => GrowingFloats | GrowingIntegers | PackedParts) | undefined {
  switch (field.encoding) {
    case 'packed32':
    case 'packed64':
    case 'packedVarint':
      return () => new PackedParts();
    case 'float':
      return field.repeated ? () => new GrowingFloats() : undefined;
    case 'int64':
      return field.repeated ? () => new GrowingIntegers() : undefined;
    default:
      return undefined;
  }
}

function isMessage(encoding: Encoding): encoding is MessageName {
  return Object.hasOwn(schema, encoding);
}
