/** Views and copies in other shapes: what PyTorch makes without looking at elements. */
import { multiplyDimensions, type Dimension, type Shape } from '../../../onnx/dimension.ts';
import type { Value } from '../../../onnx/graph-builder.ts';
import { isValue, type Index } from '../../../onnx/operators/operand.ts';
import type { AtenArguments } from '../arguments.ts';
import type { Lowering, LoweringContext, Lowerings } from '../lowering.ts';
import { toScalar, type AtenTensor, type AtenValue } from '../value.ts';

// ---- reshaping

/** The size as a number or a name, where it is known. */
function dimensionOf(size: Index): Dimension | undefined {
  return typeof size === 'number' ? size : size.elements?.[0];
}

/** A value in another shape of as many elements; -1 stands for what is left. Sizes that only the running graph knows are left to it where one can be. */
export function reshapeTo(context: LoweringContext, x: Value, sizes: readonly Index[]): Value {
  const { op } = context.graph;
  const target = sizes.map((size) => (isValue(size) && typeof size.elements?.[0] === 'number' ? size.elements[0] : size));
  const own = x.shape;
  if (own !== undefined && own.length === target.length && target.every((size, axis) => dimensionOf(size) === own[axis])) return x;
  const unknown = target.flatMap((size, axis) => (typeof size === 'number' ? [] : [axis]));
  const hasRest = target.includes(-1);
  if (unknown.length === 0 || target.includes(0)) return op.reshape(x, target);
  // One size may be left open; others are copied where they stand at the same place.
  const kept = unknown.filter((axis) => own?.[axis] !== undefined && dimensionOf(target[axis]!) === own[axis]);
  const rest = unknown.filter((axis) => !kept.includes(axis));
  if (rest.length === 0 && !hasRest && kept.length > 0) rest.push(kept.shift()!);
  if (rest.length > (hasRest ? 0 : 1)) return refined(context, op.reshape(x, target), target);
  const list = target.map((size, axis) => (rest.includes(axis) ? -1 : kept.includes(axis) ? 0 : (size as number)));
  return refined(context, context.graph.node('Reshape', [x, op.int64s(list)]), target);
}

/** What inference cannot tell of a rest, the wanted sizes say. */
function refined(context: LoweringContext, value: Value, sizes: readonly Index[]): Value {
  const shape = value.shape;
  if (shape === undefined) return value;
  const wanted = sizes.map((size, axis) => {
    const known = dimensionOf(size);
    return known === undefined || known === -1 || !String(shape[axis]).includes('?') ? shape[axis]! : known;
  });
  return context.graph.refine(value, { shape: wanted });
}

/** A form of the same elements in the same order, as a view. */
export function reshapeStep(context: LoweringContext, source: AtenTensor, sizes: readonly Index[]): AtenTensor {
  const { shape } = source;
  const step = {
    read: (whole: Value) => reshapeTo(context, whole, sizes),
    write: (whole: Value, part: Value) => (shape?.every((size) => typeof size === 'number') === true ? context.graph.op.reshape(part, shape) : context.graph.op.reshape(part, context.graph.op.shapeOf(whole))),
  };
  return context.view(source, step);
}

/** Whether strides let a view have the shape. Undefined: they are not known. The algorithm is that of c10's computeStride, for sizes that are known. */
export function canView(source: AtenTensor, target: Shape | undefined): boolean | undefined {
  const { shape, strides } = source;
  if (strides === undefined || shape === undefined || target === undefined || strides.length !== shape.length) return undefined;
  let expected: Dimension = 1;
  let isContiguous = true;
  for (let axis = shape.length - 1; axis >= 0; axis--) {
    if (shape[axis] !== 1 && strides[axis] !== expected) isContiguous = false;
    expected = multiplyDimensions(expected, shape[axis]!);
  }
  if (isContiguous) return true;
  if (!shape.every((size) => typeof size === 'number') || !target.every((size) => typeof size === 'number') || !strides.every((stride) => typeof stride === 'number')) return undefined;
  let view = target.length - 1;
  let base = strides.at(-1)!;
  let count = 1;
  let viewCount = 1;
  for (let axis = shape.length - 1; axis >= 0; axis--) {
    count *= shape[axis]!;
    if (axis === 0 || (shape[axis - 1] !== 1 && strides[axis - 1] !== count * base)) {
      while (view >= 0 && (viewCount < count || target[view] === 1)) viewCount *= target[view--]!;
      if (viewCount !== count) return false;
      if (axis > 0) {
        base = strides[axis - 1]!;
        count = 1;
        viewCount = 1;
      }
    }
  }
  return view === -1;
}

