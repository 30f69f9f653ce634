/** LightGBM's own files. */
import type { Artifact } from '../../artifact.ts';
import type { ImportOptions, Importer } from '../../importer.ts';
import { readLightgbm } from '../trees/lightgbm/read-lightgbm.ts';
import { naming, readWhole, refuseMeaningless } from '../trees/model-file.ts';
import { buildTabularModel, inFloat32 } from '../trees/tabular-model.ts';
import { writeImported } from '../trees/write-imported.ts';

export const lightgbm: Importer = { name: 'lightgbm', version: 1, accepts, import: importModel };

function accepts(start: Uint8Array): boolean {
  return /^tree\r?\nversion=v\d+\r?\n/.test(Buffer.from(start.subarray(0, 64)).toString('latin1'));
}

async function importModel(artifact: Artifact, directory: string, options: ImportOptions = {}): Promise<Artifact> {
  refuseMeaningless(options, 'a LightGBM model');
  const read = () => readLightgbm(readWhole(artifact).toString('utf8'));
  return writeImported(await naming(artifact, () => buildTabularModel(options.precision === 'float32' ? inFloat32(read()) : read())), directory);
}
