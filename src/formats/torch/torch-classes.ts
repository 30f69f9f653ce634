/** What the pickles of PyTorch's files name: storages, the functions that rebuild tensors, element types. As `torch/_utils.py` and `torch/serialization.py` write them. */
import { ModelportError } from '../../errors.ts';
import { datatypes, type Datatype } from '../../tensor.ts';
import { isShape } from '../numpy/numpy-dtype.ts';
import { constructor, data, firstOf, pickleClasses, reference, type PickleCall, type PickleClass, type PickleClasses, type PickleReading } from '../pickle/pickle-class.ts';
import { PickledGlobal, PickledObject, describePickleValue, isTuple, printable, type PickleValue } from '../pickle/pickle-value.ts';
import { standardClasses } from '../pickle/standard-classes.ts';
import { TorchStorage, TorchTensor } from './torch-tensor.ts';

const storageTypes: Readonly<Record<string, Datatype>> = {
  DoubleStorage: 'FP64', FloatStorage: 'FP32', HalfStorage: 'FP16', BFloat16Storage: 'BF16', LongStorage: 'INT64', IntStorage: 'INT32', ShortStorage: 'INT16', CharStorage: 'INT8', ByteStorage: 'UINT8', BoolStorage: 'BOOL',
};
const unreadStorages = ['ComplexFloatStorage', 'ComplexDoubleStorage', 'QInt8Storage', 'QUInt8Storage', 'QInt32Storage', 'QUInt4x2Storage', 'QUInt2x4Storage'];

const elementTypes: Readonly<Record<string, Datatype>> = {
  float64: 'FP64', double: 'FP64', float32: 'FP32', float: 'FP32', float16: 'FP16', half: 'FP16', bfloat16: 'BF16', int64: 'INT64', long: 'INT64', int32: 'INT32', int: 'INT32', int16: 'INT16', short: 'INT16', int8: 'INT8', uint8: 'UINT8', uint16: 'UINT16', uint32: 'UINT32', uint64: 'UINT64', bool: 'BOOL',
};
const unreadElementTypes = ['complex32', 'complex64', 'complex128', 'cfloat', 'cdouble', 'qint8', 'quint8', 'qint32', 'float8_e4m3fn', 'float8_e5m2', 'float8_e4m3fnuz', 'float8_e5m2fnuz', 'float8_e8m0fnu'];

/** The datatype of `torch.float32` and its like, where a pickle names them; undefined for others. */
export function torchElementType(value: PickleValue | undefined): Datatype | undefined {
  return value instanceof PickledGlobal && value.module === 'torch' && Object.hasOwn(elementTypes, value.name) ? elementTypes[value.name] : undefined;
}

/** The element type of a storage class: undefined where it is untyped. Fails on complex and quantized ones. */
export function storageDatatype(type: PickleValue | undefined, reading: PickleReading): Datatype | undefined {
  if (!(type instanceof PickledGlobal)) return reading.fail(`a storage is ${describePickleValue(type)}`);
  if (Object.hasOwn(storageTypes, type.name)) return storageTypes[type.name];
  if (type.name === 'UntypedStorage' || type.name === '_UntypedStorage') return undefined;
  return reading.fail(`a storage of the type ${printable(type.path)} cannot be read`);
}

interface View {
  readonly storage: PickleValue | undefined;
  readonly offset: PickleValue | undefined;
  readonly shape: PickleValue | undefined;
  readonly strides: PickleValue | undefined;
  readonly requiresGrad?: PickleValue | undefined;
  readonly datatype?: Datatype | undefined;
}

function tensor(reading: PickleReading, { storage, offset, shape, strides, requiresGrad, datatype }: View): TorchTensor {
  if (!(storage instanceof TorchStorage)) return reading.fail(`the storage of a tensor is ${describePickleValue(storage)}`);
  const type = datatype ?? storage.datatype;
  if (type === undefined) return reading.fail('a tensor lies in a storage without a type');
  if (!isShape(shape) || !isShape(strides) || shape.length !== strides.length || !isShape([offset])) return reading.fail('a tensor has a malformed shape, offset or strides');
  try {
    return new TorchTensor({ storage, datatype: type, offset: offset as number, shape, strides, requiresGrad: requiresGrad === true, isParameter: false });
  } catch (error) {
    if (error instanceof ModelportError) return reading.fail(error.message);
    throw error;
  }
}

/** `_rebuild_tensor(storage, offset, size, stride)`; `_v2` adds (requires_grad, backward_hooks, metadata), `_v3` also the element type. */
const rebuildTensor = constructor(({ args, reading }) => tensor(reading, { storage: args[0], offset: args[1], shape: args[2], strides: args[3], requiresGrad: args[4] }));
const rebuildTensor3 = constructor(({ args, reading }) => {
  const datatype = torchElementType(args[6]);
  if (datatype === undefined) return reading.fail(`a tensor has the element type ${describePickleValue(args[6])}, which cannot be read`);
  return tensor(reading, { storage: args[0], offset: args[1], shape: args[2], strides: args[3], requiresGrad: args[4], datatype });
});

