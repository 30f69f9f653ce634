/** The scheduler of models for values: it queues, batches and refuses values of services as it does tensors. */
import type { Call } from '../call.ts';
import type { InferResponse, Model, TensorSpec } from '../model.ts';
import { dynamicBatching, type DynamicBatchingModel } from '../serving/dynamic-batching.ts';
import type { BatchedFunction, BatchFunctionOptions } from '../service/host.ts';
import type { Tensor, Tensors } from '../tensor.ts';

// The scheduler moves the elements of BYTES tensors by reference and never looks into them, so any value can be one.
const spec = (name: string): TensorSpec => ({ name, datatype: 'BYTES', shape: ['batch'], batchAxis: 0 });

export function batchValues(runBatch: (values: readonly unknown[], call: Call) => Promise<readonly unknown[]>, options: BatchFunctionOptions): BatchedFunction {
  const { name, maxSize, maxDelayMs, concurrency, maxQueueSize } = options;
  const model: Model = {
    signature: { inputs: [spec('values')], outputs: [spec('answers')], batch: { maxSize, reason: 'its definition says so' } },
    async infer({ inputs }, call): Promise<InferResponse> {
      const values = inputs.get('values')!.data as readonly unknown[];
      return { outputs: carry('answers', await runBatch(values, call)) };
    },
    async [Symbol.asyncDispose]() {},
  };
  const batched = dynamicBatching(model, { modelName: name, concurrency, maxSize, maxQueueDelayMs: maxDelayMs, queue: { maxSize: Math.max(1, maxQueueSize) } }) as DynamicBatchingModel;
  return {
    async run(value, call) {
      const { outputs } = await batched.infer({ inputs: carry('values', [value]) }, call);
      return (outputs.get('answers')!.data as readonly unknown[])[0];
    },
    [Symbol.asyncDispose]: () => batched[Symbol.asyncDispose](),
  };
}

function carry(name: string, values: readonly unknown[]): Tensors {
  const tensor: Tensor = { datatype: 'BYTES', shape: [values.length], data: values as Uint8Array[] };
  return new Map([[name, tensor]]);
}
