/** What programs ask of tensors: sizes, types, single numbers; and tensors made of numbers. */
import { constantTensor } from '../../onnx/constant-tensor.ts';
import { ElementType } from '../../onnx/data-type.ts';
import type { Value } from '../../onnx/graph-builder.ts';
import { isFloat } from '../../onnx/operators/arithmetic.ts';
import { AtenTensor, GraphScalar, scalarTypeOf, scalarTypes, toScalar, type AtenScalar } from '../aten/value.ts';
import type { Interpreter } from './interpreter.ts';
import { operators } from './program-operators.ts';
import { arithmetic, isNumber, scalarType } from './program-numbers.ts';
import type { ScriptValue } from './script-value.ts';

export type Operator = (run: Interpreter, args: readonly ScriptValue[], keywords: ReadonlyMap<string, ScriptValue>) => ScriptValue | undefined;

function sizes(run: Interpreter, tensor: AtenTensor): AtenScalar[] {
  const shape = run.context.shape(tensor);
  return shape.map((_, axis) => sizeOf(run, tensor, axis));
}

function sizeOf(run: Interpreter, tensor: AtenTensor, axis: number): AtenScalar {
  const size = tensor.shape?.[axis];
  if (typeof size === 'number') return BigInt(size);
  const value = run.context.graph.op.sizeOf(run.context.read(tensor), axis);
  const known = toScalar(value);
  if (!(known instanceof GraphScalar) || known.dimension !== undefined || size === undefined) return known;
  return new GraphScalar('int', { ...value, elements: [size] });
}

/** The only element of a tensor, as a number of the program. */
export function item(run: Interpreter, tensor: AtenTensor, type: 'int' | 'float' | 'bool' | 'number'): AtenScalar {
  const { context } = run;
  const { op } = context.graph;
  let value: Value = context.read(tensor);
  const wanted = type === 'int' ? ElementType.INT64 : type === 'float' ? ElementType.DOUBLE : type === 'bool' ? ElementType.BOOL : value.elementType === ElementType.BOOL ? ElementType.BOOL : isFloat(value.elementType) ? ElementType.DOUBLE : ElementType.INT64;
  if (value.shape?.length !== 0) value = op.reshape(value, op.int64s([]));
  return toScalar(context.cast(value, wanted));
}

const ofTensor = (apply: (run: Interpreter, tensor: AtenTensor, rest: readonly ScriptValue[]) => ScriptValue | undefined): Operator => (run, [first, ...rest]) => (first instanceof AtenTensor ? apply(run, first, rest) : undefined);

const size = ofTensor((run, tensor, [axis]) => {
  if (axis === undefined) return sizes(run, tensor);
  if (typeof axis !== 'bigint') return undefined;
  return sizeOf(run, tensor, run.context.axis(Number(axis), run.context.shape(tensor).length));
});

const rank = ofTensor((run, tensor) => BigInt(run.context.shape(tensor).length));

/** The sizes of a list of lists, and its numbers. Undefined where it holds something else, or lists of several lengths. */
function flattenNumbers(value: ScriptValue): { readonly shape: number[]; readonly numbers: AtenScalar[] } | undefined {
  if (isNumber(value)) return { shape: [], numbers: [value] };
  const items = Array.isArray(value) ? value : undefined;
  if (items === undefined) return undefined;
  const parts = items.map(flattenNumbers);
  const [first] = parts;
  if (first === undefined) return items.length === 0 ? { shape: [0], numbers: [] } : undefined;
  const numbers: AtenScalar[] = [];
  for (const part of parts) {
    if (part === undefined || part.shape.join() !== first.shape.join()) return undefined;
    numbers.push(...part.numbers);
  }
  return { shape: [items.length, ...first.shape], numbers };
}

/** `torch.tensor`: numbers become a tensor of the type that they have, or of the one that is given. */
const tensorOf: Operator = (run, [data, ...rest], keywords) => {
  const { context } = run;
  const dtype = keywords.get('dtype') ?? (typeof rest[0] === 'bigint' ? rest[0] : null);
  if (dtype !== null && typeof dtype !== 'bigint') return undefined;
  if (data instanceof AtenTensor) {
    const type = dtype === null ? data.elementType : scalarTypes.get(Number(dtype));
    return type === undefined ? undefined : context.tensor(context.graph.op.identity(context.cast(context.read(data), type)));
  }
  const flat = flattenNumbers(data ?? null);
  if (flat === undefined) return undefined;
  const kinds = new Set(flat.numbers.map(scalarType));
  const type = dtype === null ? (kinds.has('float') || kinds.size === 0 ? ElementType.FLOAT : kinds.has('int') ? ElementType.INT64 : ElementType.BOOL) : scalarTypes.get(Number(dtype));
  if (type === undefined) return undefined;
  if (flat.numbers.length > 100_000) throw run.refuse('a tensor is made of more than 100,000 numbers of the program');
  const { op } = context.graph;
  if (flat.numbers.length === 0) return context.tensor(op.identity(context.graph.constant(constantTensor(type, [], flat.shape))));
  const scalars = flat.numbers.map((value) => context.operand(value, type));
  return context.tensor(flat.shape.length === 0 ? op.identity(scalars[0]!) : op.reshape(op.stack(scalars, 0), flat.shape));
};

