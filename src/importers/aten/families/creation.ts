/** Tensors out of nothing: filled ones, ranges, grids, triangles. */
import { constantTensor, scalar } from '../../../onnx/constant-tensor.ts';
import { ElementType } from '../../../onnx/data-type.ts';
import type { Value } from '../../../onnx/graph-builder.ts';
import { isFloat } from '../../../onnx/operators/arithmetic.ts';
import type { Index } from '../../../onnx/operators/operand.ts';
import type { AtenArguments } from '../arguments.ts';
import type { Lowering, LoweringContext, Lowerings } from '../lowering.ts';
import { GraphScalar, type AtenScalar, type AtenTensor } from '../value.ts';
import { computingType, filledLike } from './elementwise.ts';

const { BOOL, FLOAT, INT32, INT64 } = ElementType;

/** Sizes and a number: a constant where both are known and it is small, else made when the graph runs. */
export function filled(context: LoweringContext, sizes: readonly Index[], value: AtenScalar, elementType: number): Value {
  const { op } = context.graph;
  if (value instanceof GraphScalar) return op.expand(context.operand(value, elementType), sizes);
  const known = sizes.map((size) => (typeof size === 'number' ? size : size.elements?.[0]));
  if (known.every((size) => typeof size === 'number')) {
    const count = known.reduce((product, size) => product * size, 1);
    if (count <= 64) {
      const one = context.operand(value, elementType).constant!.data[0]!;
      return context.graph.constant(constantTensor(elementType, new Array<number>(count).fill(one as number), known));
    }
  }
  const single = context.operand(value, elementType).constant!;
  return op.fill(sizes, single);
}

const make =
  (value: (given: AtenArguments) => AtenScalar, sizes: string): Lowering =>
  (context, given) => {
    const wanted = value(given);
    const own = given.any('self');
    const inherited = own === null ? undefined : given.tensor('self').elementType;
    const byValue = typeof wanted === 'boolean' ? BOOL : typeof wanted === 'bigint' || (wanted instanceof GraphScalar && wanted.type === 'int') ? INT64 : FLOAT;
    const type = given.elementType() ?? inherited ?? (given.has('fill_value') ? byValue : FLOAT);
    return filled(context, given.indices(sizes), wanted, type);
  };

const makeLike =
  (value: (given: AtenArguments) => AtenScalar): Lowering =>
  (context, given) => {
    const self = given.tensor('self');
    return filledLike(context, self, context.operand(value(given), given.elementType() ?? self.elementType));
  };

const zero = (): AtenScalar => 0n;
const one = (): AtenScalar => 1n;
const fillValue = (given: AtenArguments): AtenScalar => given.scalar('fill_value');

const arange: Lowering = (context, given) => {
  const { op } = context.graph;
  const parts: AtenScalar[] = [given.has('start') ? given.scalar('start') : 0n, given.scalar('end'), given.has('step') ? given.scalar('step') : 1n];
  const isWhole = parts.every((part) => typeof part === 'bigint' || (part instanceof GraphScalar && part.type === 'int'));
  const type = given.elementType() ?? (isWhole ? INT64 : FLOAT);
  if (isWhole) {
    const [start, end, step] = parts;
    if (typeof start === 'bigint' && typeof end === 'bigint' && typeof step === 'bigint' && step !== 0n) {
      const count = Math.max(0, Math.ceil(Number(end - start) / Number(step)));
      if (count <= 4096) return context.cast(context.graph.constant(constantTensor(INT64, Array.from({ length: count }, (_, index) => start + BigInt(index) * step))), type);
    }
    const range = op.range(context.operand(start!, INT64), context.operand(end!, INT64), context.operand(step!, INT64));
    if (start === 0n && typeof step === 'bigint') context.noteRange(range, Number(step));
    return context.cast(range, type);
  }
  if (!parts.every((part) => !(part instanceof GraphScalar))) throw context.refuse('it counts in floats up to a number that depends on the input');
  const [start, end, step] = parts.map(Number) as [number, number, number];
  if (!isFloat(type)) throw context.refuse('it counts integers by floats');
  const count = Math.max(0, Math.ceil((end - start) / step));
  return context.graph.constant(constantTensor(type, Array.from({ length: count }, (_, index) => start + index * step)));
};

