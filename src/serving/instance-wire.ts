/**
 * The messages between a server and an instance that runs in a thread or process, as bytes. Both ends are ours and of
 * one version, so the format is private; it exists because one packed buffer crosses a border several times cheaper
 * than a tree of objects.
 *
 * A message is a head (32 fixed bytes, one head a tensor, the rest as V8's structured-clone bytes) and, each starting at
 * a multiple of 8, the data of its tensors. Numbers are little-endian, as all supported machines are.
 */
import { deserialize, serialize } from 'node:v8';
import { ModelportError } from '../errors.ts';
import { datatypes, type Datatype, type NumericArray, type Tensor, type TensorData, type Tensors } from '../tensor.ts';

/** Towards the instance: `load` to `cancel` and `close`; back: the others. */
export const messageKinds = [
  'load', 'infer', 'stream', 'generate', 'predict', 'measure', 'credit', 'cancel', 'close',
  'ready', 'answer', 'value', 'item', 'end', 'error',
] as const;
export type MessageKind = (typeof messageKinds)[number];

export interface Message {
  readonly kind: MessageKind;
  /** The call that it belongs to, a 32-bit number; 0: none. */
  readonly id: number;
  /** Two numbers whose meaning depends on the kind; 0 where left out. */
  readonly first?: number;
  readonly second?: number;
  readonly tensors?: Tensors;
  /** Any plain data; costs some microseconds, so the hot path leaves it out. */
  readonly rest?: unknown;
  /** The memory of large tensors may go with the message. Not part of it. */
  readonly givesAway?: boolean;
}

/** Tensor data of at least so many bytes is given away instead of copied, where the sender allows it. */
const attachmentBytes = 64 * 1024;
const fixedBytes = 32;
/** Offsets within a message's head are 32-bit numbers, and memory of more than 4 GB cannot be had at once. */
export const maxMessageBytes = 2 ** 31;
const maxTensors = 0xffff;
const maxRank = 0xff;
const datatypeNames = Object.keys(datatypes) as Datatype[];
const kindNumbers = new Map(messageKinds.map((kind, index) => [kind, index]));
const datatypeNumbers = new Map(datatypeNames.map((datatype, index) => [datatype, index]));

/** A message ready to be joined or written. `head` is scratch memory: use it before the next message is laid out. */
interface Layout {
  readonly head: Uint8Array;
  readonly sections: readonly Uint8Array[];
  readonly attachments: readonly ArrayBuffer[];
  /** Of head and sections, with the padding between them. */
  readonly totalBytes: number;
}

let scratch = Buffer.alloc(4096);
let scratchView = new DataView(scratch.buffer, scratch.byteOffset);

function reserve(bytes: number): void {
  if (bytes <= scratch.length) return;
  const larger = Buffer.alloc(Math.max(bytes, scratch.length * 2));
  scratch.copy(larger);
  scratch = larger;
  scratchView = new DataView(scratch.buffer, scratch.byteOffset);
}

/** `keep`: memory that must not be given away; undefined: give nothing away. */
function layOut(message: Message, keep: ReadonlySet<ArrayBufferLike> | undefined): Layout {
  const rest = message.rest === undefined ? undefined : serializeRest(message.rest);
  const sections: Uint8Array[] = [];
  const attachments: ArrayBuffer[] = [];
  let at = fixedBytes;
  let sectionBytes = 0;
  const count = message.tensors?.size ?? 0;
  if (count > maxTensors) throw new ModelportError('UNSUPPORTED', `${count} tensors are more than the ${maxTensors} that a message to an instance can hold`);
  if (message.tensors !== undefined) {
    for (const [name, tensor] of message.tensors) {
      const section = sectionOf(name, tensor);
      const rank = tensor.shape.length;
      if (rank > maxRank) throw new ModelportError('UNSUPPORTED', `tensor '${name}' has ${rank} dimensions, more than ${maxRank}`);
      const attach = keep !== undefined && canAttach(tensor, section) && !keep.has(section.buffer) && !attachments.includes(section.buffer as ArrayBuffer);
      reserve(at + 16 + name.length * 3 + rank * 8);
      scratchView.setUint8(at, datatypeNumbers.get(tensor.datatype)!);
      scratchView.setUint8(at + 1, rank);
      scratchView.setUint8(at + 2, attach ? 1 : 0);
      scratchView.setUint8(at + 3, 0);
      const nameBytes = scratch.write(name, at + 8, 'utf8');
      scratchView.setUint32(at + 4, nameBytes, true);
      at += 8 + nameBytes;
      for (let axis = 0; axis < rank; axis++, at += 8) scratchView.setFloat64(at, tensor.shape[axis]!, true);
      scratchView.setFloat64(at, section.byteLength, true);
      at += 8;
      if (attach) {
        attachments.push(section.buffer as ArrayBuffer);
      } else {
        sections.push(section);
        sectionBytes += aligned(section.byteLength);
      }
    }
  }
  const restBytes = rest?.byteLength ?? 0;
  reserve(aligned(at + restBytes));
  if (rest !== undefined) scratch.set(rest, at);
  scratchView.setUint8(0, kindNumbers.get(message.kind)!);
  scratchView.setUint8(1, 0);
  scratchView.setUint16(2, count, true);
  scratchView.setUint32(4, message.id, true);
  scratchView.setFloat64(8, message.first ?? 0, true);
  scratchView.setFloat64(16, message.second ?? 0, true);
  scratchView.setUint32(24, at, true);
  scratchView.setUint32(28, restBytes, true);
  const headBytes = aligned(at + restBytes);
  if (headBytes + sectionBytes > maxMessageBytes) {
    throw new ModelportError('UNSUPPORTED', `${headBytes + sectionBytes} bytes are more than the ${maxMessageBytes} that can go to or from an instance at once`);
  }
  return { head: scratch.subarray(0, headBytes), sections, attachments, totalBytes: headBytes + sectionBytes };
}

