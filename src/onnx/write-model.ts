/** Encodes a model as an ONNX file, in memory. The tables of `schema.ts` say how. */
import { ModelportError } from '../errors.ts';
import { ByteRange } from './byte-range.ts';
import type { Message, ModelProto } from './model-proto.ts';
import { schema, type Field, type MessageName, type Messages } from './schema.ts';
import { LENGTH_DELIMITED } from './wire-reader.ts';
import { WireWriter } from './wire-writer.ts';

/** The most bytes that a message of protocol buffers may have. */
export const mostModelBytes = 2 ** 31 - 1;

/** The whole file: weights that lie in the file the model was read from are read now. External data stays where it is. */
export function writeModelBytes(model: ModelProto): Uint8Array {
  const parts = encodeModel(model);
  const sizeBytes = parts.reduce((sum, part) => sum + part.byteLength, 0);
  if (sizeBytes > mostModelBytes) throw new ModelportError('INVALID_MODEL', `the model has ${sizeBytes} bytes, but one file can have only ${mostModelBytes}: its weights must be written beside it`);
  const bytes = new Uint8Array(sizeBytes);
  let offset = 0;
  for (const part of parts) {
    bytes.set(part instanceof ByteRange ? part.read() : part, offset);
    offset += part.byteLength;
  }
  return bytes;
}

/** The file in parts. Weights that lie in files are not read. */
export function encodeModel(model: ModelProto): (Uint8Array | ByteRange)[] {
  const writer = new WireWriter();
  writeMessage(writer, 'ModelProto', model);
  return writer.parts();
}

/** One message by itself, everything read. */
export function encodeMessage<Name extends MessageName>(name: Name, message: Messages[Name]): Uint8Array[] {
  const writer = new WireWriter();
  writeMessage(writer, name, message);
  return writer.parts().map((part) => (part instanceof ByteRange ? part.read() : part));
}

/** Fields from the last to the first, so that they lie in the file in the order of their numbers, unknown ones at the end. */
const reversedFields = new Map(Object.entries(schema).map(([name, fields]) => [name as MessageName, [...fields].toReversed()]));

function writeMessage(writer: WireWriter, name: MessageName, message: Message): void {
  for (const { fieldNumber, wireType, value } of (message.unknownFields ?? []).toReversed()) {
    writer.range(value);
    if (wireType === LENGTH_DELIMITED) writer.varint(value.byteLength);
    writer.tag(fieldNumber, wireType);
  }
  for (const [number, field] of reversedFields.get(name)!) {
    const value = (message as Record<string, unknown>)[field.name];
    if (value === undefined) continue;
    if (field.repeated && !(value instanceof ByteRange)) {
      const list = value as ArrayLike<unknown>;
      for (let index = list.length - 1; index >= 0; index--) writeField(writer, number, field, list[index]);
    } else {
      writeField(writer, number, field, value);
    }
  }
}

function writeField(writer: WireWriter, number: number, field: Field, value: unknown): void {
  switch (field.encoding) {
    case 'integer':
    case 'int64':
      writer.varintField(number, value as number | bigint);
      return;
    case 'float':
      writer.floatField(number, value as number);
      return;
    case 'string':
      writer.delimitedField(number, Buffer.from(value as string));
      return;
    case 'bytes':
    case 'range':
    case 'packed32':
    case 'packed64':
    case 'packedVarint':
      writer.delimitedField(number, value as Uint8Array | ByteRange);
      return;
    default: {
      const before = writer.byteLength;
      writeMessage(writer, field.encoding, value as Message);
      writer.varint(writer.byteLength - before);
      writer.tag(number, LENGTH_DELIMITED);
    }
  }
}