/** A view where strides allow it, else a copy, as `torch.reshape`. */
function reshape(context: LoweringContext, source: AtenTensor, sizes: readonly Index[]): AtenTensor {
  const value = reshapeTo(context, context.read(source), sizes);
  const answer = canView(source, value.shape);
  if (answer === true) return reshapeStep(context, source, sizes);
  return answer === false ? context.tensor(value) : context.perhapsView(source, value);
}

const view: Lowering = (context, given) => reshapeStep(context, given.tensor('self'), given.indices('size'));

function flattenedSizes(context: LoweringContext, x: Value, start: number, end: number): Index[] {
  const shape = context.shape(x);
  if (shape.length === 0) return [1];
  const [first, last] = [context.axis(start, shape.length), context.axis(end, shape.length)];
  if (first > last) throw context.refuse('it flattens from an axis behind the last');
  const sizes: Index[] = sizesOf(context, x);
  const middle = sizes.slice(first, last + 1);
  const product = middle.length === 1 ? middle[0]! : middle.every((size) => typeof size === 'number') ? middle.reduce((all, size) => all * size, 1) : -1;
  return [...sizes.slice(0, first), product, ...sizes.slice(last + 1)];
}

/** Every size: a number where it is known. */
export function sizesOf(context: LoweringContext, x: Value): Index[] {
  return context.shape(x).map((size, axis) => (typeof size === 'number' ? size : context.graph.op.sizeOf(x, axis)));
}

const flatten: Lowering = (context, given) => {
  const self = given.tensor('self');
  const [start, end] = [given.integer('start_dim'), given.integer('end_dim')];
  if (self.rank !== undefined && self.rank > 0 && context.axis(start, self.rank) === context.axis(end, self.rank)) return self;
  return reshape(context, self, flattenedSizes(context, context.read(self), start, end));
};

const unflatten: Lowering = (context, given) => {
  const self = given.tensor('self');
  const sizes = sizesOf(context, context.read(self));
  const axis = given.axis('dim', sizes.length);
  return reshapeStep(context, self, [...sizes.slice(0, axis), ...given.indices('sizes'), ...sizes.slice(axis + 1)]);
};

// ---- axes

function permuted(context: LoweringContext, source: AtenTensor, order: readonly number[]): AtenTensor {
  if (order.every((axis, place) => axis === place)) return context.view(source, { read: (whole) => whole, write: (_, part) => part }, context.read(source));
  const back = order.map((_, axis) => order.indexOf(axis));
  return context.view(source, { read: (whole) => context.graph.op.transpose(whole, order), write: (_, part) => context.graph.op.transpose(part, back) });
}

const permute: Lowering = (context, given) => {
  const self = given.tensor('self');
  const rank = context.shape(self).length;
  return permuted(context, self, given.integers('dims').map((axis) => context.axis(axis, rank)));
};

function swapped(context: LoweringContext, source: AtenTensor, first: number, second: number): AtenTensor {
  const rank = context.shape(source).length;
  if (rank === 0) return source;
  const [a, b] = [context.axis(first, rank), context.axis(second, rank)];
  return permuted(context, source, Array.from({ length: rank }, (_, axis) => (axis === a ? b : axis === b ? a : axis)));
}

const moveAxes: Lowering = (context, given) => {
  const self = given.tensor('self');
  const rank = context.shape(self).length;
  const from = given.integers('source').map((axis) => context.axis(axis, rank));
  const to = given.integers('destination').map((axis) => context.axis(axis, rank));
  const order: number[] = new Array<number>(rank).fill(-1);
  for (const [index, place] of to.entries()) order[place] = from[index]!;
  const left = Array.from({ length: rank }, (_, axis) => axis).filter((axis) => !from.includes(axis));
  return permuted(context, self, order.map((axis) => (axis === -1 ? left.shift()! : axis)));
};

