/** The config that each model below a path would be served with, and why. Nothing is loaded. */
import { dirname, join, resolve } from 'node:path';
import { ModelportError } from '../errors.ts';
import type { ExplainedConfig } from '../model-config.ts';
import type { Signature } from '../model.ts';
import { explainVersion } from '../serving/load-version.ts';
import { findModels, type FoundModel } from '../serving/model-layout.ts';
import { chooseTask } from '../task.ts';
import { tasks } from '../tasks/index.ts';
import { foreignConfigs, formats, openArtifact } from './compose.ts';
import { fetchFiles, isReference } from './fetch-files.ts';

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
  const { models } = await findModels([path], { formats, foreignConfigs });
  const known = new Map<string, ExplainedModel>();
  /** Ensembles are explained from the signatures of their steps, so these come first. */
  const explain = async (found: FoundModel, chain: readonly string[]): Promise<ExplainedModel> => {
    const before = known.get(found.name);
    if (before !== undefined) return before;
    if (chain.includes(found.name)) throw new ModelportError('INVALID_CONFIG', `ensemble '${found.name}' uses itself: ${[...chain, found.name].join(' → ')}`);
    if (found.problem !== undefined) throw found.problem;
    for (const step of found.config?.config.ensemble?.steps ?? []) {
      const model = models.get(step.model);
      if (model !== undefined) await explain(model, [...chain, found.name]);
    }
    const version = found.versions.at(-1);
    if (version === undefined) throw new ModelportError('INVALID_MODEL', `there is no model file in ${found.place}`, { at: found.place });
    const { artifact, explanation } = await explainVersion(found, version, { formats, open: openArtifact, isReference, fetchFiles: (request) => fetchFiles(request) }, (name) => {
      const step = known.get(name);
      if (step === undefined) throw new ModelportError('INVALID_CONFIG', `model '${found.name}' uses '${name}', which is not below ${path}: name the folder that holds both, as in modelport inspect ${dirname(resolve(path))}`);
      return step.signature;
    });
    const { signature, config } = explanation;
    const facts = { signature, artifact, directory: found.directory, examples: config.config.examples ?? [] };
    const task = chooseTask(tasks, config.config.task, facts);
    const explained: ExplainedModel = {
      name: found.name,
      version: version.version,
      file: artifact.main === '' ? undefined : join(artifact.directory, artifact.main),
      signature,
      config: task === undefined || config.config.task !== undefined ? config : { ...config, config: { ...config.config, task: task.task.name }, origins: [...config.origins, { path: 'task', source: 'found out', reason: task.reason }] },
    };
    known.set(found.name, explained);
    return explained;
  };
  const explained: ExplainedModel[] = [];
  for (const name of [...models.keys()].sort()) explained.push(await explain(models.get(name)!, []));
  return explained;
}