/** The bytes of a tensor's elements; lengths, then contents, for BYTES. */
function sectionOf(name: string, tensor: Tensor): Uint8Array {
  const data: TensorData = tensor.data;
  if (Array.isArray(data)) return packStrings(data);
  let count = 1;
  for (const size of tensor.shape) count *= size;
  if (data.length !== count) {
    throw new ModelportError('RUN_FAILED', `tensor '${name}' has shape [${tensor.shape.join(', ')}], but its data has ${data.length} elements${data.length === 0 ? ' (was its memory given away?)' : ''}`);
  }
  return data instanceof Uint8Array ? data : new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
}

function canAttach(tensor: Tensor, section: Uint8Array): boolean {
  return tensor.datatype !== 'BYTES' && section.byteLength >= attachmentBytes && section.buffer.byteLength === section.byteLength && section.buffer instanceof ArrayBuffer;
}

function packStrings(elements: readonly Uint8Array[]): Uint8Array {
  let total = 4 * elements.length;
  for (const element of elements) total += element.byteLength;
  const bytes = new Uint8Array(total);
  const lengths = new Uint32Array(bytes.buffer, 0, elements.length);
  let at = 4 * elements.length;
  for (let index = 0; index < elements.length; index++) {
    const element = elements[index]!;
    lengths[index] = element.byteLength;
    bytes.set(element, at);
    at += element.byteLength;
  }
  return bytes;
}

function unpackStrings(bytes: Uint8Array, count: number): Uint8Array[] {
  if (count * 4 > bytes.byteLength) throw malformed(`${count} strings do not fit into ${bytes.byteLength} bytes`);
  const lengths = new Uint32Array(bytes.buffer, bytes.byteOffset, count);
  const elements = new Array<Uint8Array>(count);
  let at = count * 4;
  for (let index = 0; index < count; index++) {
    const length = lengths[index]!;
    if (at + length > bytes.byteLength) throw malformed(`string ${index} ends outside its tensor`);
    elements[index] = bytes.subarray(at, at + length);
    at += length;
  }
  if (at !== bytes.byteLength) throw malformed(`${bytes.byteLength - at} bytes are left over after the strings`);
  return elements;
}

function serializeRest(value: unknown): Uint8Array {
  try {
    return serialize(value);
  } catch (error) {
    throw new ModelportError('UNSUPPORTED', `a value cannot cross to or from an instance in a thread or process: ${(error as Error).message} Use plain data: numbers, text, byte arrays, lists and objects of those.`);
  }
}

function aligned(bytes: number): number {
  return Math.ceil(bytes / 8) * 8;
}

export interface PackedMessage {
  readonly bytes: ArrayBuffer;
  /** Memory that goes with the message; the sender's tensors lose it. */
  readonly attachments: readonly ArrayBuffer[];
}

export interface PackOptions {
  /** Memory that may be used for the message; used where it is large enough and not far too large. */
  readonly spare?: ArrayBuffer | undefined;
  /** Give the memory of large tensors away instead of copying it, except what is listed here. */
  readonly giveAwayExcept?: ReadonlySet<ArrayBufferLike>;
}

/** The message in one piece of fresh (or spare) memory, free to be transferred. Tensors stay intact but for `attachments`. */
export function packMessage(message: Message, options: PackOptions = {}): PackedMessage {
  const layout = layOut(message, options.giveAwayExcept);
  const bytes = fits(options.spare, layout.totalBytes) ? options.spare : memory(layout.totalBytes);
  const target = new Uint8Array(bytes);
  target.set(layout.head);
  let at = layout.head.byteLength;
  for (const section of layout.sections) {
    target.set(section, at);
    at += aligned(section.byteLength);
  }
  return { bytes, attachments: layout.attachments };
}

/** Whether `spare` is large enough for `bytes` bytes, and not so large that it should rather be given back. */
export function fits(spare: ArrayBuffer | undefined, bytes: number): spare is ArrayBuffer {
  return spare !== undefined && spare.byteLength >= bytes && spare.byteLength <= 4 * bytes;
}

