/** The config that each model below a path would be served with, as far as files tell it. Nothing is loaded. */
import { dirname, resolve } from 'node:path';
import type { Artifact } from '../artifact.ts';
import { ModelportError } from '../errors.ts';
import type { Signature } from '../model.ts';
import { explainVersion, type OpenedArtifact } from '../serving/load-version.ts';
import { findModels, type FoundModel } from '../serving/model-layout.ts';
import { fetchFiles, isReference } from './fetch-files.ts';
import { foreignConfigs, formats, openArtifact } from './model-formats.ts';

/** One model, its newest version. */
export interface ExplainedVersion {
  readonly found: FoundModel;
  readonly version: string;
  readonly artifact: Artifact;
  readonly explanation: Awaited<ReturnType<typeof explainVersion>>['explanation'];
}

export interface ExplainOptions {
  readonly cacheDirectory?: string;
  /** In place of reading or importing the file. */
  open?(artifact: Artifact, importing: Parameters<typeof openArtifact>[1]): Promise<OpenedArtifact>;
}

/** By name. Throws what loading would say of the first model that can't be explained. */
export async function explainVersions(path: string, { cacheDirectory, open }: ExplainOptions = {}): Promise<ExplainedVersion[]> {
  const { models } = await findModels([path], { formats, foreignConfigs });
  const known = new Map<string, ExplainedVersion>();
  const functions = {
    formats,
    open: open ?? ((artifact: Artifact, importing: Parameters<typeof openArtifact>[1]) => openArtifact(artifact, importing, cacheDirectory)),
    isReference,
    fetchFiles: (request: Parameters<typeof fetchFiles>[0]) => fetchFiles(request, cacheDirectory),
  };
  const signatureOf = (found: FoundModel, name: string): Signature => {
    const step = known.get(name);
    if (step === undefined) throw new ModelportError('INVALID_CONFIG', `model '${found.name}' uses '${name}', which is not below ${path}: name the folder that holds both, as in modelport inspect ${dirname(resolve(path))}`);
    return step.explanation.signature;
  };
  /** Ensembles are explained from the signatures of their steps, so these come first. */
  const explain = async (found: FoundModel, chain: readonly string[]): Promise<ExplainedVersion> => {
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
    const { artifact, explanation } = await explainVersion(found, version, functions, (name) => signatureOf(found, name));
    const explained = { found, version: version.version, artifact, explanation };
    known.set(found.name, explained);
    return explained;
  };
  const explained: ExplainedVersion[] = [];
  for (const name of [...models.keys()].sort()) explained.push(await explain(models.get(name)!, []));
  return explained;
}
