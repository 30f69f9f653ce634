/** Writes a model to disk, its weights beside it where they are large. Everything is written under another name first. */
import { closeSync, fsyncSync, openSync, renameSync, rmSync, writeSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { randomBytes } from 'node:crypto';
import { ModelportError } from '../errors.ts';
import { ByteRange } from './byte-range.ts';
import { toTensorProto, fromTensorProto } from './constant-tensor.ts';
import { dataTypes, INT32, INT64 } from './data-type.ts';
import { externalRange } from './external-data.ts';
import { mapTensors } from './map-tensors.ts';
import { DataLocation, type ModelProto, type TensorProto } from './model-proto.ts';
import { tensorSizeBytes } from './tensor-size.ts';
import { encodeModel, mostModelBytes } from './write-model.ts';

export interface WriteOptions {
  /** Writes large tensors into one file beside the model. Default: only where the model would have more than 2 GB. */
  readonly externalData?: ExternalDataOptions | undefined;
  /** Where external data of the model lies now; what lies there goes where the model goes. Without it, such tensors keep their places. */
  readonly directory?: string;
}

export interface ExternalDataOptions {
  /** Default: the model's name with `.data`. */
  readonly fileName?: string;
  /** Tensors from this size on; lists of integers, which may be shapes, only from 1024. Default 1024. */
  readonly leastBytes?: number;
}

export interface WrittenFile {
  readonly path: string;
  readonly sizeBytes: number;
}

/** Where tensors begin in the file beside the model, so that they can be mapped into memory. */
const alignmentBytes = 4096;
const pieceBytes = 8 * 2 ** 20;

/**
 * Gives the files that were written, the model first. Weights that lie in files are copied in pieces. Blocks the thread.
 * Throws `INVALID_USAGE` where the folder cannot be written; no half-written file is left.
 */
export function writeModelFile(model: ModelProto, path: string, options: WriteOptions = {}): WrittenFile[] {
  const { directory } = options;
  const whole = directory === undefined ? model : mapTensors(model, (tensor) => internal(tensor, directory));
  let external = options.externalData;
  if (external === undefined) {
    const parts = encodeModel(whole);
    if (sizeOf(parts) <= mostModelBytes) return write(path, [{ path, parts }]);
    external = {};
  }
  const fileName = external.fileName ?? `${basename(path)}.data`;
  const place = new DataFile(fileName, external.leastBytes ?? 1024);
  const parts = encodeModel(mapTensors(whole, (tensor, kind) => (kind === 'initializer' ? place.take(tensor) : tensor)));
  if (sizeOf(parts) > mostModelBytes) throw new ModelportError('INVALID_MODEL', `${path} would have more than ${mostModelBytes} bytes even without its weights`, { at: path });
  if (place.sizeBytes === 0) return write(path, [{ path, parts }]);
  return write(path, [{ path, parts }, { path: join(dirname(path), fileName), parts: place.parts }]);
}

/** A tensor whose data lies elsewhere as one that holds the range. */
function internal(tensor: TensorProto, directory: string): TensorProto {
  if (tensor.dataLocation !== DataLocation.EXTERNAL) return tensor;
  const { externalData: _externalData, dataLocation: _dataLocation, ...rest } = tensor;
  return { ...rest, rawData: externalRange(tensor, directory) };
}

/** Takes the data of large tensors, one after the other. */
class DataFile {
  readonly parts: (Uint8Array | ByteRange)[] = [];
  sizeBytes = 0;
  readonly #fileName: string;
  readonly #leastBytes: number;

  constructor(fileName: string, leastBytes: number) {
    this.#fileName = fileName;
    this.#leastBytes = leastBytes;
  }

  take(tensor: TensorProto): TensorProto {
    const facts = dataTypes.get(tensor.dataType ?? 0);
    if (facts === undefined || facts.bits === 0 || tensor.dataLocation === DataLocation.EXTERNAL) return tensor;
    // ONNX Runtime looks at shapes before it looks into other files.
    const leastBytes = tensor.dataType === INT64 || tensor.dataType === INT32 ? Math.max(this.#leastBytes, 1024) : Math.max(this.#leastBytes, 1);
    if (tensorSizeBytes(tensor, facts) < leastBytes) return tensor;
    const data = tensor.rawData ?? toTensorProto(fromTensorProto(tensor)).rawData!;
    const padding = (alignmentBytes - (this.sizeBytes % alignmentBytes)) % alignmentBytes;
    if (padding > 0) this.parts.push(new Uint8Array(padding));
    const offset = this.sizeBytes + padding;
    this.parts.push(data);
    this.sizeBytes = offset + data.byteLength;
    return {
      dims: tensor.dims,
      ...(tensor.dataType === undefined ? {} : { dataType: tensor.dataType }),
      ...(tensor.name === undefined ? {} : { name: tensor.name }),
      ...(tensor.docString === undefined ? {} : { docString: tensor.docString }),
      ...(tensor.metadataProps === undefined ? {} : { metadataProps: tensor.metadataProps }),
      ...(tensor.unknownFields === undefined ? {} : { unknownFields: tensor.unknownFields }),
      externalData: [
        { key: 'location', value: this.#fileName },
        { key: 'offset', value: String(offset) },
        { key: 'length', value: String(data.byteLength) },
      ],
      dataLocation: DataLocation.EXTERNAL,
    };
  }
}

function sizeOf(parts: readonly (Uint8Array | ByteRange)[]): number {
  return parts.reduce((sum, part) => sum + part.byteLength, 0);
}

interface File {
  readonly path: string;
  readonly parts: readonly (Uint8Array | ByteRange)[];
}

/** The model gets its name last: who finds it finds its weights. */
function write(path: string, files: readonly File[]): WrittenFile[] {
  const suffix = `.${process.pid}-${randomBytes(4).toString('hex')}.part`;
  try {
    for (const file of files) writeParts(file.path + suffix, file.parts);
    for (const file of files.toReversed()) renameSync(file.path + suffix, file.path);
  } catch (error) {
    for (const file of files) rmSync(file.path + suffix, { force: true });
    const { code, message } = error as NodeJS.ErrnoException;
    if (code === undefined || !/^E[A-Z]+$/.test(code)) throw error;
    const reason = code === 'ENOSPC' ? 'the disk is full' : code === 'EACCES' || code === 'EPERM' ? 'permission denied' : code === 'ENOENT' ? 'there is no such folder' : message;
    throw new ModelportError('INVALID_USAGE', `${path} cannot be written: ${reason}`, { at: path, cause: error });
  }
  return files.map((file) => ({ path: file.path, sizeBytes: sizeOf(file.parts) }));
}

function writeParts(path: string, parts: readonly (Uint8Array | ByteRange)[]): void {
  const descriptor = openSync(path, 'wx');
  try {
    for (const part of parts) {
      for (const piece of part instanceof ByteRange ? part.pieces(pieceBytes) : [part]) writeAll(descriptor, piece);
    }
    fsyncSync(descriptor);
  } finally {
    closeSync(descriptor);
  }
}

function writeAll(descriptor: number, bytes: Uint8Array): void {
  let done = 0;
  while (done < bytes.byteLength) done += writeSync(descriptor, bytes, done, Math.min(bytes.byteLength - done, 0x4000_0000));
}