/** Large memory comes unzeroed: zeroing 600 KB costs more than filling it. */
function memory(bytes: number): ArrayBuffer {
  return bytes < 64 * 1024 ? new ArrayBuffer(bytes) : Buffer.allocUnsafeSlow(bytes).buffer;
}

const padding = new Uint8Array(8);

/** The message as pieces to be written one after the other; the tensors' own memory is among them, so write them before it changes. */
export function messageParts(message: Message): { readonly parts: Uint8Array[]; readonly totalBytes: number } {
  const layout = layOut(message, undefined);
  const parts: Uint8Array[] = [layout.head.slice()];
  for (const section of layout.sections) {
    if (section.byteLength === 0) continue;
    parts.push(section);
    const gap = aligned(section.byteLength) - section.byteLength;
    if (gap > 0) parts.push(padding.subarray(0, gap));
  }
  return { parts, totalBytes: layout.totalBytes };
}

/** Reads what {@link packMessage} or {@link messageParts} wrote; tensors are views of `bytes`. Throws `INTERNAL` where it is malformed. */
export function unpackMessage(bytes: ArrayBuffer, attachments: readonly ArrayBuffer[] = []): Message {
  if (bytes.byteLength < fixedBytes) throw malformed(`${bytes.byteLength} bytes are less than a head`);
  const view = new DataView(bytes);
  const kind = messageKinds[view.getUint8(0)];
  if (kind === undefined) throw malformed(`kind ${view.getUint8(0)} is unknown`);
  const count = view.getUint16(2, true);
  const restAt = view.getUint32(24, true);
  const restBytes = view.getUint32(28, true);
  let sectionAt = aligned(restAt + restBytes);
  if (restAt < fixedBytes || sectionAt > bytes.byteLength) throw malformed('the head ends outside the message');
  let tensors: Map<string, Tensor> | undefined;
  if (count > 0) {
    tensors = new Map();
    const buffer = Buffer.from(bytes);
    let at = fixedBytes;
    let attachment = 0;
    for (let index = 0; index < count; index++) {
      if (at + 16 > restAt) throw malformed(`the head of tensor ${index} is cut off`);
      const datatype = datatypeNames[view.getUint8(at)];
      const rank = view.getUint8(at + 1);
      const attached = view.getUint8(at + 2) === 1;
      const nameBytes = view.getUint32(at + 4, true);
      if (datatype === undefined || at + 16 + nameBytes + rank * 8 > restAt) throw malformed(`the head of tensor ${index} is wrong or cut off`);
      const name = buffer.toString('utf8', at + 8, at + 8 + nameBytes);
      at += 8 + nameBytes;
      const shape = new Array<number>(rank);
      for (let axis = 0; axis < rank; axis++, at += 8) shape[axis] = view.getFloat64(at, true);
      const length = view.getFloat64(at, true);
      at += 8;
      const elements = countElements(shape);
      let section: Uint8Array;
      if (attached) {
        const memory = attachments[attachment++];
        if (memory === undefined || memory.byteLength !== length) throw malformed(`the data of tensor '${name}' is missing`);
        section = new Uint8Array(memory);
      } else {
        if (!(length >= 0 && Number.isSafeInteger(length) && sectionAt + length <= bytes.byteLength)) throw malformed(`the data of tensor '${name}' ends outside the message`);
        section = new Uint8Array(bytes, sectionAt, length);
        sectionAt += aligned(length);
      }
      tensors.set(name, { datatype, shape, data: dataOf(datatype, section, elements) });
    }
    if (tensors.size !== count) throw malformed('two tensors have one name');
  }
  return {
    kind,
    id: view.getUint32(4, true),
    first: view.getFloat64(8, true),
    second: view.getFloat64(16, true),
    ...(tensors === undefined ? {} : { tensors }),
    ...(restBytes === 0 ? {} : { rest: deserializeRest(new Uint8Array(bytes, restAt, restBytes)) }),
  };
}

function countElements(shape: readonly number[]): number {
  let count = 1;
  for (const size of shape) {
    if (!Number.isSafeInteger(size) || size < 0) throw malformed(`${size} is no size of a dimension`);
    count *= size;
  }
  if (!Number.isSafeInteger(count)) throw malformed(`shape [${shape.join(', ')}] is too large`);
  return count;
}

function dataOf(datatype: Datatype, section: Uint8Array, count: number): TensorData {
  if (datatype === 'BYTES') return unpackStrings(section, count);
  const { bytes, array } = datatypes[datatype];
  if (count * bytes !== section.byteLength) throw malformed(`${section.byteLength} bytes of ${datatype} are not ${count} elements`);
  const numeric = array as unknown as new (buffer: ArrayBufferLike, offset: number, length: number) => NumericArray;
  return new numeric(section.buffer, section.byteOffset, count);
}

function deserializeRest(bytes: Uint8Array): unknown {
  try {
    return deserialize(bytes);
  } catch (error) {
    throw malformed((error as Error).message);
  }
}

function malformed(what: string): ModelportError {
  return new ModelportError('INTERNAL', `malformed message between server and instance: ${what}`);
}
