/** safetensors files: a JSON header that tells where each tensor's bytes lie. https://huggingface.co/docs/safetensors */
import { ModelportError } from '../errors.ts';
import { elementCount, datatypes, type Datatype, type NumericArray } from '../tensor.ts';
import type { ByteSource } from './byte-source.ts';
import { numericArray } from './numeric-array.ts';

export interface SafetensorsTensor {
  readonly name: string;
  readonly datatype: Datatype;
  readonly shape: readonly number[];
  readonly sizeBytes: number;
  /** Where its bytes begin in the file. */
  readonly offset: number;
  /** Reads the elements, row-major. */
  read(): NumericArray;
}

export interface SafetensorsFile {
  /** In the order of their bytes. */
  readonly tensors: ReadonlyMap<string, SafetensorsTensor>;
  /** `__metadata__`. */
  readonly metadata: Readonly<Record<string, string>>;
}

/** The format's own limit. */
const maxHeaderBytes = 100_000_000;

const datatypesOfFormat: Readonly<Record<string, Datatype>> = {
  BOOL: 'BOOL', U8: 'UINT8', U16: 'UINT16', U32: 'UINT32', U64: 'UINT64', I8: 'INT8', I16: 'INT16', I32: 'INT32', I64: 'INT64', F16: 'FP16', BF16: 'BF16', F32: 'FP32', F64: 'FP64',
};

/** Whether a file begins as a safetensors file does. */
export function looksLikeSafetensors(start: Uint8Array): boolean {
  if (start.length < 10) return false;
  const header = Buffer.from(start.buffer, start.byteOffset, start.byteLength);
  return header.readUInt32LE(4) === 0 && header.readUInt32LE(0) >= 2 && header.readUInt32LE(0) <= maxHeaderBytes && header[8] === 0x7b;
}

/** Reads the header; tensors are read when they are asked for, for as long as the source is open. Throws `INVALID_MODEL`. */
export function openSafetensors(source: ByteSource): SafetensorsFile {
  const fail = (problem: string): never => {
    throw new ModelportError('INVALID_MODEL', `${source.name}: ${problem}`, { at: source.name });
  };
  const prefix = source.read(0, 8);
  const length = Number(Buffer.from(prefix).readBigUInt64LE());
  if (length > maxHeaderBytes || 8 + length > source.sizeBytes) fail(`this is no safetensors file, or it is truncated: its header would have ${length} bytes`);
  const header = parseHeader(source.read(8, length), fail);
  const start = 8 + length;
  const dataBytes = source.sizeBytes - start;
  let metadata: Record<string, string> = {};
  const ranges: { name: string; begin: number; end: number; tensor: SafetensorsTensor }[] = [];
  for (const [name, description] of Object.entries(header)) {
    const shown = JSON.stringify(name.slice(0, 200));
    if (name === '__metadata__') {
      if (!isRecord(description) || !Object.values(description).every((value) => typeof value === 'string')) return fail('the metadata of the safetensors file is no text');
      metadata = description as Record<string, string>;
      continue;
    }
    if (!isRecord(description)) return fail(`the tensor ${shown} is not described`);
    const { dtype, shape, data_offsets: offsets } = description;
    const datatype = typeof dtype === 'string' && Object.hasOwn(datatypesOfFormat, dtype) ? datatypesOfFormat[dtype]! : fail(`the tensor ${shown} has the type ${JSON.stringify(dtype)?.slice(0, 40)}, which is not read`);
    if (!isSizes(shape) || !isSizes(offsets) || offsets.length !== 2) return fail(`the tensor ${shown} has no shape or no place`);
    const [begin, end] = offsets as [number, number];
    const sizeBytes = elementCount(shape) * datatypes[datatype].bytes;
    if (end - begin !== sizeBytes || end > dataBytes) return fail(`the tensor ${shown} of ${dtype} with the shape [${shape.join(', ')}] has ${sizeBytes} bytes, but lies from ${begin} to ${end} of ${dataBytes}`);
    ranges.push({ name, begin, end, tensor: { name, datatype, shape, sizeBytes, offset: start + begin, read: () => numericArray(datatype, source.read(start + begin, sizeBytes)) } });
  }
  ranges.sort((left, right) => left.begin - right.begin || left.end - right.end);
  let position = 0;
  for (const { name, begin, end } of ranges) {
    if (begin !== position) return fail(`the tensor ${JSON.stringify(name.slice(0, 200))} begins at byte ${begin} instead of ${position}: tensors overlap, or there are bytes between them`);
    position = end;
  }
  if (position !== dataBytes) return fail(`there are ${dataBytes - position} bytes behind the last tensor`);
  return { tensors: new Map(ranges.map(({ name, tensor }) => [name, tensor])), metadata };
}

function parseHeader(bytes: Uint8Array, fail: (problem: string) => never): Record<string, unknown> {
  let header: unknown;
  try {
    header = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes));
  } catch (error) {
    return fail(`this is no safetensors file: its header is no JSON (${(error as Error).message.slice(0, 200)})`);
  }
  return isRecord(header) ? header : fail('this is no safetensors file: its header is no object');
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function isSizes(value: unknown): value is readonly number[] {
  return Array.isArray(value) && value.length <= 64 && value.every((size) => typeof size === 'number' && Number.isSafeInteger(size) && size >= 0);
}
