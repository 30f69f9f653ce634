/** What NumPy's own pickles name: arrays, scalars, element types, random generators. Module names of NumPy 1 (`numpy.core`) and 2 (`numpy._core`). */
import { ModelportError } from '../../errors.ts';
import { constructor, data, firstOf, reference, setState, type PickleCall, type PickleClass, type PickleClasses, type PickleReading, type TakesPickleState } from '../pickle/pickle-class.ts';
import { PickledGlobal, describePickleValue, isTuple, printable, type PickleValue } from '../pickle/pickle-value.ts';
import { standardClasses } from '../pickle/standard-classes.ts';
import { NumpyArray, NumpyScalar, decodeArray } from './numpy-array.ts';
import { NumpyDtype, isShape, nameOf, parseTypeString, subarrayDtype } from './numpy-dtype.ts';

/** Errors of the array's own code, with the place in the pickle. */
function located<T>(reading: PickleReading, run: () => T): T {
  try {
    return run();
  } catch (error) {
    if (error instanceof ModelportError && error.at === undefined) return reading.fail(error.message);
    throw error;
  }
}

const bytesDtype = new NumpyDtype({ kind: 'u', itemSize: 1 });

/** Subclasses of ndarray that are arrays and nothing else. */
const arrayTypes = new Set(['numpy.ndarray', 'numpy.matrix', 'numpy.memmap', 'numpy.recarray', 'numpy.matrixlib.defmatrix.matrix', 'numpy.rec.recarray', 'numpy.core.records.recarray', 'numpy._core.records.recarray']);

class PickledArray extends NumpyArray implements TakesPickleState {
  /** (version, shape, dtype, column-major, bytes or list) */
  [setState](state: PickleValue, reading: PickleReading): PickleValue {
    if (!Array.isArray(state) || (state.length !== 5 && state.length !== 4)) return reading.fail(`the state of a numpy.ndarray is ${describePickleValue(state)}`);
    const [shape, dtype, fortranOrder, content] = (state.length === 5 ? state.slice(1) : state) as unknown[];
    if (!isShape(shape) || !(dtype instanceof NumpyDtype)) return reading.fail('the state of a numpy.ndarray is malformed');
    const made = arrayOf(reading, dtype, shape, fortranOrder === true || fortranOrder === 1, content);
    this.fill(made.dtype, made.shape, made.data);
    return this;
  }
}

function arrayOf(reading: PickleReading, dtype: NumpyDtype, shape: readonly number[], fortranOrder: boolean, content: unknown): NumpyArray {
  if (dtype.kind === 'O') {
    const count = shape.reduce((product, size) => product * size, 1);
    if (!Array.isArray(content) || content.length !== count) return reading.fail(`an array of Python objects with the shape (${shape.join(', ')}) has ${Array.isArray(content) ? `${content.length} elements` : describePickleValue(content)}`);
    reading.charge(16 * count);
    // Objects are listed in row-major order, whatever the array's own is.
    return new NumpyArray(dtype, shape, (content as PickleValue[]).slice());
  }
  if (dtype.hasObjects) return reading.fail(`an array of ${dtype.name}, records that hold Python objects, cannot be read`);
  // Python 2 wrote bytes as str.
  let bytes: unknown = content;
  if (typeof bytes === 'string') {
    reading.charge(bytes.length);
    const text = Buffer.from(bytes, 'latin1');
    bytes = new Uint8Array(text.buffer, text.byteOffset, text.byteLength);
  }
  if (!(bytes instanceof Uint8Array)) return reading.fail(`the bytes of an array are ${describePickleValue(content)}`);
  const raw = bytes;
  return located(reading, () => decodeArray(dtype, shape, raw, { fortranOrder, charge: (size) => reading.charge(size) }));
}

