/** A model in plain TypeScript for tests of sequences: adds its input to a state and answers with the sum. */
import type { Call } from '../../src/call.ts';
import type { InferRequest, InferResponse, Model, TensorSpec } from '../../src/model.ts';
import type { Tensor } from '../../src/tensor.ts';

export interface Run {
  readonly request: InferRequest;
  readonly call: Call;
  readonly rows: number;
  failed: boolean;
}

export interface SummingModel extends Model {
  infer(request: InferRequest, call: Call): Promise<InferResponse>;
  readonly runs: Run[];
  /** Runs under way at once, at most. */
  readonly mostAtOnce: () => number;
  readonly disposed: () => boolean;
}

/**
 * `x` FP32[rows, 1] and `state` FP64[2, rows, 3] (its rows are not the first axis) → `sum` FP32[rows, 1], `stateN`.
 * `rate` is a scalar that takes part in no batch; the sum counts `x · rate`. All six elements of a row's state are the sum.
 */
export function summingModel(options: { readonly maxSize?: number; readonly controls?: readonly TensorSpec[]; readonly before?: (run: Run) => Promise<void> } = {}): SummingModel {
  const runs: Run[] = [];
  let atOnce = 0;
  let mostAtOnce = 0;
  let disposed = false;
  const batched = (options.maxSize ?? 4) > 0;
  const axis = (batchAxis: number): { batchAxis?: number } => (batched ? { batchAxis } : {});
  return {
    signature: {
      inputs: [
        { name: 'x', datatype: 'FP32', shape: [batched ? 'N' : 1, 1], ...axis(0) },
        { name: 'state', datatype: 'FP64', shape: [2, batched ? 'N' : 1, 3], ...axis(1) },
        { name: 'rate', datatype: 'INT64', shape: [], optional: true },
        ...(options.controls ?? []),
      ],
      outputs: [
        { name: 'sum', datatype: 'FP32', shape: [batched ? 'N' : 1, 1], ...axis(0) },
        { name: 'stateN', datatype: 'FP64', shape: [2, batched ? 'N' : 1, 3], ...axis(1) },
      ],
      batch: { maxSize: options.maxSize ?? 4, reason: 'test' },
    },
    runs,
    mostAtOnce: () => mostAtOnce,
    disposed: () => disposed,
    async infer(request, call) {
      const x = request.inputs.get('x')!;
      const rows = x.shape[0]!;
      const run: Run = { request, call, rows, failed: true };
      runs.push(run);
      mostAtOnce = Math.max(mostAtOnce, ++atOnce);
      try {
        await options.before?.(run);
        const outputs = sums(request, rows);
        run.failed = false;
        return { outputs };
      } finally {
        atOnce--;
      }
    },
    async [Symbol.asyncDispose]() {
      disposed = true;
    },
  };
}

function sums(request: InferRequest, rows: number): Map<string, Tensor> {
  const x = request.inputs.get('x')!.data as Float32Array;
  const state = request.inputs.get('state')!;
  if (state.shape.join() !== `2,${rows},3`) throw new Error(`state has shape [${state.shape.join()}] in a run of ${rows} rows`);
  const held = state.data as Float64Array;
  const rate = Number((request.inputs.get('rate')?.data as BigInt64Array | undefined)?.[0] ?? 1n);
  const next = new Float64Array(held.length);
  const sum = new Float32Array(rows);
  for (let row = 0; row < rows; row++) {
    const elements = [0, 1, 2, rows * 3, rows * 3 + 1, rows * 3 + 2].map((offset) => row * 3 + offset);
    const values = new Set(elements.map((index) => held[index]!));
    if (values.size !== 1) throw new Error(`the state of row ${row} mixes ${[...values].join(', ')}`);
    sum[row] = held[elements[0]!]! + x[row]! * rate;
    for (const index of elements) next[index] = sum[row]!;
  }
  return new Map<string, Tensor>([
    ['sum', { datatype: 'FP32', shape: [rows, 1], data: sum }],
    ['stateN', { datatype: 'FP64', shape: [2, rows, 3], data: next }],
  ]);
}
