/** A task lifts `infer` to `predict`: image → labels, row → class. Its two schemas give validation, form, documentation and client types. */
import type { z } from 'zod';
import type { Artifact } from './artifact.ts';
import type { Model, Signature } from './model.ts';

/** What a task may look at to recognize itself and to fill its options. */
export interface TaskFacts {
  readonly signature: Signature;
  readonly artifact: Artifact;
  /** Inputs that work as they are, from `examples` of the model config; values of this task's input schema. */
  readonly examples: readonly unknown[];
}

export interface Task<Options = unknown> {
  /** Hugging Face's name of the task. */
  readonly name: string;
  /** What `task:` of model.yaml may say, every field with a description. */
  readonly options: z.ZodType<Options>;
  /** Options if this model evidently does this task, with the reason for `inspect`. */
  detect(facts: TaskFacts): { readonly options: Options; readonly reason: string } | undefined;
  /** The model with `predict` and `signature.predict`. Throws `INVALID_CONFIG` where the options do not fit the signature. */
  lift(model: Model, options: Options, facts: TaskFacts): Model;
}
