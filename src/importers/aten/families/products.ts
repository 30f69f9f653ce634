/** Products of matrices. */
import type { Value } from '../../../onnx/graph-builder.ts';
import { isFloat } from '../../../onnx/operators/arithmetic.ts';
import type { Lowering, LoweringContext, Lowerings } from '../lowering.ts';
import type { AtenScalar } from '../value.ts';
import { transposedWeight } from '../weight.ts';
import { reshapeTo, sizesOf } from './shapes.ts';

/** Last two axes exchanged; of a weight, stored so. */
export function transposed(context: LoweringContext, x: Value): Value {
  const source = context.weightOf(x);
  if (source?.shape.length === 2) {
    const stored = context.derived(source, 'transposed', () => transposedWeight(source));
    if (stored !== undefined) return stored;
  }
  const rank = context.shape(x).length;
  return context.graph.op.transpose(x, [...Array.from({ length: rank - 2 }, (_, axis) => axis), rank - 1, rank - 2]);
}

/** `x W^T + b`. x: [..., in]; weight: [out, in]. */
export function linear(context: LoweringContext, x: Value, weight: Value, bias: Value | undefined): Value {
  const { op } = context.graph;
  if (context.shape(weight).length === 1) {
    const product = op.matMul(x, weight);
    return bias === undefined ? product : op.add(product, bias);
  }
  if (x.shape?.length === 2 && isFloat(x.elementType) && (bias === undefined || bias.shape?.length === 1)) {
    return bias === undefined ? op.matMul(x, transposed(context, weight)) : op.gemm(x, weight, bias, { transposeB: true });
  }
  const product = op.matMul(x, transposed(context, weight));
  return bias === undefined ? product : op.add(product, bias);
}

function isOne(scalar: AtenScalar): boolean {
  return typeof scalar !== 'object' && Number(scalar) === 1;
}

/** `beta * c + alpha * (a b)` */
const addProduct =
  (first: string, second: string, reduceFirst = false): Lowering =>
  (context, given) => {
    const { op } = context.graph;
    const [a, b] = [given.value(first), given.value(second)];
    const c = given.value('self');
    const [alpha, beta] = [given.scalar('alpha'), given.scalar('beta')];
    if (isOne(alpha) && isOne(beta) && a.shape?.length === 2 && b.shape?.length === 2 && isFloat(a.elementType) && c.shape !== undefined && c.shape.length <= 2) return op.gemm(a, b, c);
    let product = op.matMul(a, b);
    if (reduceFirst) product = op.reduceSum(product, { axes: 0 });
    if (!isOne(alpha)) product = op.mul(product, context.operand(alpha, product.elementType));
    if (typeof beta !== 'object' && Number(beta) === 0) return op.expand(product, op.shapeOf(product));
    return op.add(isOne(beta) ? c : op.mul(c, context.operand(beta, c.elementType)), product);
  };

function product(first: string, second: string): Lowering {
  return ({ graph }, given) => graph.op.matMul(given.value(first), given.value(second));
}

/** Letters that are no ASCII would be the runtime's trouble; spaces are none. */
const einsum: Lowering = (context, given) => {
  const equation = given.text('equation').replaceAll(' ', '');
  const tensors = given.tensors('tensors');
  if (given.has('path') && given.list('path').length > 0) context.note('The order in which an einsum is computed is left to the runtime.');
  if (!/^[A-Za-z.,]+(?:->[A-Za-z.]*)?$/.test(equation)) throw context.refuse(`the equation ${JSON.stringify(equation)} is not covered`);
  return context.graph.op.einsum(equation, ...tensors.map((tensor) => context.read(tensor)));
};

