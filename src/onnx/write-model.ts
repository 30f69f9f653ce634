/** Encodes a model as an ONNX file, in memory. The tables of `schema.ts` say how. */
import { ByteRange } from './byte-range.ts';
import type { Message, ModelProto } from './model-proto.ts';
import { schema, type Field, type MessageName } from './schema.ts';
import { FOUR_BYTES, LENGTH_DELIMITED, VARINT } from './wire-reader.ts';

/** The whole file: weights that lie in the file the model was read from are read now. External data stays where it is. */
export function writeModelBytes(model: ModelProto): Uint8Array {
  const chunks = new Chunks();
  writeMessage(chunks, 'ModelProto', model);
  return chunks.join();
}

/** Encoded parts from the last to the first: a length is known when what it counts has been written. */
class Chunks {
  readonly #chunks: Uint8Array[] = [];
  byteLength = 0;

  prepend(bytes: Uint8Array): void {
    this.#chunks.push(bytes);
    this.byteLength += bytes.byteLength;
  }

  join(): Uint8Array {
    return Buffer.concat(this.#chunks.toReversed());
  }
}

function writeMessage(chunks: Chunks, name: MessageName, message: Message): void {
  for (const { fieldNumber, wireType, value } of (message.unknownFields ?? []).toReversed()) {
    chunks.prepend(value.read());
    if (wireType === LENGTH_DELIMITED) chunks.prepend(varint(BigInt(value.byteLength)));
    tag(chunks, fieldNumber, wireType);
  }
  for (const [number, field] of [...schema[name]].toReversed()) {
    const value = (message as Record<string, unknown>)[field.name];
    if (value === undefined) continue;
    if (field.repeated && !(value instanceof ByteRange)) {
      const list = value as ArrayLike<unknown>;
      for (let index = list.length - 1; index >= 0; index--) writeField(chunks, number, field, list[index]);
    } else {
      writeField(chunks, number, field, value);
    }
  }
}

function writeField(chunks: Chunks, number: number, field: Field, value: unknown): void {
  switch (field.encoding) {
    case 'integer':
    case 'int64':
      chunks.prepend(varint(BigInt.asUintN(64, BigInt(value as number | bigint))));
      tag(chunks, number, VARINT);
      return;
    case 'float': {
      const bytes = Buffer.allocUnsafe(4);
      bytes.writeFloatLE(value as number);
      chunks.prepend(bytes);
      tag(chunks, number, FOUR_BYTES);
      return;
    }
    case 'string':
      delimited(chunks, number, Buffer.from(value as string));
      return;
    case 'bytes':
      delimited(chunks, number, value as Uint8Array);
      return;
    case 'range':
    case 'packed32':
    case 'packed64':
    case 'packedVarint':
      delimited(chunks, number, (value as ByteRange).read());
      return;
    default: {
      const before = chunks.byteLength;
      writeMessage(chunks, field.encoding, value as Message);
      chunks.prepend(varint(BigInt(chunks.byteLength - before)));
      tag(chunks, number, LENGTH_DELIMITED);
    }
  }
}

function delimited(chunks: Chunks, number: number, bytes: Uint8Array): void {
  chunks.prepend(bytes);
  chunks.prepend(varint(BigInt(bytes.byteLength)));
  tag(chunks, number, LENGTH_DELIMITED);
}

function tag(chunks: Chunks, number: number, wireType: number): void {
  chunks.prepend(varint(BigInt(number * 8 + wireType)));
}

function varint(value: bigint): Uint8Array {
  const bytes: number[] = [];
  let rest = value;
  while (rest > 0x7fn) {
    bytes.push(Number(rest & 0x7fn) | 0x80);
    rest >>= 7n;
  }
  bytes.push(Number(rest));
  return Uint8Array.from(bytes);
}
