/** CatBoost's own files. */
import type { Artifact } from '../../artifact.ts';
import type { ImportOptions, Importer } from '../../importer.ts';
import { isBinary } from '../trees/catboost/read-binary.ts';
import { readCatboost } from '../trees/catboost/read-catboost.ts';
import { mostFileBytes, naming, readWhole, refuseMeaningless } from '../trees/model-file.ts';
import { buildTabularModel, inFloat32 } from '../trees/tabular-model.ts';
import { writeImported } from '../trees/write-imported.ts';

export const catboost: Importer = { name: 'catboost', version: 2, accepts, import: importModel };

/** The keys of the document come in the order of the alphabet, and the first may be longer than what is read here. */
function looksLikeJson(text: string): boolean {
  return /^\s*\{\s*"(?:ctr_data|features_info|model_info|oblivious_trees)"\s*:/.test(text) && /"(?:float_features|categorical_features|hash_stride|catboost_version_info|leaf_values|text_features|embedding_features)"\s*:/.test(text);
}

function accepts(start: Uint8Array): boolean {
  return isBinary(start) || looksLikeJson(Buffer.from(start).toString('latin1'));
}

async function importModel(artifact: Artifact, directory: string, options: ImportOptions = {}): Promise<Artifact> {
  refuseMeaningless(options, 'a CatBoost model');
  const read = () => readCatboost(readWhole(artifact, mostFileBytes));
  return writeImported(await naming(artifact, () => buildTabularModel(options.precision === 'float32' ? inFloat32(read()) : read())), directory);
}