const tensorDot: Lowering = (context, given) => {
  const { op } = context.graph;
  const [a, b] = [given.value('self'), given.value('other')];
  const [first, second] = [given.integers('dims_self'), given.integers('dims_other')];
  const free = (x: Value, gone: readonly number[]): number[] => [...context.shape(x).keys()].filter((axis) => !gone.map((own) => context.axis(own, x.shape!.length)).includes(axis));
  const [freeA, freeB] = [free(a, first), free(b, second)];
  const left = op.reshape(op.transpose(a, [...freeA, ...first.map((axis) => context.axis(axis, a.shape!.length))]), [-1, first.reduce((all, axis) => all * Number(a.shape!.at(axis)), 1)]);
  const right = op.reshape(op.transpose(b, [...second.map((axis) => context.axis(axis, b.shape!.length)), ...freeB]), [second.reduce((all, axis) => all * Number(b.shape!.at(axis)), 1), -1]);
  const [sizesA, sizesB] = [sizesOf(context, a), sizesOf(context, b)];
  return reshapeTo(context, op.matMul(left, right), [...freeA.map((axis) => sizesA[axis]!), ...freeB.map((axis) => sizesB[axis]!)]);
};

export const products: Lowerings = {
  'mm': product('self', 'mat2'),
  'bmm': product('self', 'mat2'),
  'matmul': product('self', 'other'),
  'linalg_matmul': product('self', 'other'),
  'mv': product('self', 'vec'),
  'dot': product('self', 'tensor'),
  'inner': (context, given) => context.graph.op.matMul(given.value('self'), transposed(context, given.value('other'))),
  'linear': (context, given) => linear(context, given.value('input'), given.value('weight'), given.optionalValue('bias')),
  'addmm': addProduct('mat1', 'mat2'),
  'addmv': addProduct('mat', 'vec'),
  'baddbmm': addProduct('batch1', 'batch2'),
  'addbmm': addProduct('batch1', 'batch2', true),
  'outer': ({ graph }, given) => graph.op.mul(graph.op.unsqueeze(given.value('self'), 1), given.value('vec2')),
  'ger': ({ graph }, given) => graph.op.mul(graph.op.unsqueeze(given.value('self'), 1), given.value('vec2')),
  'einsum': einsum,
  'tensordot': tensorDot,
  'bilinear': (context, given) => {
    const { op } = context.graph;
    const [a, b, weight] = [given.value('input1'), given.value('input2'), given.value('weight')];
    const result = op.einsum('...i,oij,...j->...o', a, weight, b);
    const bias = given.optionalValue('bias');
    return bias === undefined ? result : op.add(result, bias);
  },
  'chain_matmul': (context, given) => given.tensors('matrices').map((tensor) => context.read(tensor)).reduce((left, right) => context.graph.op.matMul(left, right)),
  'linalg_multi_dot': (context, given) => given.tensors('tensors').map((tensor) => context.read(tensor)).reduce((left, right) => context.graph.op.matMul(left, right)),
  'cdist': (context, given) => {
    const { op } = context.graph;
    if (given.number('p') !== 2) throw context.refuse('it is covered for p = 2');
    const difference = op.sub(op.unsqueeze(given.value('x1'), -2), op.unsqueeze(given.value('x2'), -3));
    return op.reduceL2(difference, { axes: -1 });
  },
  'pairwise_distance': (context, given) => {
    const { op } = context.graph;
    const difference = op.add(op.sub(given.value('x1'), given.value('x2')), given.number('eps'));
    const order = BigInt(given.number('p'));
    return context.call('aten::linalg_vector_norm', { self: context.tensor(difference), ord: order, dim: [-1n], keepdim: given.any('keepdim') });
  },
  'cosine_similarity': (context, given) => {
    const { op } = context.graph;
    const [a, b] = [given.value('x1'), given.value('x2')];
    const rank = Math.max(context.shape(a).length, context.shape(b).length);
    const axis = given.axis('dim', rank);
    const eps = given.number('eps');
    const length = (x: Value): Value => op.max(op.reduceL2(x, { axes: axis - rank, keepAxes: true }), eps);
    return op.reduceSum(op.mul(op.div(a, length(a)), op.div(b, length(b))), { axes: axis });
  },
  'linalg_cross': cross,
  'cross': cross,
};

function cross(context: LoweringContext, given: Parameters<Lowering>[1]): Value {
  const { op } = context.graph;
  const [a, b] = [given.value('self'), given.value('other')];
  const axis = given.axis('dim', context.shape(a).length);
  const turn = (x: Value, places: readonly number[]): Value => op.gather(x, places, axis);
  return op.sub(op.mul(turn(a, [1, 2, 0]), turn(b, [2, 0, 1])), op.mul(turn(a, [2, 0, 1]), turn(b, [1, 2, 0])));
}
