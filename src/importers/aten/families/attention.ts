/** Attention. query: [..., length, width]; key, value: [..., other length, width]. */
import { constantTensor } from '../../../onnx/constant-tensor.ts';
import { ElementType } from '../../../onnx/data-type.ts';
import type { Value } from '../../../onnx/graph-builder.ts';
import type { AtenArguments } from '../arguments.ts';
import type { Lowering, LoweringContext, Lowerings } from '../lowering.ts';
import { reshapeTo, sizesOf } from './shapes.ts';
import { transposed } from './products.ts';

const { BOOL, INT32, INT64 } = ElementType;

/** Each position looks at itself and what is before it. [length, other length] */
function causalMask(context: LoweringContext, query: Value, key: Value): Value {
  const { op } = context.graph;
  const [rows, columns] = [query.shape!.at(-2), key.shape!.at(-2)];
  if (typeof rows === 'number' && typeof columns === 'number' && rows * columns <= 4096) {
    return context.graph.constant(constantTensor(BOOL, Array.from({ length: rows * columns }, (_, index) => Math.floor(index / columns) >= index % columns), [rows, columns]));
  }
  const row = op.unsqueeze(op.range(context.operand(0n, INT64), op.sizeOf(query, -2), context.operand(1n, INT64)), 1);
  const column = op.range(context.operand(0n, INT64), op.sizeOf(key, -2), context.operand(1n, INT64));
  return op.greaterOrEqual(row, column);
}

/** Heads of keys and values that several heads of the query share. */
function repeatHeads(context: LoweringContext, x: Value, heads: number): Value {
  const { op } = context.graph;
  const own = x.shape?.at(-3);
  if (typeof own !== 'number' || heads % own !== 0) throw context.refuse('how many heads its keys have is not known');
  if (own === heads) return x;
  const sizes = sizesOf(context, x);
  const rank = sizes.length;
  const wide = op.expand(op.unsqueeze(x, rank - 2), [...new Array<number>(rank - 2).fill(1), heads / own, 1, 1]);
  return reshapeTo(context, wide, sizes.map((size, axis) => (axis === rank - 3 ? heads : size)));
}

function attend(context: LoweringContext, given: AtenArguments): Value {
  const { op } = context.graph;
  const [query, firstKey, firstValue] = [given.value('query'), given.value('key'), given.value('value')];
  let [key, value] = [firstKey, firstValue];
  context.shape(query);
  if (given.has('dropout_p') && given.number('dropout_p') !== 0) throw context.refuse('it drops at random, as in training: call model.eval() before it is saved');
  if (given.has('enable_gqa') && given.boolean('enable_gqa')) {
    const heads = query.shape!.at(-3);
    if (typeof heads !== 'number') throw context.refuse('how many heads its query has is not known');
    key = repeatHeads(context, key, heads);
    value = repeatHeads(context, value, heads);
  }
  const width = query.shape!.at(-1);
  const scale = given.optionalNumber('scale') ?? (typeof width === 'number' ? 1 / Math.sqrt(width) : undefined);
  if (scale === undefined) throw context.refuse('the width of its query depends on the input');
  const scores = op.mul(op.matMul(query, transposed(context, key)), scale);
  const mask = given.optionalValue(given.values.has('attn_mask') ? 'attn_mask' : 'attn_bias');
  const isCausal = given.has('is_causal') && given.boolean('is_causal');
  if (isCausal) {
    if (mask !== undefined) throw context.refuse('it has a mask and is causal');
    const masked = op.where(causalMask(context, query, key), scores, context.operand(-Infinity, scores.elementType));
    return op.matMul(op.softmax(masked, -1), value);
  }
  if (mask === undefined) return op.matMul(op.softmax(scores, -1), value);
  const isTruth = mask.elementType === BOOL;
  const bias = isTruth ? mask : context.cast(mask, scores.elementType);
  const masked = isTruth ? op.where(bias, scores, context.operand(-Infinity, scores.elementType)) : op.add(scores, bias);
  const result = op.matMul(op.softmax(masked, -1), value);
  // A row that may look at nothing gives zeros, where softmax alone has no answer.
  if ((mask.shape?.length ?? 0) < 2) return result;
  const sees = isTruth ? op.cast(op.reduceMax(op.cast(mask, INT32), { axes: -1, keepAxes: true }), BOOL) : op.greater(op.reduceMax(bias, { axes: -1, keepAxes: true }), -Infinity);
  return op.where(sees, result, context.operand(0n, result.elementType));
}

const single: Lowering = (context, given) => attend(context, given);
const several =
  (count: number): Lowering =>
  (context, given) => [attend(context, given), ...new Array<null>(count - 1).fill(null)];

export const attention: Lowerings = {
  'scaled_dot_product_attention': single,
  '_scaled_dot_product_flash_attention_for_cpu': several(2),
  '_scaled_dot_product_efficient_attention': several(4),
  '_scaled_dot_product_attention_math': several(2),
};
