/** A model that answers by a function, for tests of tasks: what it is asked is kept. */
import type { Artifact } from '../../src/artifact.ts';
import type { Call } from '../../src/call.ts';
import type { InferRequest, Model, Signature, TensorSpec } from '../../src/model.ts';
import type { Task, TaskFacts } from '../../src/task.ts';
import type { Tensor } from '../../src/tensor.ts';

export interface FakeModel extends Model {
  readonly requests: InferRequest[];
  readonly calls: Call[];
}

export function fakeModel(signature: Signature, answer: (request: InferRequest) => readonly (readonly [string, Tensor])[]): FakeModel {
  const requests: InferRequest[] = [];
  const calls: Call[] = [];
  return {
    signature,
    requests,
    calls,
    infer(request, call) {
      requests.push(request);
      calls.push(call);
      return Promise.resolve({ outputs: new Map(answer(request)) });
    },
    [Symbol.asyncDispose]: () => Promise.resolve(),
  };
}

export function signatureOf(inputs: readonly TensorSpec[], outputs: readonly TensorSpec[], maxSize = 32): Signature {
  return { inputs, outputs, batch: { maxSize, reason: 'said by the test' } };
}

export function spec(name: string, datatype: TensorSpec['datatype'], shape: TensorSpec['shape'], more: Partial<TensorSpec> = {}): TensorSpec {
  return { name, datatype, shape, batchAxis: 0, ...more };
}

export function factsOf(signature: Signature, more: Partial<TaskFacts> = {}): TaskFacts {
  return { signature, artifact: artifactIn('/nowhere'), examples: [], ...more };
}

export function artifactIn(directory: string): Artifact {
  return { format: 'onnx', directory, main: 'model.onnx', files: [], metadata: {} };
}

/** The model lifted with options as model.yaml would give them. */
export function lifted<Options>(task: Task<Options>, model: Model, options: unknown = {}, facts: TaskFacts = factsOf(model.signature)): Model {
  return task.lift(model, task.options.parse(options), facts);
}