const linspace: Lowering = (context, given) => {
  const [start, end, steps] = [given.number('start'), given.number('end'), given.integer('steps')];
  const type = given.elementType() ?? FLOAT;
  if (!isFloat(type)) throw context.refuse('it divides a range into integers');
  const round = type === FLOAT ? Math.fround : (value: number): number => value;
  const step = steps > 1 ? round(round(end - start) / round(steps - 1)) : 0;
  // From both ends, as PyTorch does it.
  const values = Array.from({ length: steps }, (_, index) => (index < steps / 2 ? round(round(start) + round(step * index)) : round(round(end) - round(step * (steps - index - 1)))));
  return context.graph.constant(constantTensor(type, values));
};

const eye: Lowering = (context, given) => {
  const rows = given.integer('n');
  const columns = given.has('m') ? given.integer('m') : rows;
  const type = given.elementType() ?? FLOAT;
  return context.graph.constant(constantTensor(type, Array.from({ length: rows * columns }, (_, index) => Number(Math.floor(index / columns) === index % columns)), [rows, columns]));
};

const triangle =
  (upper: boolean): Lowering =>
  (context, given) => {
    const x = given.value('self');
    const wide = x.elementType === BOOL ? INT32 : computingType(x.elementType);
    const diagonal = context.graph.constant(scalar(INT64, given.integer('diagonal')));
    return context.cast(context.graph.node('Trilu', [context.cast(x, wide), diagonal], { upper: upper ? 1 : 0 }), x.elementType);
  };

const triangleIndices =
  (upper: boolean): Lowering =>
  (context, given) => {
    const [rows, columns, offset] = [given.integer('row'), given.integer('col'), given.integer('offset')];
    const pairs: [number, number][] = [];
    for (let row = 0; row < rows; row++) for (let column = 0; column < columns; column++) if (upper ? column - row >= offset : column - row <= offset) pairs.push([row, column]);
    return context.graph.constant(constantTensor(given.elementType() ?? INT64, [...pairs.map(([row]) => row), ...pairs.map(([, column]) => column)], [2, pairs.length]));
  };

const meshgrid: Lowering = (context, given) => {
  const { op } = context.graph;
  const tensors = given.tensors('tensors');
  const swaps = given.has('indexing') && given.text('indexing') === 'xy' && tensors.length >= 2;
  const order = tensors.map((_, index) => (swaps && index < 2 ? 1 - index : index));
  const axes: AtenTensor[] = order.map((index) => tensors[index]!);
  const sizes: Index[] = axes.map((tensor) => {
    const size = context.shape(tensor).length === 0 ? 1 : tensor.shape![0]!;
    return typeof size === 'number' ? size : op.sizeOf(context.read(tensor), 0);
  });
  return [tensors.map((tensor, index) => {
    const place = order.indexOf(index);
    const flat = op.reshape(context.read(tensor), sizes.map((_, axis) => (axis === place ? -1 : 1)));
    return context.tensor(op.expand(flat, sizes));
  })];
};

const oneHot: Lowering = (context, given) => {
  const count = given.integer('num_classes');
  if (count < 1) throw context.refuse('its number of classes is not said, and would depend on the input');
  return context.graph.op.oneHot(given.value('self'), count, { elementType: INT64 });
};

export const creation: Lowerings = {
  'zeros': make(zero, 'size'),
  'ones': make(one, 'size'),
  'full': make(fillValue, 'size'),
  'empty.memory_format': make(zero, 'size'),
  'new_zeros': make(zero, 'size'),
  'new_ones': make(one, 'size'),
  'new_full': make(fillValue, 'size'),
  'new_empty': make(zero, 'size'),
  'empty_strided': make(zero, 'size'),
  'zeros_like': makeLike(zero),
  'ones_like': makeLike(one),
  'full_like': makeLike(fillValue),
  'empty_like': makeLike(zero),
  'arange': arange,
  'linspace': linspace,
  'eye': eye,
  'eye.m': eye,
  'triu': triangle(true),
  'tril': triangle(false),
  'triu_indices': triangleIndices(true),
  'tril_indices': triangleIndices(false),
  'meshgrid': (context, given, schema) => (meshgrid(context, given, schema) as AtenTensor[][])[0]!,
  'one_hot': oneHot,
  'complex': (context) => {
    throw context.refuse('it makes complex numbers');
  },
};
