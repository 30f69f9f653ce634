/** Sample inputs and expected outputs of a model, from `.npy` and `.npz` files. */
import { existsSync, readFileSync, statSync } from 'node:fs';
import { ModelportError } from '../errors.ts';
import { fileSource } from '../formats/byte-source.ts';
import { arrayToTensor } from '../formats/numpy/numpy-array.ts';
import { looksLikeNpy, readNpy } from '../formats/numpy/read-npy.ts';
import { openNpz } from '../formats/numpy/read-npz.ts';
import { looksLikeZip, ZipArchive } from '../formats/zip.ts';
import { suggestName } from '../lib/suggest-name.ts';
import type { TensorSpec } from '../model.ts';
import { datatypes, elementCount, type Tensor, type Tensors } from '../tensor.ts';

/** One tensor of a `.npy` file under the name '', or the named tensors of a `.npz`. Throws `INVALID_USAGE` or `INVALID_MODEL`. */
export function readSampleFile(path: string): Tensors {
  if (!existsSync(path) || !statSync(path).isFile()) throw new ModelportError('INVALID_USAGE', `${path}: there is no such file`, { at: path });
  const source = fileSource(path);
  try {
    const start = source.read(0, Math.min(source.sizeBytes, 64));
    if (looksLikeNpy(start)) return new Map([['', arrayToTensor(readNpy(readFileSync(path), { name: path }))]]);
    if (!looksLikeZip(start)) throw new ModelportError('INVALID_USAGE', `${path} is neither a .npy nor a .npz file: write it with numpy.save or numpy.savez`, { at: path });
    const file = openNpz(ZipArchive.open(source));
    return new Map(file.names.map((name) => [name, arrayToTensor(file.array(name))]));
  } finally {
    source.close();
  }
}

/**
 * The tensors by the names of `specs`: a lone one goes to the first, `arr_0`, `arr_1` (numpy.savez without names) go in order. A floating type is taken
 * for another floating type, and an integer for another, where the values fit. Throws `INVALID_USAGE`.
 */
export function matchTensors(given: Tensors, specs: readonly TensorSpec[], file: string): Map<string, Tensor> {
  const ordered = given.size > 0 && [...given.keys()].every((name, index) => name === '' || name === `arr_${index}`);
  const matched = new Map<string, Tensor>();
  for (const [index, [name, tensor]] of [...given].entries()) {
    const spec = ordered ? specs[index] : specs.find((candidate) => candidate.name === name);
    if (spec === undefined) {
      const problem = ordered ? `holds ${given.size} arrays, but the model has ${specs.length}` : `names '${name}', which the model has not${suggestName(name, specs.map((candidate) => candidate.name))}`;
      throw new ModelportError('INVALID_USAGE', `${file} ${problem}`, { at: file });
    }
    matched.set(spec.name, asDatatype(tensor, spec, file));
  }
  return matched;
}

function asDatatype(tensor: Tensor, { name, datatype }: TensorSpec, file: string): Tensor {
  if (tensor.datatype === datatype) return tensor;
  const [from, to] = [datatypes[tensor.datatype], datatypes[datatype]];
  if (from.kind !== to.kind || from.kind === 'bytes' || datatype === 'FP16' || datatype === 'BF16' || tensor.datatype === 'FP16' || tensor.datatype === 'BF16') {
    throw new ModelportError('INVALID_USAGE', `${file}: '${name}' is ${tensor.datatype}, but the model has ${datatype} there`, { at: file });
  }
  const values = Array.from(tensor.data as Iterable<number | bigint>);
  const wide = datatype === 'INT64' || datatype === 'UINT64';
  const data = new (to.array as unknown as new (values: readonly (number | bigint)[]) => Tensor['data'])(values.map((value) => (wide ? BigInt(value) : Number(value))));
  return { datatype, shape: tensor.shape, data };
}

export interface Difference {
  readonly output: string;
  /** Between elements; for text 1 where any differs. */
  readonly largest: number;
  /** By the larger of 1 and the expected element's size. */
  readonly largestRelative: number;
  /** Whether the largest element along the last axis is at the same place in every row; undefined where there is no such axis. */
  readonly sameLargest?: boolean;
}

/** Throws `INVALID_USAGE` where shapes differ. NaN equals NaN. */
export function compareTensors(expected: Tensors, found: Tensors, file: string): Difference[] {
  return [...expected].map(([output, tensor]) => {
    const other = found.get(output);
    if (other === undefined || other.shape.join() !== tensor.shape.join()) {
      throw new ModelportError('INVALID_USAGE', `${file}: output '${output}' is [${tensor.shape.join(', ')}] there, but the model gives [${other?.shape.join(', ') ?? 'none'}]`, { at: file });
    }
    if (tensor.datatype === 'BYTES') {
      const same = (tensor.data as Uint8Array[]).every((element, index) => Buffer.compare(element, (other.data as Uint8Array[])[index]!) === 0);
      return { output, largest: same ? 0 : 1, largestRelative: same ? 0 : 1 };
    }
    let largest = 0;
    let largestRelative = 0;
    for (let index = 0; index < tensor.data.length; index++) {
      const [wanted, got] = [Number(tensor.data[index]), Number(other.data[index])];
      if (Object.is(wanted, got) || wanted === got) continue;
      const difference = Number.isFinite(wanted - got) ? Math.abs(wanted - got) : Infinity;
      largest = Math.max(largest, difference);
      largestRelative = Math.max(largestRelative, difference / Math.max(1, Math.abs(wanted)));
    }
    const width = tensor.shape.at(-1) ?? 0;
    return { output, largest, largestRelative, ...(tensor.shape.length >= 2 && width > 1 ? { sameLargest: sameLargest(tensor, other, width) } : {}) };
  });
}

function sameLargest(left: Tensor, right: Tensor, width: number): boolean {
  const place = ({ data }: Tensor, row: number): number => {
    let best = 0;
    for (let column = 1; column < width; column++) if (Number(data[row * width + column]) > Number(data[row * width + best])) best = column;
    return best;
  };
  return Array.from({ length: elementCount(left.shape) / width }, (_, row) => place(left, row) === place(right, row)).every(Boolean);
}
