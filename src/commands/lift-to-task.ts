/** The step of loading that gives a model its task. */
import type { ModelConfig, Origin } from '../model-config.ts';
import type { Model } from '../model.ts';
import type { LiftFacts } from '../serving/assemble.ts';
import { chooseTask, type TaskFacts } from '../task.ts';
import { tasks } from '../tasks/index.ts';

/** The model as it is where no task fits. Throws `INVALID_CONFIG`. */
export async function liftToTask(model: Model, { config, artifact, directory }: LiftFacts, lookup: NonNullable<TaskFacts['lookup']>): Promise<{ model: Model; origins: Origin[]; config: Partial<ModelConfig> }> {
  if (model.infer === undefined) return { model, origins: [], config: {} };
  const facts = { signature: model.signature, artifact, directory, examples: config.examples ?? [], lookup };
  const chosen = chooseTask(tasks, config.task, facts);
  if (chosen === undefined) return { model, origins: [], config: {} };
  const { task, options, reason } = chosen;
  const origins: Origin[] = config.task === undefined ? [{ path: 'task', source: 'found out', reason }] : [];
  const prepared = await task.prepare?.(facts);
  return { model: task.lift(model, options, { ...facts, prepared }), origins, config: config.task === undefined ? { task: task.name } : {} };
}
