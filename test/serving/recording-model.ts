import type { Call } from '../../src/call.ts';
import { ModelportError } from '../../src/errors.ts';
import type { InferRequest, InferResponse, Model, Signature, TensorSpec } from '../../src/model.ts';
import type { Tensor, Tensors } from '../../src/tensor.ts';

/** One run that a test ends when it likes. */
export class Run {
  readonly request: InferRequest;
  readonly call: Call;
  readonly answer: Promise<InferResponse>;
  ended = false;
  #resolve!: (response: InferResponse) => void;
  #reject!: (error: unknown) => void;

  constructor(request: InferRequest, call: Call) {
    this.request = request;
    this.call = call;
    this.answer = new Promise((resolve, reject) => {
      this.#resolve = resolve;
      this.#reject = reject;
    });
  }

  end(outputs: Tensors): void {
    this.ended = true;
    this.#resolve({ outputs });
  }

  fail(error: unknown): void {
    this.ended = true;
    this.#reject(error);
  }

  /** The elements of an input as plain numbers. */
  values(input: string): number[] {
    return Array.from(this.request.inputs.get(input)!.data as Iterable<number>, Number);
  }

  shape(input: string): readonly number[] | undefined {
    return this.request.inputs.get(input)?.shape;
  }
}

/** A model that notes its runs and answers each with `respond`, or when the test ends it where there is none. */
export class RecordingModel implements Model {
  readonly signature: Signature;
  readonly runs: Run[] = [];
  disposed = 0;
  readonly #respond: ((request: InferRequest) => Tensors) | undefined;

  constructor(signature: Signature, respond?: (request: InferRequest) => Tensors) {
    this.signature = signature;
    this.#respond = respond;
  }

  get running(): Run[] {
    return this.runs.filter((run) => !run.ended);
  }

  infer(request: InferRequest, call: Call): Promise<InferResponse> {
    if (this.disposed > 0) return Promise.reject(new ModelportError('UNAVAILABLE', 'disposed'));
    const run = new Run(request, call);
    this.runs.push(run);
    if (this.#respond !== undefined) {
      try {
        run.end(this.#respond(request));
      } catch (error) {
        run.fail(error);
      }
    }
    return run.answer;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.disposed++;
  }
}

export function spec(name: string, shape: TensorSpec['shape'], facts: Partial<TensorSpec> = {}): TensorSpec {
  return { name, datatype: 'FP32', shape, batchAxis: 0, ...facts };
}

export function signatureOf(inputs: readonly TensorSpec[], outputs: readonly TensorSpec[], maxSize: number): Signature {
  return { inputs, outputs, batch: { maxSize, reason: 'test' } };
}

export function floats(shape: readonly number[], values: readonly number[]): Tensor<'FP32'> {
  return { datatype: 'FP32', shape, data: Float32Array.from(values) };
}

/** A request with one input `x` of the given rows. */
export function rowsRequest(rows: readonly (readonly number[])[], facts: Partial<InferRequest> = {}): InferRequest {
  const width = rows[0]?.length ?? 0;
  return { inputs: new Map([['x', floats([rows.length, width], rows.flat())]]), ...facts };
}

export function valuesOf(response: InferResponse, output = 'y'): number[] {
  return Array.from(response.outputs.get(output)!.data as Iterable<number>, Number);
}