function unsqueezed(context: LoweringContext, source: AtenTensor, axis: number): AtenTensor {
  const at = context.axis(axis, context.shape(source).length + 1);
  return context.view(source, { read: (whole) => context.graph.op.unsqueeze(whole, at), write: (_, part) => context.graph.op.squeeze(part, at) });
}

function squeezed(context: LoweringContext, source: AtenTensor, axes: readonly number[]): AtenTensor {
  const shape = context.shape(source);
  for (const axis of axes) if (typeof shape[axis] !== 'number') throw context.refuse(`it takes axis ${axis} away if its size is 1, which depends on the input`);
  const gone = axes.filter((axis) => shape[axis] === 1);
  if (gone.length === 0) return source;
  return context.view(source, { read: (whole) => context.graph.op.squeeze(whole, gone), write: (_, part) => context.graph.op.unsqueeze(part, gone) });
}

const squeeze: Lowering = (context, given) => {
  const self = given.tensor('self');
  const shape = context.shape(self);
  if (shape.length === 0) return self;
  if (!given.has('dim')) return squeezed(context, self, [...shape.keys()].filter((axis) => typeof shape[axis] !== 'number' || shape[axis] === 1));
  return squeezed(context, self, given.integers('dim').map((axis) => context.axis(axis, shape.length)));
};

const expand: Lowering = (context, given) => {
  const self = given.tensor('self');
  return expanded(context, self, given.has('other') ? sizesOf(context, given.value('other')) : given.indices('size'));
};

export function expanded(context: LoweringContext, self: AtenTensor, given: readonly Index[]): AtenTensor {
  const shape = context.shape(self);
  const more = given.length - shape.length;
  // -1 keeps a size; an axis of 1 takes it as well as any.
  const sizes = given.map((size, axis) => (size === -1 ? 1 : axis >= more && dimensionOf(size) === shape[axis - more] ? 1 : size));
  const trailing = sizes.findIndex((size) => size !== 1);
  if (more === 0 && trailing === -1) return context.view(self, { read: (whole) => whole, write: (_, part) => part }, context.read(self));
  const view = context.view(self, {
    read: (whole) => {
      const value = context.graph.op.expand(whole, sizes);
      return value.shape === undefined ? value : context.graph.refine(value, { shape: value.shape.map((size, axis) => (String(size).includes('?') ? (dimensionOf(sizes[axis]!) ?? size) : size)) });
    },
  });
  view.repeats = sizes.some((size, axis) => typeof size === 'number' && size > 1 && (axis < more || shape[axis - more] === 1));
  return view;
}

const size: Lowering = (context, given, schema) => {
  const x = given.value('self');
  const shape = context.shape(x);
  const one = (axis: number): AtenValue => (typeof shape[axis] === 'number' ? BigInt(shape[axis]) : toScalar(context.graph.op.sizeOf(x, axis)));
  return schema.overload === '' ? [...shape.keys()].map(one) : one(given.axis('dim', shape.length));
};

const count: Lowering = (context, given) => {
  const x = given.value('self');
  const total = context.shape(x).reduce<Dimension>(multiplyDimensions, 1);
  return typeof total === 'number' ? BigInt(total) : toScalar(context.graph.node('Size', [x], {}));
};

const itself: Lowering = (_, given) => given.tensor('self');

/** Whether elements lie in row-major order. Undefined: that cannot be told. */
function isRowMajor({ shape, strides }: AtenTensor): boolean | undefined {
  if (strides === undefined || strides.length !== shape?.length) return undefined;
  let expected: Dimension = 1;
  let answer: boolean | undefined = true;
  for (const [axis, size] of [...shape.entries()].toReversed()) {
    const stride = strides[axis]!;
    if (size !== 1 && stride !== expected) {
      // Names may be equal sizes; numbers are not, and a size that has a name may be 1.
      if (typeof stride === 'number' && typeof expected === 'number' && typeof size === 'number') return false;
      answer = undefined;
    }
    expected = multiplyDimensions(expected, size);
  }
  return answer;
}

