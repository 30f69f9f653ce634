/**
 * Weights in files beside the model. A model names them, so it could name any file of the machine: what is not a plain
 * file inside the model's own folder is refused. https://github.com/onnx/onnx/blob/main/docs/ExternalData.md
 */
import { realpathSync, statSync, type Stats } from 'node:fs';
import { isAbsolute, join, sep } from 'node:path';
import { ByteRange } from './byte-range.ts';
import { dataTypeName, dataTypes } from './data-type.ts';
import { DataLocation, type ModelProto, type TensorProto } from './model-proto.ts';
import { invalidTensor, tensorSizeBytes } from './tensor-size.ts';
import { tensorsOf } from './walk.ts';

export interface ExternalFile {
  /** As the model writes it, relative to the model's folder. */
  readonly location: string;
  /** Absolute, links resolved. */
  readonly path: string;
  readonly sizeBytes: number;
}

/** The files that the model's tensors lie in. Throws `INVALID_MODEL` where one is missing, too short, or outside `directory`. */
export function externalFiles(model: ModelProto, directory: string): ExternalFile[] {
  const files = new Map<string, ExternalFile>();
  for (const tensor of tensorsOf(model)) {
    if (tensor.dataLocation !== DataLocation.EXTERNAL) continue;
    const { location } = place(tensor);
    let file = files.get(location);
    if (file === undefined) {
      const { path, status } = confine(tensor, location, directory);
      files.set(location, (file = { location, path, sizeBytes: status.size }));
    }
    rangeWithin(tensor, file.sizeBytes);
  }
  return [...files.values()];
}

/** The bytes of a tensor whose data lies in another file of `directory`. Throws `INVALID_MODEL`. */
export function externalRange(tensor: TensorProto, directory: string): ByteRange {
  const { location } = place(tensor);
  const { path, status } = confine(tensor, location, directory);
  const { offset, length } = rangeWithin(tensor, status.size);
  return ByteRange.ofFile({ path, sizeBytes: status.size, modifiedMs: status.mtimeMs }, offset, length);
}

function place(tensor: TensorProto): { location: string; offset: number; length: number | undefined } {
  const entry = (key: string) => tensor.externalData?.findLast((pair) => pair.key === key)?.value;
  const location = entry('location');
  if (location === undefined || location === '') throw invalidTensor(tensor, 'keeps its data in another file, but does not say in which');
  const number = (key: string): number | undefined => {
    const text = entry(key);
    if (text === undefined) return undefined;
    const value = Number(text);
    if (!/^\d{1,16}$/.test(text) || !Number.isSafeInteger(value)) throw invalidTensor(tensor, `says that the ${key} of its data is "${text.slice(0, 40)}", which is not a number of bytes`);
    return value;
  };
  return { location, offset: number('offset') ?? 0, length: number('length') };
}

function rangeWithin(tensor: TensorProto, fileBytes: number): { offset: number; length: number } {
  const { location, offset, length: declared } = place(tensor);
  const facts = dataTypes.get(tensor.dataType ?? 0);
  if (facts === undefined || facts.bits === 0) throw invalidTensor(tensor, `keeps elements of type ${dataTypeName(tensor.dataType ?? 0)} in another file, which ONNX does not allow`);
  const length = tensorSizeBytes(tensor, facts);
  if (declared !== undefined && declared !== length) {
    throw invalidTensor(tensor, `says that it has ${declared} bytes in "${location}", but ${facts.name}[${tensor.dims.join(', ')}] takes ${length}`);
  }
  if (offset + length > fileBytes) throw invalidTensor(tensor, `lies at bytes ${offset} to ${offset + length} of "${location}", which has only ${fileBytes}: is the file complete?`);
  return { offset, length };
}

/** Places that ONNX Runtime takes for addresses in its own memory. */
const memoryAddress = /_MEM_ADDR_/;

function confine(tensor: TensorProto, location: string, directory: string): { path: string; status: Stats } {
  const parts = location.split(/[\\/]/);
  if (isAbsolute(location) || /^[A-Za-z]:/.test(location) || location.startsWith('\\') || parts.includes('..') || location.includes('\0')) {
    throw invalidTensor(tensor, `names the file "${location}" outside the model's folder`);
  }
  if (memoryAddress.test(location)) throw invalidTensor(tensor, `names "${location}", which is no file`);
  const root = realpathSync(directory);
  let path: string;
  let status: Stats;
  try {
    path = realpathSync(join(root, location));
    status = statSync(path);
  } catch (error) {
    throw invalidTensor(tensor, `keeps its data in "${location}", which is not beside the model; copy it into ${directory}`, error);
  }
  if (!path.startsWith(root.endsWith(sep) ? root : root + sep)) throw invalidTensor(tensor, `names the file "${location}", a link that leads outside the model's folder`);
  if (!status.isFile()) throw invalidTensor(tensor, `names "${location}", which is not a file`);
  return { path, status };
}
