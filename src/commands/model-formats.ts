/** What model files there are, and how one becomes an artifact that a runtime takes. */
import type { Artifact } from '../artifact.ts';
import { ModelportError } from '../errors.ts';
import { isTritonConfigJson, readTritonConfigJson, readTritonConfigText } from '../formats/triton-model-config.ts';
import { importers } from '../importers/index.ts';
import type { ImportConfig } from '../model-config.ts';
import { looksLikeOnnx } from '../onnx/looks-like-onnx.ts';
import type { OpenedArtifact } from '../serving/load-version.ts';
import type { ForeignConfigFormat } from '../serving/model-config-file.ts';
import type { ModelFormat } from '../serving/model-format.ts';

/** Kinds of model files, found by content. */
export const formats: readonly ModelFormat[] = [
  { name: 'onnx', extensions: ['.onnx'], defaultFiles: ['model.onnx'], recognize: looksLikeOnnx },
  ...importers.map((importer): ModelFormat => ({ name: importer.name, extensions: importer.extensions, defaultFiles: importer.defaultFiles, recognize: async (start, sizeBytes) => (await importer.load()).accepts(start, sizeBytes) })),
  { name: 'remote', extensions: [], defaultFiles: [], recognize: () => false, withoutFile: true },
];

/** Configs of other servers that are read beside our own. */
export const foreignConfigs: readonly ForeignConfigFormat[] = [
  { fileName: 'config.pbtxt', readText: readTritonConfigText, recognizesJson: isTritonConfigJson, readJson: readTritonConfigJson },
];

/** Reads and verifies a model file, imports one of another framework, or asks the server that has the model. Throws `INVALID_MODEL`, `INVALID_CONFIG`, `UNAVAILABLE`. */
export async function openArtifact(given: Artifact, importing: ImportConfig = {}, cacheDirectory?: string): Promise<OpenedArtifact> {
  if (given.format === 'remote') return openRemote(given);
  const importer = importers.find(({ name }) => name === given.format);
  if (importer === undefined && Object.keys(importing).length > 0) throw new ModelportError('INVALID_CONFIG', `${given.main} is ${given.format} and is not imported: take 'import' out of its config`, { at: 'import' });
  const imported = importer === undefined ? undefined : await (await import('./import-artifact.ts')).importArtifact(given, await importer.load(), importing, cacheDirectory);
  const artifact = imported?.artifact ?? given;
  const { readOnnxFacts } = await import('../onnx/onnx-facts.ts');
  const { signature, warnings, metadata, longWork } = readOnnxFacts(artifact);
  return { artifact: { ...artifact, metadata, ...(longWork === undefined ? {} : { longWork }) }, facts: { signature, source: `${given.main} (graph)` }, platform: 'onnxruntime_onnx', warnings: [...(imported?.notes ?? []), ...warnings] };
}

async function openRemote(artifact: Artifact): Promise<OpenedArtifact> {
  const { default: remoteRuntime } = await import('../runtimes/remote/remote-runtime.ts');
  await using model = await remoteRuntime.load(artifact, { threads: 1, parameters: {} });
  return { artifact, facts: { signature: model.signature, source: `the server at ${artifact.metadata['url'] ?? '?'}` }, platform: 'remote' };
}