/** `_reconstruct(type, (0,), b'b')`: an empty array, filled by its state. */
function reconstruct({ args, reading }: PickleCall): PickleValue {
  const [type] = args;
  if (!(type instanceof PickledGlobal) || !arrayTypes.has(type.path)) return reading.fail(`an array of the type ${describePickleValue(type)} cannot be read`);
  return new PickledArray(bytesDtype, [0], new Uint8Array(0));
}

/** `_frombuffer(buffer, dtype, shape, 'C' | 'F', axes)`: protocol 5. */
function fromBuffer({ args, reading }: PickleCall): PickleValue {
  const [buffer, dtype, shape, order, axes] = args;
  if (!(dtype instanceof NumpyDtype) || !isShape(shape)) return reading.fail('numpy._frombuffer is called with something else than an array');
  if (order !== 'C' && order !== 'F') return reading.fail(`an array has the order ${order === 'K' || axes !== undefined ? 'K' : describePickleValue(order)}; C and F are read`);
  return arrayOf(reading, dtype, shape, order === 'F', buffer);
}

/** `scalar(dtype, bytes)`, or for objects the object. */
function scalar({ args, reading }: PickleCall): PickleValue {
  const [dtype, content] = args;
  if (!(dtype instanceof NumpyDtype)) return reading.fail('a NumPy scalar has no dtype');
  if (dtype.kind === 'O') return content ?? null;
  const array = arrayOf(reading, dtype, [], false, content ?? new Uint8Array(dtype.itemSize));
  if (dtype.kind === 'V') return new NumpyScalar(dtype, array.data as Uint8Array);
  if (dtype.kind === 'c') return new NumpyScalar(dtype, Object.freeze([...(array.data as Float64Array)]));
  if (dtype.kind === 'b') return new NumpyScalar(dtype, array.data[0] !== 0);
  return new NumpyScalar(dtype, array.data[0]!);
}

/** `dtype('f8', align, copy)`, `dtype((numpy.record, …))`, `dtype(numpy.float64)`. */
function dtype({ args, reading }: PickleCall): PickleValue {
  const [type] = args;
  return located(reading, () => dtypeOf(type, reading));
}

function dtypeOf(type: unknown, reading: PickleReading): NumpyDtype {
  // A copy: the state that follows changes it.
  if (type instanceof NumpyDtype) return copyDtype(type);
  if (type instanceof PickledGlobal) {
    const known = typeStrings.get(type.name);
    return known === undefined ? reading.fail(`numpy.dtype is called with ${printable(type.path)}`) : parseTypeString(known);
  }
  // (numpy.record, dtype) for records, (dtype, shape) for arrays as elements
  if (isTuple(type) && type.length === 2) {
    const [first, second] = type;
    if (first instanceof PickledGlobal && first.name === 'record' && second instanceof NumpyDtype) return copyDtype(second);
    if (first instanceof NumpyDtype && isShape(second)) return subarrayDtype(first, second);
  }
  const text = nameOf(type);
  return text === undefined ? reading.fail(`numpy.dtype is called with ${describePickleValue(type)}`) : parseTypeString(text);
}

function copyDtype({ kind, itemSize, bigEndian, fields, subarray, unit }: NumpyDtype): NumpyDtype {
  return new NumpyDtype({ kind, itemSize, bigEndian, unit, ...(fields === undefined ? {} : { fields }), ...(subarray === undefined ? {} : { subarray }) });
}

/** Type objects that stand as parameters (`dtype=numpy.float64`). */
const typeStrings = new Map([
  ['bool_', 'b1'], ['bool', 'b1'], ['int8', 'i1'], ['int16', 'i2'], ['int32', 'i4'], ['int64', 'i8'], ['intc', 'i4'], ['intp', 'i8'], ['int_', 'i8'], ['longlong', 'i8'],
  ['uint8', 'u1'], ['uint16', 'u2'], ['uint32', 'u4'], ['uint64', 'u8'], ['uintc', 'u4'], ['uintp', 'u8'], ['ulonglong', 'u8'],
  ['float16', 'f2'], ['float32', 'f4'], ['float64', 'f8'], ['complex64', 'c8'], ['complex128', 'c16'], ['object_', 'O'], ['str_', 'U'], ['bytes_', 'S'], ['void', 'V'], ['datetime64', 'M8'], ['timedelta64', 'm8'],
]);

