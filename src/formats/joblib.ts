/**
 * Files of joblib (0.10 and later), and plain pickles: a pickle in which each array's bytes stand behind the opcodes that describe it,
 * the whole of it compressed or not. As `joblib/numpy_pickle.py` writes it; no document describes the format.
 */
import { ModelportError } from '../errors.ts';
import { describeContent } from '../file-content.ts';
import { elementCount } from '../tensor.ts';
import { compressionOf, decompress } from './compression/decompress.ts';
import { NumpyArray, decodeArray } from './numpy/numpy-array.ts';
import { numpyClasses } from './numpy/numpy-classes.ts';
import { NumpyDtype, isShape } from './numpy/numpy-dtype.ts';
import { constructor, firstOf, setState, type PickleClasses, type PickleReading, type TakesPickleState } from './pickle/pickle-class.ts';
import type { PickleLimits } from './pickle/pickle-limits.ts';
import { describePickleValue, type PickleValue } from './pickle/pickle-value.ts';
import { looksLikePickle, readPickle } from './pickle/read-pickle.ts';

export interface ReadJoblibOptions {
  /** Classes beside NumPy's, Python's and joblib's own. */
  readonly classes: PickleClasses;
  /** For error messages: the file. */
  readonly name: string;
  /** Of a compressed file, inflated. Default 1 GiB and a hundred times the file. */
  readonly maxInflatedBytes?: number;
  readonly wrapFloats?: boolean;
  readonly limits?: Partial<PickleLimits>;
}

/**
 * The value of a file that `joblib.dump` or `pickle.dump` wrote, compressed or not. Arrays are views of the file's bytes where that is possible. Throws
 * `INVALID_MODEL`.
 */
export async function readJoblib(bytes: Uint8Array, options: ReadJoblibOptions): Promise<PickleValue> {
  const { classes, name, maxInflatedBytes = 2 ** 30 + 100 * bytes.length, wrapFloats, limits } = options;
  const content = await decompress(bytes, name, maxInflatedBytes);
  if (content !== bytes && !looksLikePickle(content) && describeContent(content) !== 'text') {
    throw new ModelportError('INVALID_MODEL', `${name} is compressed with ${compressionOf(bytes)}, and no pickle is in it: it is ${describeContent(content) ?? 'something else'}`, { at: name });
  }
  return readPickle(content, {
    classes: firstOf(joblibClasses, numpyClasses, classes),
    name,
    ...(wrapFloats === undefined ? {} : { wrapFloats }),
    ...(limits === undefined ? {} : { limits }),
  });
}

/** Stands in the pickle for an array; its bytes follow the BUILD that gives it its attributes. */
class ArrayWrapper implements TakesPickleState {
  [setState](state: PickleValue, reading: PickleReading): PickleValue {
    if (!(state instanceof Map)) return reading.fail(`the state of a joblib array is ${describePickleValue(state)}`);
    const attributes = state as ReadonlyMap<PickleValue, PickleValue>;
    const shape = attributes.get('shape');
    const dtype = attributes.get('dtype');
    const order = attributes.get('order');
    if (!isShape(shape) || !(dtype instanceof NumpyDtype) || (order !== 'C' && order !== 'F')) return reading.fail('the state of a joblib array has no shape, no dtype or no order');
    if (dtype.hasObjects) {
      const array = reading.readNested();
      return array instanceof NumpyArray ? array : reading.fail(`an array of Python objects is ${describePickleValue(array)}`);
    }
    // joblib 1.2 and later aligns arrays: a byte tells how many bytes of filling follow.
    if (attributes.has('numpy_array_alignment_bytes') && attributes.get('numpy_array_alignment_bytes') !== null) reading.take(reading.take(1)[0]!);
    const bytes = reading.take(elementCount(shape) * dtype.itemSize);
    return decodeArray(dtype, shape, bytes, { fortranOrder: order === 'F', charge: (size) => reading.charge(size) });
  }
}

const arrayWrapper = constructor(({ args, reading }) => (args.length === 0 ? new ArrayWrapper() : reading.fail('a joblib array is made with arguments')));
const legacyWrapper = constructor(({ reading }) =>
  reading.fail('the file has the layout of joblib before 0.10, with arrays in files of their own, which is not read; save it again with a newer joblib'),
);

/** The classes by which joblib itself stands in a file; scikit-learn before 0.23 carried its own copy. */
const joblibClasses: PickleClasses = (module, name) => {
  if (module !== 'joblib.numpy_pickle' && module !== 'sklearn.externals.joblib.numpy_pickle' && module !== 'joblib.numpy_pickle_compat') return undefined;
  if (name === 'NumpyArrayWrapper') return arrayWrapper;
  return name === 'NDArrayWrapper' || name === 'ZNDArrayWrapper' ? legacyWrapper : undefined;
};
