/** What torch.nn's attention layers run in evaluation mode: several layers as one operator, which traces keep. */
import { ElementType } from '../../../onnx/data-type.ts';
import type { Value } from '../../../onnx/graph-builder.ts';
import type { AtenArguments } from '../arguments.ts';
import type { LoweringContext, Lowering, Lowerings, Result } from '../lowering.ts';
import { AtenTensor } from '../value.ts';

function linear(context: LoweringContext, x: Value, weight: AtenTensor, bias: AtenTensor): Value {
  const result = context.call('aten::linear', { input: context.tensor(x), weight, bias });
  if (!(result instanceof AtenTensor)) throw context.refuse('a linear layer gives no tensor');
  return context.read(result);
}

/** What may not be looked at, for [batch, heads, time, time]. Other types than bool are taken as one: what is not zero is hidden, which a mask of 0 and -inf means too. */
function maskOf(context: LoweringContext, given: AtenArguments): Value | undefined {
  if (!given.has('mask')) return undefined;
  const mask = context.cast(given.value('mask'), ElementType.BOOL);
  const { length } = context.shape(mask);
  const kind = given.optionalInteger('mask_type');
  // Of pairs of positions, of positions of each sequence, or of both and heads.
  if (kind === 0 && length === 2) return mask;
  if (kind === 1 && length === 2) return context.graph.op.unsqueeze(mask, [1, 2]);
  if ((kind === 2 || kind === undefined) && length === 4) return mask;
  throw context.refuse(`it has a mask of ${length} axes and kind ${kind ?? 'None'}`);
}

/** Softmax of the heads' scores, and their sum of values: [batch, time, features] of one input. */
function attend(context: LoweringContext, given: AtenArguments, x: Value, heads: number): { readonly output: Value; readonly weights: Value } {
  const { op } = context.graph;
  if (context.shape(x).length !== 3) throw context.refuse('its input has not three axes');
  const features = given.integer('embed_dim');
  const size = features / heads;
  const [batch, time] = [op.sizeOf(x, 0), op.sizeOf(x, 1)];
  const all = linear(context, x, given.tensor('qkv_weight'), given.tensor('qkv_bias'));
  const apart = op.transpose(op.reshape(all, [batch, time, 3, heads, size]), [2, 0, 3, 1, 4]);
  const [q, k, v] = [0, 1, 2].map((index) => op.gather(apart, index)) as [Value, Value, Value];
  const scores = op.matMul(op.mul(q, 1 / Math.sqrt(size)), op.transpose(k, [0, 1, 3, 2]));
  const hidden = maskOf(context, given);
  const weights = op.softmax(hidden === undefined ? scores : op.where(hidden, context.operand(-Infinity, scores.elementType), scores), -1);
  const joined = op.reshape(op.transpose(op.matMul(weights, v), [0, 2, 1, 3]), [batch, time, features]);
  return { output: linear(context, joined, given.tensor('proj_weight'), given.tensor('proj_bias')), weights };
}

const multiHeadAttention: Lowering = (context, given): readonly Result[] => {
  const query = given.tensor('query');
  if (query !== given.tensor('key') || query !== given.tensor('value')) throw context.refuse('it attends from one tensor to another');
  const { output, weights } = attend(context, given, context.read(query), given.integer('num_head'));
  if (!given.boolean('need_weights')) return [output, null];
  return [output, given.boolean('average_attn_weights') ? context.graph.op.reduceMean(weights, { axes: 1 }) : weights];
};

/** `torch.nn.TransformerEncoderLayer`. */
const encoderLayer: Lowering = (context, given) => {
  const { op } = context.graph;
  const normalize = (x: Value, which: 1 | 2): Value =>
    op.layerNormalization(x, given.value(`norm_weight_${which}`), given.value(`norm_bias_${which}`), { axis: -1, epsilon: given.number('eps') });
  const attention = (x: Value): Value => attend(context, given, x, given.integer('num_heads')).output;
  const forward = (x: Value): Value => {
    const inner = linear(context, x, given.tensor('ffn_weight_1'), given.tensor('ffn_bias_1'));
    return linear(context, given.boolean('use_gelu') ? op.gelu(inner) : op.relu(inner), given.tensor('ffn_weight_2'), given.tensor('ffn_bias_2'));
  };
  const source = given.value('src');
  if (given.boolean('norm_first')) {
    const attended = op.add(source, attention(normalize(source, 1)));
    return op.add(attended, forward(normalize(attended, 2)));
  }
  const attended = normalize(op.add(source, attention(source)), 1);
  return normalize(op.add(attended, forward(attended)), 2);
};

export const fusedAttention: Lowerings = {
  '_native_multi_head_attention': multiHeadAttention,
  '_transformer_encoder_layer_fwd': encoderLayer,
};
