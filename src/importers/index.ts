/**
 * The importers that are there, one line each. The first that accepts a file's content imports it. What stands here is known
 * before a file is looked at; the rest of an importer is loaded with the first file that is not a runtime's own.
 */
import type { Importer } from '../importer.ts';

export interface KnownImporter extends Pick<Importer, 'name'> {
  /** The framework, as people write it; several importers may read files of one. */
  readonly framework: string;
  /** Endings that make a file in a folder a candidate (`.joblib`); [] where they are too common to mean anything. What a file is, its content says. */
  readonly extensions: readonly string[];
  /** Names under which a model's folder holds such a file: `model.json`. */
  readonly defaultFiles: readonly string[];
  /** Its files may hold programs that do not describe their inputs. */
  readonly declaresInputs?: true;
  readonly load: () => Promise<Importer>;
}

export const importers: readonly KnownImporter[] = [
  { name: 'xgboost', framework: 'XGBoost', extensions: ['.ubj'], defaultFiles: ['model.ubj', 'model.json'], load: async () => (await import('./xgboost/xgboost.ts')).xgboost },
  { name: 'lightgbm', framework: 'LightGBM', extensions: [], defaultFiles: ['model.txt'], load: async () => (await import('./lightgbm/lightgbm.ts')).lightgbm },
  { name: 'catboost', framework: 'CatBoost', extensions: ['.cbm'], defaultFiles: ['model.cbm', 'model.json'], load: async () => (await import('./catboost/catboost.ts')).catboost },
  { name: 'sklearn', framework: 'scikit-learn', extensions: ['.joblib', '.pkl', '.pickle'], defaultFiles: ['model.joblib', 'model.pkl', 'model.pickle'], load: async () => (await import('./sklearn/sklearn.ts')).sklearn },
  { name: 'torch-export', framework: 'PyTorch', extensions: ['.pt2'], defaultFiles: ['model.pt2'], load: async () => (await import('./torch-export/torch-export.ts')).torchExport },
  { name: 'torchscript', framework: 'PyTorch', extensions: ['.pt', '.pth', '.ptl'], defaultFiles: ['model.pt', 'model.pth', 'model.ptl'], declaresInputs: true, load: async () => (await import('./torchscript/torchscript.ts')).torchScript },
  { name: 'state-dict', framework: 'PyTorch', extensions: ['.pth', '.pt', '.bin', '.safetensors'], defaultFiles: ['model.pth', 'model.pt', 'model.safetensors', 'pytorch_model.bin'], load: async () => (await import('./state-dict/state-dict.ts')).stateDict },
];
