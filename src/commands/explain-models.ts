/** The config that each model below a path would be served with, and why. Nothing is loaded. */
import { join } from 'node:path';
import type { ExplainedConfig } from '../model-config.ts';
import type { Signature } from '../model.ts';
import { chooseTask } from '../task.ts';
import { tasks } from '../tasks/index.ts';
import { explainVersions, type ExplainedVersion } from './explain-versions.ts';

export interface ExplainedModel {
  readonly name: string;
  readonly version: string;
  /** Absolute; undefined for a model that has none of its own (an ensemble). */
  readonly file: string | undefined;
  readonly signature: Signature;
  readonly config: ExplainedConfig;
}

/** Newest versions, by name. Throws what loading would say of the first model that can't be explained. */
export async function explainModels(path: string): Promise<ExplainedModel[]> {
  return (await explainVersions(path)).map(withTask);
}

function withTask({ found, version, artifact, explanation }: ExplainedVersion): ExplainedModel {
  const { signature, config } = explanation;
  const facts = { signature, artifact, directory: found.directory, examples: config.config.examples ?? [] };
  const task = chooseTask(tasks, config.config.task, facts);
  return {
    name: found.name,
    version,
    file: artifact.main === '' ? undefined : join(artifact.directory, artifact.main),
    signature,
    config: task === undefined || config.config.task !== undefined ? config : { ...config, config: { ...config.config, task: task.task.name }, origins: [...config.origins, { path: 'task', source: 'found out', reason: task.reason }] },
  };
}
