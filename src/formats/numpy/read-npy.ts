/** NumPy's `.npy` file, versions 1 to 3: https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html */
import { ModelportError } from '../../errors.ts';
import { elementCount } from '../../tensor.ts';
import type { PickleClasses } from '../pickle/pickle-class.ts';
import { readPickle } from '../pickle/read-pickle.ts';
import { NumpyArray, decodeArray } from './numpy-array.ts';
import { numpyClasses } from './numpy-classes.ts';
import { isShape, parseTypeString, recordDtype, subarrayDtype, type NumpyDtype } from './numpy-dtype.ts';
import { parsePythonLiteral, type PythonLiteral } from './python-literal.ts';

export interface ReadNpyOptions {
  /** For error messages. */
  readonly name?: string;
  /** Classes that objects in the array may have: an array of Python objects is a pickle. Default: NumPy's and Python's own. */
  readonly classes?: PickleClasses;
  /** Memory that elements may take beside the file's bytes. Default 1 GiB and four times the file. */
  readonly maxMemoryBytes?: number;
}

const maxHeaderBytes = 2 ** 20;

export function looksLikeNpy(bytes: Uint8Array): boolean {
  return bytes.length >= 10 && Buffer.from(bytes.buffer, bytes.byteOffset, 6).toString('latin1') === '\x93NUMPY';
}

/** The array of a `.npy` file; a view of `bytes` where that is possible. Throws `INVALID_MODEL`. */
export function readNpy(bytes: Uint8Array, options: ReadNpyOptions = {}): NumpyArray {
  const name = options.name ?? 'npy';
  try {
    return readArray(bytes, name, options);
  } catch (error) {
    if (error instanceof ModelportError && error.at === undefined) throw new ModelportError(error.code, `${name}: ${error.message}`, { at: name });
    throw error;
  }
}

function invalid(problem: string): never {
  throw new ModelportError('INVALID_MODEL', problem);
}

function readArray(bytes: Uint8Array, name: string, { classes = numpyClasses, maxMemoryBytes = 2 ** 30 + 4 * bytes.length }: ReadNpyOptions): NumpyArray {
  if (!looksLikeNpy(bytes)) return invalid('this is no .npy file');
  const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const version = buffer[6]!;
  if (version < 1 || version > 3) return invalid(`the .npy file has version ${version}; 1 to 3 are read`);
  const start = version === 1 ? 10 : 12;
  if (buffer.length < start) return invalid('the .npy file ends in its header');
  const length = version === 1 ? buffer.readUInt16LE(8) : buffer.readUInt32LE(8);
  if (length > maxHeaderBytes || start + length > buffer.length) return invalid(`the .npy header of ${length} bytes does not lie in the file`);
  const header = parsePythonLiteral(buffer.toString(version === 3 ? 'utf8' : 'latin1', start, start + length));
  if (!(header instanceof Map)) return invalid('the .npy header is no dict');
  const shape = header.get('shape');
  const fortranOrder = header.get('fortran_order');
  if (!isShape(shape) || typeof fortranOrder !== 'boolean') return invalid('the .npy header has no shape or no order');
  const dtype = describedDtype(header.get('descr'));
  const offset = start + length;
  if (dtype.hasObjects) {
    if (dtype.kind !== 'O') return invalid('records that hold Python objects cannot be read');
    const elements = readPickle(bytes, { classes, name, offset });
    if (!(elements instanceof NumpyArray) || elements.dtype.kind !== 'O' || elements.size !== elementCount(shape)) return invalid('the pickle in the .npy file is not the array that its header tells');
    return elements;
  }
  const sizeBytes = elementCount(shape) * dtype.itemSize;
  if (!(offset + sizeBytes <= bytes.length)) return invalid(`an array of ${dtype.name} with the shape (${shape.join(', ')}) has ${sizeBytes} bytes, but the file has ${bytes.length - offset} for it`);
  let spent = 0;
  const charge = (more: number): void => {
    spent += more;
    if (spent > maxMemoryBytes) invalid(`the array wants more than ${maxMemoryBytes} bytes of memory, which is refused`);
  };
  return decodeArray(dtype, shape, bytes.subarray(offset, offset + sizeBytes), { fortranOrder, charge });
}

/** `'<f8'`, or a list of fields: (name, type), (name, type, shape); a name may be (title, name). */
function describedDtype(description: PythonLiteral | undefined): NumpyDtype {
  if (typeof description === 'string') return parseTypeString(description);
  if (!Array.isArray(description)) return invalid('the .npy header tells no type');
  return recordDtype(
    (description as PythonLiteral[]).map((field) => {
      if (!Array.isArray(field) || field.length < 2) return invalid('a field in the .npy header is malformed');
      const [title, type, shape] = field as PythonLiteral[];
      const name = Array.isArray(title) ? (title as PythonLiteral[])[1] : title;
      const dtype = describedDtype(type);
      if (typeof name !== 'string') return invalid('a field in the .npy header has no name');
      if (shape === undefined) return { name, dtype };
      const sizes = typeof shape === 'number' ? [shape] : shape;
      return isShape(sizes) ? { name, dtype: subarrayDtype(dtype, sizes) } : invalid('a field in the .npy header has no shape');
    }),
  );
}