/** Operators named `aten::…` that give numbers of the program, or make tensors of them. */
export const tensorOperators: Readonly<Record<string, Operator>> = {
  size,
  sym_size: size,
  dim: rank,
  len: ofTensor((run, tensor) => {
    if (tensor.rank === 0) throw run.raised('TypeError: len() of a 0-d tensor');
    return sizeOf(run, tensor, 0);
  }),
  numel: ofTensor((run, tensor) => sizes(run, tensor).reduce((product, one) => arithmetic.mul(product, one, run.context), 1n)),
  item: ofTensor((run, tensor) => item(run, tensor, 'number')),
  ScalarImplicit: ofTensor((run, tensor) => item(run, tensor, 'number')),
  Int: ofTensor((run, tensor) => item(run, tensor, 'int')),
  IntImplicit: ofTensor((run, tensor) => item(run, tensor, 'int')),
  Float: ofTensor((run, tensor) => item(run, tensor, 'float')),
  FloatImplicit: ofTensor((run, tensor) => item(run, tensor, 'float')),
  Bool: ofTensor((run, tensor) => item(run, tensor, 'bool')),
  is_nonzero: ofTensor((run, tensor) => item(run, tensor, 'bool')),
  is_floating_point: ofTensor((_run, tensor) => isFloat(tensor.elementType)),
  is_complex: ofTensor((_run, tensor) => tensor.elementType === ElementType.COMPLEX64 || tensor.elementType === ElementType.COMPLEX128),
  is_signed: ofTensor((_run, tensor) => tensor.elementType !== ElementType.UINT8 && tensor.elementType !== ElementType.BOOL),
  tensor: tensorOf,
  as_tensor: (run, args, keywords) => (args[0] instanceof AtenTensor ? undefined : tensorOf(run, args, keywords)),
  get_device: () => -1n,
  cpu: ofTensor((_run, tensor) => tensor),
  requires_grad_: ofTensor((_run, tensor) => tensor),
  __is__: (_run, [a, b]) => (a instanceof AtenTensor || b instanceof AtenTensor ? a === b : undefined),
  __isnot__: (_run, [a, b]) => (a instanceof AtenTensor || b instanceof AtenTensor ? a !== b : undefined),
};

/** Operators named `prim::…`, which are mostly attributes of tensors. */
export const primitives: Readonly<Record<string, Operator>> = {
  NumToTensor: (run, [value]) => (isNumber(value) ? run.context.tensorOfScalar(value, false) : undefined),
  shape: size,
  size,
  dtype: ofTensor((run, tensor) => scalarTypeOf(tensor.elementType) ?? run.fail('the type of a tensor is not known')),
  device: ofTensor(() => 'cpu'),
  layout: ofTensor(() => 0n),
  ndim: rank,
  data: ofTensor((_run, tensor) => tensor),
  grad: ofTensor(() => null),
  requires_grad: ofTensor(() => false),
  is_cuda: ofTensor(() => false),
  is_cpu: ofTensor(() => true),
  is_sparse: ofTensor(() => false),
  is_quantized: ofTensor(() => false),
  is_mkldnn: ofTensor(() => false),
  is_mps: ofTensor(() => false),
  is_meta: ofTensor(() => false),
  is_xla: ofTensor(() => false),
  is_nested: ofTensor(() => false),
  is_leaf: ofTensor(() => true),
  name: ofTensor(() => null),
  abs: (run, args, keywords) => operators['abs']!(run, args, keywords),
  min: (run, args, keywords) => operators['min']!(run, args, keywords),
  max: (run, args, keywords) => operators['max']!(run, args, keywords),
  T: ofTensor((run, tensor) => run.context.call('aten::numpy_T', { a: tensor })),
  mT: ofTensor((run, tensor) => run.context.call('aten::transpose.int', { self: tensor, dim0: -2n, dim1: -1n })),
  // Of a device.
  type: (_run, [device]) => (typeof device === 'string' ? device.split(':')[0]! : undefined),
  unchecked_unwrap_optional: (_run, [value]) => value,
  is_none: (_run, [value]) => value === null,
  rangelist: (run, [count]) => (typeof count === 'bigint' && count <= 100_000n ? Array.from({ length: Number(count) }, (_, index) => BigInt(index)) : run.fail('a range is not known or too long')),
};
