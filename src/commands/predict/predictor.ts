/** A model to ask for predictions, here or at a server. */
import type { PredictSignature, TensorSpec } from '../../model.ts';

export interface Predictor extends AsyncDisposable {
  /** The model's name. */
  readonly name: string;
  readonly inputs: readonly Pick<TensorSpec, 'name' | 'datatype' | 'shape'>[];
  /** Undefined where the model has no task: then it takes tensors only. */
  readonly task: PredictSignature | undefined;
  /** How many calls under way make full batches. */
  readonly concurrency: number;
  /** A value by the task's schema; files in it are bytes. Rejects with a `ModelportError`. */
  predict(value: unknown): Promise<unknown>;
  /** The JSON of an Open Inference request to the JSON of its answer. */
  infer(request: Uint8Array): Promise<string>;
}
