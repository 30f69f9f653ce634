/** Which file of a folder is its model. */
import { readdir, stat } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { ModelportError } from '../errors.ts';
import { mayBeModel, type ModelFormat } from './model-format.ts';

/** What a file system, an editor or a language leaves in folders. */
export const ignoredPattern = /^\.|^__pycache__$|^node_modules$|^lost\+found$/;

/** In the order in which they are preferred: the whole model, a decoder with its cache, and smaller forms. */
const onnxFolderFiles = ['model.onnx', 'decoder_model_merged.onnx', 'model_quantized.onnx', 'model_int8.onnx', 'model_fp16.onnx'];

/** The model file of a folder as Hugging Face's hub lays it out: config.json, and `onnx/` with one or several forms of the model; none where a model.onnx lies beside config.json. */
export async function fileInOnnxFolder(directory: string): Promise<string | undefined> {
  const isFile = (name: string) => stat(join(directory, name)).then((status) => status.isFile(), () => false);
  if (!(await isFile('config.json')) || (await isFile('model.onnx'))) return undefined;
  for (const name of onnxFolderFiles) if (await isFile(`onnx/${name}`)) return `onnx/${name}`;
  return undefined;
}

/**
 * The model file of a version: the config's, else a format's default file, else the only candidate. Relative to the
 * version's folder. Throws `INVALID_MODEL`.
 */
export async function findModelFile(directory: string, wanted: string | undefined, formats: readonly ModelFormat[]): Promise<string> {
  const isFile = (name: string) => stat(join(directory, name)).then((status) => status.isFile(), () => false);
  if (wanted !== undefined) {
    if (wanted.split(/[/\\]/).includes('..') || wanted.startsWith('/')) throw new ModelportError('INVALID_CONFIG', `the model file '${wanted}' leads out of the model's folder ${directory}`);
    // A large model may be a folder that holds a file of the same name beside its weights.
    for (const name of [wanted, `${wanted}/${basename(wanted)}`]) if (await isFile(name)) return name;
    throw new ModelportError('INVALID_MODEL', `the model file ${wanted} is not in ${directory}`, { at: directory });
  }
  const downloaded = await fileInOnnxFolder(directory);
  if (downloaded !== undefined) return downloaded;
  for (const defaultFile of formats.flatMap((format) => format.defaultFiles)) {
    for (const name of [defaultFile, `${defaultFile}/${defaultFile}`]) if (await isFile(name)) return name;
  }
  const names = (await readdir(directory)).filter((name) => !ignoredPattern.test(name)).sort();
  const candidates: string[] = [];
  for (const name of names) {
    if (mayBeModel(name, formats) && (await isFile(name))) candidates.push(name);
  }
  if (candidates.length === 1) return candidates[0]!;
  if (candidates.length > 1) {
    throw new ModelportError('INVALID_MODEL', `${directory} holds several model files: ${candidates.join(', ')}. Name one with \`file\` in model.yaml`, { at: directory });
  }
  const expected = [...new Set(formats.flatMap((format) => format.defaultFiles))].join(', ');
  throw new ModelportError('INVALID_MODEL', `no model file in ${directory}: expected ${expected}; it holds ${names.slice(0, 10).join(', ') || 'nothing'}`, { at: directory });
}
