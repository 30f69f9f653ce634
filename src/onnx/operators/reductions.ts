/** One of many: sums and means along axes, largest elements, products of matrices, normalization. */
import { scalar } from '../constant-tensor.ts';
import { ElementType } from '../data-type.ts';
import type { GraphBuilder, Value } from '../graph-builder.ts';
import { constantTensor } from '../constant-tensor.ts';
import { toList, type Index } from './operand.ts';

export interface ReduceOptions {
  /** Default: all. An empty list: none. */
  readonly axes?: number | readonly number[];
  /** Default false: the axes go away. */
  readonly keepAxes?: boolean;
}

const reduceOperators = {
  reduceSum: 'ReduceSum', reduceMean: 'ReduceMean', reduceMax: 'ReduceMax', reduceMin: 'ReduceMin', reduceProd: 'ReduceProd', reduceL1: 'ReduceL1', reduceL2: 'ReduceL2',
  reduceSumSquare: 'ReduceSumSquare', reduceLogSumExp: 'ReduceLogSumExp', reduceLogSum: 'ReduceLogSum',
} as const; // prettier-ignore

export type ReduceFunctions = { readonly [Name in keyof typeof reduceOperators]: (x: Value, options?: ReduceOptions) => Value };

export interface GemmOptions {
  readonly alpha?: number;
  readonly beta?: number;
  readonly transposeA?: boolean;
  readonly transposeB?: boolean;
}

export interface ReductionFunctions extends ReduceFunctions {
  /** int64; of equal elements the first. */
  argMax(x: Value, axis: number, options?: { readonly keepAxis?: boolean; readonly last?: boolean }): Value;
  argMin(x: Value, axis: number, options?: { readonly keepAxis?: boolean; readonly last?: boolean }): Value;
  topK(x: Value, count: Index, options?: { readonly axis?: number; readonly largest?: boolean; readonly sorted?: boolean }): [values: Value, indices: Value];
  cumSum(x: Value, axis: number): Value;
  softmax(x: Value, axis?: number): Value;
  logSoftmax(x: Value, axis?: number): Value;
  matMul(a: Value, b: Value): Value;
  /** `alpha A B + beta C` of matrices; A and B transposed where asked. */
  gemm(a: Value, b: Value, c?: Value, options?: GemmOptions): Value;
  einsum(equation: string, ...values: Value[]): Value;
  layerNormalization(x: Value, scale: Value, bias: Value | undefined, options?: { readonly axis?: number; readonly epsilon?: number }): Value;
  batchNormalization(x: Value, parameters: { readonly scale: Value; readonly bias: Value; readonly mean: Value; readonly variance: Value; readonly epsilon?: number }): Value;
}

export function reductions(graph: GraphBuilder): ReductionFunctions {
  const reduce =
    (operator: string) =>
    (x: Value, { axes, keepAxes = false }: ReduceOptions = {}): Value => {
      const list = axes === undefined ? undefined : typeof axes === 'number' ? [axes] : axes;
      const keepdims = keepAxes ? 1 : 0;
      return graph.node(operator, [x, list === undefined ? undefined : graph.constant(constantTensor(ElementType.INT64, list))], { keepdims, noop_with_empty_axes: list?.length === 0 ? 1 : undefined });
    };
  const argument =
    (operator: string): ReductionFunctions['argMax'] =>
    (x, axis, { keepAxis = false, last = false } = {}) =>
      graph.node(operator, [x], { axis, keepdims: keepAxis ? 1 : 0, select_last_index: last ? 1 : undefined });
  return {
    ...(Object.fromEntries(Object.entries(reduceOperators).map(([name, operator]) => [name, reduce(operator)])) as unknown as ReduceFunctions),
    argMax: argument('ArgMax'),
    argMin: argument('ArgMin'),
    topK(x, count, { axis = -1, largest = true, sorted = true } = {}) {
      return graph.node('TopK', [x, toList(graph, [count])], { axis, largest, sorted }, { outputs: 2 }) as [Value, Value];
    },
    cumSum: (x, axis) => graph.node('CumSum', [x, graph.constant(scalar(ElementType.INT64, axis))]),
    softmax: (x, axis = -1) => graph.node('Softmax', [x], { axis }),
    logSoftmax: (x, axis = -1) => graph.node('LogSoftmax', [x], { axis }),
    matMul: (a, b) => graph.node('MatMul', [a, b]),
    gemm(a, b, c, { alpha, beta, transposeA, transposeB } = {}) {
      return graph.node('Gemm', [a, b, c], { alpha, beta, transA: transposeA === true ? 1 : undefined, transB: transposeB === true ? 1 : undefined });
    },
    einsum: (equation, ...values) => graph.node('Einsum', values, { equation }),
    layerNormalization: (x, scale, bias, { axis = -1, epsilon = 1e-5 } = {}) => graph.node('LayerNormalization', [x, scale, bias], { axis, epsilon }),
    batchNormalization: (x, { scale, bias, mean, variance, epsilon = 1e-5 }) => graph.node('BatchNormalization', [x, scale, bias, mean, variance], { epsilon }),
  };
}
