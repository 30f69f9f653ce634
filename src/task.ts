/** A task lifts `infer` to `predict`: image → labels, row → class. Its two schemas give validation, form, documentation and client types. */
import type { z } from 'zod';
import type { Artifact } from './artifact.ts';
import { ModelportError } from './errors.ts';
import { didYouMean } from './lib/nearest.ts';
import { suggestName } from './lib/suggest-name.ts';
import type { ModelConfig } from './model-config.ts';
import type { Model, Signature } from './model.ts';
import type { ServedModel } from './repository.ts';

/** What a task may look at to recognize itself and to fill its options. */
export interface TaskFacts {
  readonly signature: Signature;
  readonly artifact: Artifact;
  /** Inputs that work as they are, from `examples` of the model config; values of this task's input schema. */
  readonly examples: readonly unknown[];
  /** The folder of the model, in which files that examples name lie. Default: the artifact's. */
  readonly directory?: string;
  /**
   * Another served model, for tasks that are done by several together. To be asked with every request, never at lifting: the
   * other one may be loaded later or replaced. Throws `NOT_FOUND` or `UNAVAILABLE`.
   */
  readonly lookup?: (name: string) => Pick<ServedModel, 'model' | 'artifact'>;
  /** What the task's `prepare` resolved with. Only `lift` gets it; without it, `lift` does that work itself. */
  readonly prepared?: unknown;
}

export interface Task<Options = unknown> {
  /** Hugging Face's name of the task. */
  readonly name: string;
  /** What `task:` of model.yaml may say, every field with a description. */
  readonly options: z.ZodType<Options>;
  /** Options if this model evidently does this task, with the reason for `inspect`. */
  detect(facts: TaskFacts): { readonly options: Options; readonly reason: string } | undefined;
  /** What `lift` needs and takes long (reading a large vocabulary), done without holding up the event loop. Rejects as `lift` throws. */
  prepare?(facts: TaskFacts): Promise<unknown>;
  /** The model with `predict` and `signature.predict`. Throws `INVALID_CONFIG` where the options do not fit the signature. */
  lift(model: Model, options: Options, facts: TaskFacts): Model;
}

export interface ChosenTask {
  readonly task: Task;
  readonly options: unknown;
  /** For `inspect`: why this task. */
  readonly reason: string;
}

/**
 * The task that the config names, with its options checked, else the first that recognizes the model. `none` means none.
 * Throws `INVALID_CONFIG` for an unknown task or option.
 */
export function chooseTask(tasks: readonly Task[], configured: ModelConfig['task'], facts: TaskFacts): ChosenTask | undefined {
  if (configured === undefined) {
    for (const task of tasks) {
      const detected = task.detect(facts);
      if (detected !== undefined) return { task, ...detected };
    }
    return undefined;
  }
  const { name, ...given } = typeof configured === 'string' ? { name: configured } : configured;
  if (name === 'none') return undefined;
  const task = tasks.find((candidate) => candidate.name === name);
  if (task === undefined) {
    const names = tasks.map((candidate) => candidate.name);
    throw new ModelportError('INVALID_CONFIG', `there is no task '${name}'${suggestName(name, [...names, 'none'])}`, { at: 'task' });
  }
  const parsed = task.options.safeParse(given);
  if (!parsed.success) {
    const issue = parsed.error.issues[0]!;
    const at = ['task', ...issue.path].join('.');
    const unknown = issue.code === 'unrecognized_keys' ? issue.keys[0] : undefined;
    const known = 'shape' in task.options ? Object.keys(task.options.shape as object) : [];
    const message = unknown !== undefined && issue.path.length === 0 ? `task ${name} has no option '${unknown}'${didYouMean(unknown, known)}` : `${at}: ${issue.message}`;
    throw new ModelportError('INVALID_CONFIG', message, { at: unknown === undefined ? at : `${at}.${unknown}` });
  }
  return { task, options: parsed.data, reason: 'the config says so' };
}