const contiguous: Lowering = (context, given) => {
  const self = given.tensor('self');
  const format = given.any('memory_format');
  const answer = self.repeats ? false : format === null || format === 0n ? isRowMajor(self) : undefined;
  if (answer === true) return self;
  return answer === false ? context.tensor(context.read(self)) : context.perhapsView(self, context.read(self));
};

function matrixTranspose(context: LoweringContext, given: AtenArguments): AtenTensor {
  return swapped(context, given.tensor('self'), -2, -1);
}

/** Every other name of the tensor would have to change with it. */
const changesShape: Lowering = (context) => {
  throw context.refuse('it gives a tensor another shape or memory in place: use the function without the underscore');
};

export const shapes: Lowerings = {
  view,
  'view.dtype': (context) => {
    throw context.refuse('it looks at the bytes of elements as another type');
  },
  'view_as': (context, given) => reshapeStep(context, given.tensor('self'), sizesOf(context, given.value('other'))),
  'reshape': (context, given) => reshape(context, given.tensor('self'), given.indices('shape')),
  'reshape_as': (context, given) => reshape(context, given.tensor('self'), sizesOf(context, given.value('other'))),
  '_unsafe_view': (context, given) => reshapeTo(context, given.value('self'), given.indices('size')),
  '_reshape_alias': (context, given) => reshapeStep(context, given.tensor('self'), given.indices('size')),
  'flatten.using_ints': flatten,
  'ravel': (context, given) => reshape(context, given.tensor('self'), [-1]),
  'unflatten.int': unflatten,
  'permute': permute,
  't': (context, given) => (context.shape(given.tensor('self')).length < 2 ? given.tensor('self') : swapped(context, given.tensor('self'), 0, 1)),
  'transpose.int': (context, given) => swapped(context, given.tensor('self'), given.integer('dim0'), given.integer('dim1')),
  ...Object.fromEntries(['transpose_', 'squeeze_', 'unsqueeze_', 't_', 'swapaxes_', 'swapdims_', 'as_strided_', 'resize_', 'resize_as_', 'set_', 'data'].map((name) => [name, changesShape])),
  'swapaxes': (context, given) => swapped(context, given.tensor('self'), given.integer('axis0'), given.integer('axis1')),
  'swapdims': (context, given) => swapped(context, given.tensor('self'), given.integer('dim0'), given.integer('dim1')),
  'numpy_T': (context, given) => permuted(context, given.tensor('self'), [...context.shape(given.tensor('self')).keys()].toReversed()),
  'mT': matrixTranspose,
  'matrix_H': matrixTranspose,
  'adjoint': matrixTranspose,
  'movedim.intlist': moveAxes,
  'movedim.int': moveAxes,
  'moveaxis.int': moveAxes,
  'moveaxis.intlist': moveAxes,
  'unsqueeze': (context, given) => unsqueezed(context, given.tensor('self'), given.integer('dim')),
  'squeeze': squeeze,
  'expand': expand,
  'expand_as': expand,
  'broadcast_to': expand,
  'size': size,
  'sym_size': size,
  'numel': count,
  'sym_numel': count,
  'dim': (context, given) => BigInt(context.shape(given.tensor('self')).length),
  'clone': (context, given) => context.tensor(given.value('self')),
  'contiguous': contiguous,
  'detach': itself,
  'detach_': itself,
  'alias': itself,
  'lift_fresh': itself,
  'lift_fresh_copy': (context, given) => context.tensor(given.value('self')),
  'lift': itself,
  'resolve_conj': itself,
  'resolve_neg': itself,
  'requires_grad_': itself,
  'conj': itself,
  'real': itself,
  'pin_memory': itself,
  'cpu': itself,
  'atleast_1d': (context, given) => (context.shape(given.tensor('self')).length >= 1 ? given.tensor('self') : reshapeStep(context, given.tensor('self'), [1])),
};
