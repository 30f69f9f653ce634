/** XGBoost's own files. */
import type { Artifact } from '../../artifact.ts';
import type { ImportOptions, Importer } from '../../importer.ts';
import { mostFileBytes, naming, readWhole, refuseMeaningless, refusePrecision } from '../trees/model-file.ts';
import { buildTabularModel } from '../trees/tabular-model.ts';
import { writeImported } from '../trees/write-imported.ts';
import { encodingOf, readXgboost } from '../trees/xgboost/read-xgboost.ts';

export const xgboost: Importer = { name: 'xgboost', version: 1, accepts, import: importModel };

function accepts(start: Uint8Array): boolean {
  return encodingOf(Buffer.from(start)) !== undefined;
}

async function importModel(artifact: Artifact, directory: string, options: ImportOptions = {}): Promise<Artifact> {
  refuseMeaningless(options, 'an XGBoost model');
  refusePrecision(options, 'float32', 'XGBoost');
  return writeImported(await naming(artifact, () => buildTabularModel(readXgboost(readWhole(artifact, mostFileBytes)))), directory);
}