/** `_rebuild_parameter(tensor, requires_grad, backward_hooks)` */
const rebuildParameter = constructor(({ args, reading }) => {
  const [inner, requiresGrad] = args;
  if (!(inner instanceof TorchTensor)) return reading.fail(`a parameter is made of ${describePickleValue(inner)}`);
  return new TorchTensor({ storage: inner.storage, datatype: inner.datatype, offset: inner.offset, shape: inner.shape, strides: inner.strides, requiresGrad: requiresGrad === true, isParameter: true });
});

/** `_rebuild_from_type_v2(function, type, arguments, state)`: tensors of a subclass; what the subclass adds is left aside. */
const rebuildFromType = constructor(({ args, reading }) => {
  const [rebuild, , inner] = args;
  if (!(rebuild instanceof PickledGlobal) || !rebuild.path.startsWith('torch._utils._rebuild_') || !isTuple(inner)) return reading.fail('a tensor of a subclass is rebuilt by something else than PyTorch');
  return reading.construct(rebuild, inner);
});

function refused(what: string): PickleClass {
  return constructor((call: PickleCall) => call.reading.fail(`the file holds ${what} (${printable(`${call.module}.${call.name}`)}), which cannot be read`));
}

/** TorchScript writes typed lists as a call with the list: `build_intlist([1, 2])`. */
const buildList = constructor(({ args, reading }) => (Array.isArray(args[0]) ? args[0] : reading.fail('a typed list is made of something else than a list')));

const fixedClasses = pickleClasses({
  'torch._utils._rebuild_tensor': rebuildTensor,
  'torch._utils._rebuild_tensor_v2': rebuildTensor,
  'torch._utils._rebuild_tensor_v3': rebuildTensor3,
  'torch._utils._rebuild_parameter': rebuildParameter,
  'torch._utils._rebuild_parameter_with_state': rebuildParameter,
  'torch._tensor._rebuild_from_type_v2': rebuildFromType,
  'torch._utils._rebuild_qtensor': refused('a quantized tensor'),
  'torch._utils._rebuild_sparse_tensor': refused('a sparse tensor'),
  'torch._utils._rebuild_nested_tensor': refused('a nested tensor'),
  'torch._utils._rebuild_meta_tensor_no_storage': refused('a tensor without values (device meta)'),
  'torch._utils._rebuild_wrapper_subclass': refused('a tensor of a subclass'),
  'torch._utils._rebuild_device_tensor_from_numpy': refused('a tensor of another device'),
  'torch.jit._pickle.build_intlist': buildList,
  'torch.jit._pickle.build_doublelist': buildList,
  'torch.jit._pickle.build_boollist': buildList,
  'torch.jit._pickle.build_tensorlist': buildList,
  // (value, type): the type is text.
  'torch.jit._pickle.restore_type_tag': constructor(({ args }) => args[0] ?? null),
  'torch.Size': constructor(({ args, reading }) => {
    const sizes = args[0] ?? [];
    return isShape(sizes) ? Object.freeze([...sizes]) : reading.fail('a torch.Size is made of something else than sizes');
  }),
  'torch.device': data,
  'torch.nn.parameter.Parameter': reference,
  'torch.Tensor': reference,
  'torch.serialization._get_layout': data,
  'torch.Generator': data,
});

const torchNames: PickleClasses = (module, name) => {
  if ((module === 'torch' || module === 'torch.storage' || module === 'torch.cuda') && (Object.hasOwn(storageTypes, name) || unreadStorages.includes(name) || name === 'UntypedStorage' || name === '_UntypedStorage')) return reference;
  if (module === 'torch' && (Object.hasOwn(elementTypes, name) || unreadElementTypes.includes(name) || ['strided', 'contiguous_format', 'channels_last', 'preserve_format'].includes(name))) return reference;
  return fixedClasses(module, name);
};

/** PyTorch's classes and Python's own. */
export const torchClasses: PickleClasses = firstOf(standardClasses, torchNames);

/** A location is text, or of older files a `torch.device`. */
export function locationOf(value: PickleValue | undefined): string {
  return typeof value === 'string' ? value : value instanceof PickledObject && typeof value.args[0] === 'string' ? value.args[0] : 'cpu';
}

/** Bytes of so many elements. */
export function storageBytes(datatype: Datatype | undefined, elements: PickleValue | undefined, reading: PickleReading): number {
  const size = datatype === undefined ? 1 : datatypes[datatype].bytes;
  if (typeof elements !== 'number' || !Number.isSafeInteger(elements * size) || elements < 0) return reading.fail('the size of a storage is malformed');
  return elements * size;
}
