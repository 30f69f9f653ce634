/** Products of matrices, and what is made of them: attention, recurrent layers. */
import { ElementType } from '../data-type.ts';
import { addDimensions, divideDimensions, multiplyDimensions, subtractDimensions, unknownDimension, type Dimension, type Shape } from '../dimension.ts';
import { broadcast, sameDimension } from './broadcast.ts';
import { knownTensor } from './known-value.ts';
import { describeShape, type NodeContext, type Rule } from './node-context.ts';

function productShape(node: NodeContext, a: Shape | undefined, b: Shape | undefined): Shape | undefined {
  if (a === undefined || b === undefined) return undefined;
  if (a.length === 0 || b.length === 0) throw node.wrong('a scalar is not a matrix');
  const left = a.length === 1 ? [1, a[0]!] : a;
  const right = b.length === 1 ? [b[0]!, 1] : b;
  if (sameDimension(left.at(-1)!, right.at(-2)!) === undefined) throw node.wrong(`the shapes ${describeShape(a)} and ${describeShape(b)} cannot be multiplied`);
  const batch = broadcast(node, [left.slice(0, -2), right.slice(0, -2)])!;
  return [...batch, ...(a.length === 1 ? [] : [left.at(-2)!]), ...(b.length === 1 ? [] : [right.at(-1)!])];
}

const matMul: Rule = (node) => [knownTensor(node.elementType(0) || node.elementType(1), productShape(node, node.shape(0), node.shape(1)))];

const matMulInteger: Rule = (node) => [knownTensor(ElementType.INT32, productShape(node, node.shape(0), node.shape(1)))];

const quantizedMatMul: Rule = (node) => [knownTensor(node.elementType(7), productShape(node, node.shape(0), node.shape(3)))];

const gemm: Rule = (node) => {
  const a = node.shape(0);
  const b = node.shape(1);
  const elementType = node.elementType(0) || node.elementType(1);
  if (a === undefined || b === undefined) return [knownTensor(elementType)];
  if (a.length !== 2 || b.length !== 2) throw node.wrong(`it multiplies matrices, not ${describeShape(a)} and ${describeShape(b)}`);
  const [rows, inner] = node.integer('transA', 0) !== 0 ? [a[1]!, a[0]!] : [a[0]!, a[1]!];
  const [other, columns] = node.integer('transB', 0) !== 0 ? [b[1]!, b[0]!] : [b[0]!, b[1]!];
  if (sameDimension(inner, other) === undefined) throw node.wrong(`the shapes ${describeShape(a)} and ${describeShape(b)} cannot be multiplied`);
  return [knownTensor(elementType, [rows, columns])];
};

const determinant: Rule = (node) => [knownTensor(node.elementType(0), node.shape(0)?.slice(0, -2))];

/** X, W, R: outputs are the whole sequence, the last state, and for LSTM the last cell. */
const recurrent: Rule = (node) => {
  const elementType = node.elementType(0);
  const input = node.shape(0);
  const directions = node.attributes.text('direction') === 'bidirectional' ? 2 : 1;
  const hidden = node.attributes.integer('hidden_size') ?? node.shape(2)?.[2] ?? unknownDimension();
  if (input !== undefined && input.length !== 3) throw node.wrong(`its input has the shape ${describeShape(input)}, not three axes`);
  const batchFirst = node.integer('layout', 0) !== 0;
  const [steps, batch] = batchFirst ? [input?.[1], input?.[0]] : [input?.[0], input?.[1]];
  const rows = batch ?? unknownDimension();
  const state: Shape = batchFirst ? [rows, directions, hidden] : [directions, rows, hidden];
  const sequence: Shape = batchFirst ? [rows, steps ?? unknownDimension(), directions, hidden] : [steps ?? unknownDimension(), directions, rows, hidden];
  return [knownTensor(elementType, sequence), knownTensor(elementType, state), knownTensor(elementType, state)];
};

/** Q, K, V of three axes (heads beside each other) or four; past and present keys and values. */
const attention: Rule = (node) => {
  const elementType = node.elementType(0);
  const [query, key, value] = [node.shape(0), node.shape(1), node.shape(2)];
  if (query === undefined || key === undefined || value === undefined) return [knownTensor(elementType), knownTensor(node.elementType(4) || node.elementType(1)), knownTensor(node.elementType(5) || node.elementType(2)), knownTensor(elementType)];
  const past = node.shape(4)?.[2];
  const heads = node.attributes.integer('q_num_heads');
  const keyHeads = node.attributes.integer('kv_num_heads');
  const [batch, queryLength, keyLength] = query.length === 4 ? [query[0]!, query[2]!, key[2]!] : [query[0]!, query[1]!, key[1]!];
  const perHead = (size: Dimension, count: number | undefined) => (typeof size === 'number' && count !== undefined ? size / count : unknownDimension());
  const [keySize, valueSize] = query.length === 4 ? [key[3]!, value[3]!] : [perHead(key[2]!, keyHeads), perHead(value[2]!, keyHeads)];
  const total = node.has(4) ? (past === undefined ? unknownDimension() : addDimensions(past, keyLength)) : keyLength;
  const queryHeads = query.length === 4 ? query[1]! : (heads ?? unknownDimension());
  const stored = query.length === 4 ? key[1]! : (keyHeads ?? unknownDimension());
  const result = query.length === 4 ? [batch, queryHeads, queryLength, valueSize] : [batch, queryLength, multiplyDimensions(queryHeads, valueSize)];
  return [
    knownTensor(elementType, result),
    knownTensor(node.elementType(4) || node.elementType(1), [batch, stored, total, keySize]),
    knownTensor(node.elementType(5) || node.elementType(2), [batch, stored, total, valueSize]),
    knownTensor(elementType, [batch, queryHeads, queryLength, total]),
  ];
};

/** Rows, channels, steps; the state is what later steps need of earlier ones. */
const causalConvolution: Rule = (node) => {
  const input = node.shape(0);
  const width = node.shape(1)?.at(-1);
  const state = input === undefined || width === undefined ? undefined : [...input.slice(0, -1), subtractDimensions(width, 1)];
  return [knownTensor(node.elementType(0), input), knownTensor(node.elementType(0), state)];
};

/** Heads lie beside each other in the last axis. */
const linearAttention: Rule = (node) => {
  const [query, key, value] = [node.shape(0), node.shape(1), node.shape(2)];
  const elementType = node.elementType(0);
  const heads = node.attributes.integer('q_num_heads');
  const keyHeads = node.attributes.integer('kv_num_heads');
  if (query?.length !== 3 || key === undefined || value === undefined || heads === undefined || keyHeads === undefined) return [knownTensor(elementType), knownTensor(node.elementType(3))];
  const perHead = (size: Dimension) => divideDimensions(size, keyHeads) ?? unknownDimension();
  const [keySize, valueSize] = [perHead(key[2]!), perHead(value[2]!)];
  return [knownTensor(elementType, [query[0]!, query[1]!, multiplyDimensions(valueSize, heads)]), knownTensor(node.elementType(3) || elementType, [query[0]!, keyHeads, keySize, valueSize])];
};

export const linearAlgebraRules: Readonly<Record<string, Rule>> = {
  MatMul: matMul,
  MatMulInteger: matMulInteger,
  QLinearMatMul: quantizedMatMul,
  Gemm: gemm,
  Det: determinant,
  RNN: recurrent,
  GRU: recurrent,
  LSTM: recurrent,
  Attention: attention,
  CausalConvWithState: causalConvolution,
  LinearAttention: linearAttention,
};