const constructors: Readonly<Record<string, PickleClass>> = {
  'numpy.dtype': constructor(dtype),
  'multiarray._reconstruct': constructor(reconstruct),
  'multiarray.scalar': constructor(scalar),
  'numeric._frombuffer': constructor(fromBuffer),
  // Functions on arrays (`numpy.log1p`), as NumPy before 1.20 names them: (module, name)
  _ufunc_reconstruct: constructor(({ args, reading }) => {
    const [module, name] = args;
    if (typeof module !== 'string' || typeof name !== 'string') return reading.fail('a NumPy function is not named by text');
    return /^numpy(?:\.|$)/.test(module) && functions.has(name) ? new PickledGlobal('numpy', name) : reading.fail(`${printable(module)}.${printable(name)} is named, which is not among the functions that are known here; it was not run`);
  }),
};

/** Functions that are parameters of transformers (`numpy.log1p`). */
const functions = new Set([
  'absolute', 'abs', 'add', 'arccos', 'arccosh', 'arcsin', 'arcsinh', 'arctan', 'arctanh', 'argmax', 'argmin', 'around', 'cbrt', 'ceil', 'clip', 'conjugate', 'cos', 'cosh', 'deg2rad', 'degrees', 'divide',
  'exp', 'exp2', 'expm1', 'fabs', 'fix', 'floor', 'isfinite', 'isinf', 'isnan', 'log', 'log10', 'log1p', 'log2', 'logical_not', 'max', 'amax', 'mean', 'median', 'min', 'amin', 'multiply', 'nan_to_num', 'negative',
  'positive', 'power', 'prod', 'rad2deg', 'radians', 'reciprocal', 'rint', 'round', 'sign', 'sin', 'sinh', 'sqrt', 'square', 'std', 'subtract', 'sum', 'tan', 'tanh', 'trunc', 'var', 'ravel', 'reshape', 'transpose',
  'nanmean', 'nanmedian', 'nanmax', 'nanmin', 'nansum', 'nanstd', 'nanvar',
]);

const randomNames = new Set(['__randomstate_ctor', '__generator_ctor', '__bit_generator_ctor']);
const bitGenerators = new Set(['MT19937', 'PCG64', 'PCG64DXSM', 'Philox', 'SFC64']);

function numpyNames(module: string, name: string): PickleClass | undefined {
  if (module !== 'numpy' && !module.startsWith('numpy.')) return undefined;
  const path = `${module}.${name}`;
  const known = constructors[path.replace(/^numpy\.(?:_core|core)\./, '')];
  if (known !== undefined) return known;
  if (arrayTypes.has(path)) return reference;
  // Masked arrays are kept as the record of what the pickle says; search results hold them.
  if (module === 'numpy.ma' || module === 'numpy.ma.core') return name === '_mareconstruct' ? data : name === 'MaskedArray' ? reference : undefined;
  if (module === 'numpy' && (typeStrings.has(name) || functions.has(name) || name === 'record' || name === 'nan')) return reference;
  if (module === 'numpy' || /^numpy\.(?:_?core|lib|fromnumeric)(?:\.|$)/.test(module)) return functions.has(name) || name === 'record' ? reference : undefined;
  // Parameters of random draws: models keep them, and nothing draws here.
  if (module === 'numpy.random._pickle' && randomNames.has(name)) return data;
  if (/^numpy\.random(?:\.|$)/.test(module) && bitGenerators.has(name)) return data;
  return module === 'numpy.random.bit_generator' && (name === 'SeedSequence' || name.startsWith('__pyx_unpickle_SeedSequence')) ? data : undefined;
}

/** NumPy's classes and Python's own. */
export const numpyClasses: PickleClasses = firstOf(standardClasses, numpyNames);
