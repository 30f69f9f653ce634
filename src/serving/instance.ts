/** One loaded copy of a model, wherever it runs. {@link InstanceGroup}s are made of these. */
import type { Artifact } from '../artifact.ts';
import { ModelportError } from '../errors.ts';
import type { InferRequest, Model } from '../model.ts';
import type { LoadOptions, Runtime } from '../runtime.ts';

/** The part of a runtime that an instance group needs; a whole {@link Runtime} is one. */
export type LoadableRuntime = Pick<Runtime, 'name' | 'moduleUrl' | 'instanceKinds' | 'load'>;

export interface InstanceStart {
  readonly runtime: LoadableRuntime;
  readonly artifact: Artifact;
  readonly load: LoadOptions;
}

/** Disposal is for when its calls are answered; it then gives the instance's memory back. */
export interface Instance extends Model {
  /** How long the shortest of several runs takes where the model is, in milliseconds. See `measureRun`. */
  measure(request: InferRequest): Promise<number>;
  /** Calls `listener` once when the instance dies unasked, after all its calls were rejected with {@link InstanceLostError}. */
  onLost(listener: (error: InstanceLostError) => void): void;
}

/** The instance died before it answered. Whether that is worth another try is the group's to say. */
export class InstanceLostError extends ModelportError {
  constructor(reason: string) {
    super('UNAVAILABLE', `the instance that ran the model died: ${reason}`, { retryAfterSeconds: 1 });
  }
}
