/** scikit-learn's estimators as `pickle.dump` and `joblib.dump` write them: https://scikit-learn.org/stable/model_persistence.html */
import type { Artifact } from '../../artifact.ts';
import { isModelportError, ModelportError } from '../../errors.ts';
import type { ImportOptions, Importer } from '../../importer.ts';
import type { ModelProto } from '../../onnx/model-proto.ts';
import { mostFileBytes, naming, readWhole, refuseMeaningless } from '../trees/model-file.ts';
import { writeImported } from '../trees/write-imported.ts';
import { buildModel } from './build-model.ts';
import { converterOf } from './converters.ts';
import { looksLikeEstimator, readEstimator } from './read-estimator.ts';

export const sklearn: Importer = { name: 'sklearn', version: 3, accepts: looksLikeEstimator, import: importModel };

/** The model of a file's bytes; `name` is the file, for error messages. Throws `INVALID_MODEL` naming class, module and version of what is not covered. */
export async function importEstimator(bytes: Uint8Array, name: string, { precision = 'float64', note, progress }: Pick<ImportOptions, 'precision' | 'note' | 'progress'> = {}): Promise<ModelProto> {
  progress?.('reading the pickle', 0);
  const record = await readEstimator(bytes, name);
  progress?.('building the graph', 0.4);
  try {
    const convert = converterOf(note);
    const estimator = convert(record);
    return buildModel(estimator, { precision, machineLearningOpset: convert.import.needsOlderTrees ? 3 : 5 }, convert.import);
  } catch (error) {
    if (isModelportError(error) && error.code === 'INVALID_MODEL') throw error;
    // Converters count on attributes that fit each other, which a damaged file does not have.
    throw new ModelportError('INVALID_MODEL', `${record.path} cannot be imported: its attributes do not fit each other (${(error as Error).message})`, { at: record.path, cause: error });
  }
}

async function importModel(artifact: Artifact, directory: string, options: ImportOptions = {}): Promise<Artifact> {
  refuseMeaningless(options, "a scikit-learn estimator");
  const model = await naming(artifact, () => importEstimator(readWhole(artifact, mostFileBytes), artifact.main, options));
  options.progress?.('writing', 0.9);
  return writeImported(model, directory);
}
