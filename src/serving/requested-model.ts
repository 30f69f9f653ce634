/** Load requests that bring a config, or files, of their own: what they may, and the model that comes of it. */
import { createHash } from 'node:crypto';
import { ModelportError } from '../errors.ts';
import type { LoadRequest } from '../repository.ts';
import type { LoadFunctions } from './load-version.ts';
import { readInlineConfig, type ForeignConfigFormat } from './model-config-file.ts';
import { hasNoFile } from './model-format.ts';
import { findModels, type FoundModel } from './model-layout.ts';

export interface RequestedModelOptions extends Pick<LoadFunctions, 'formats' | 'isReference'> {
  readonly foreignConfigs?: readonly ForeignConfigFormat[];
  /**
   * Keeps the files of a load request and gives the folder that they lie in. Without it such requests are refused.
   * Paths are relative and were checked.
   */
  readonly storeFiles?: (model: string, files: ReadonlyMap<string, Uint8Array>) => Promise<string>;
}

/** The model of a load request that brings its own config or files; undefined where it brings none. `findThere` gives the model of that name that the server has. */
export async function requestedModel(
  name: string,
  request: LoadRequest,
  options: RequestedModelOptions,
  findThere: () => Promise<FoundModel | undefined>,
): Promise<{ readonly model: FoundModel; readonly source: string } | undefined> {
  const foreign = options.foreignConfigs ?? [];
  const files = request.files ?? new Map<string, Uint8Array>();
  if (request.config === undefined) {
    if (files.size > 0) throw new ModelportError('INVALID_REQUEST', "Load parameter 'config' must be specified for model file override", { at: 'parameters.config' });
    return undefined;
  }
  const reading = readInlineConfig(request.config, foreign);
  if (reading.config.name !== undefined && reading.config.name !== name) {
    throw new ModelportError('INVALID_CONFIG', `unexpected directory name '${name}' for model '${reading.config.name}', directory name must equal model name (${reading.source})`, { at: 'parameters.config' });
  }
  if (reading.config.ensemble === undefined && hasNoFile(reading.config, options.formats)) {
    throw new ModelportError('FORBIDDEN', `a load request may not bring a model of the format '${reading.config.format}': where this server connects to is said in its own files`, { at: 'parameters.config' });
  }
  if (reading.config.files !== undefined || (reading.config.file !== undefined && options.isReference?.(reading.config.file) === true)) {
    throw new ModelportError('FORBIDDEN', 'a load request may not have files fetched: where models come from is said in the files of this server', { at: 'parameters.config' });
  }
  const hash = createHash('sha256').update(request.config);
  let found: FoundModel | undefined;
  if (files.size > 0) {
    if (options.storeFiles === undefined) throw new ModelportError('UNSUPPORTED', 'this server keeps no files of load requests');
    for (const [path, bytes] of files) {
      checkFilePath(path);
      hash.update(`\0${path}\0${bytes.byteLength}\0`).update(bytes);
    }
    const directory = await options.storeFiles(name, files);
    const inside = await findModels([directory], { formats: options.formats, foreignConfigs: [] });
    // The folder's name is of the store's making, and so is the model's that was found in it.
    const [only] = inside.models.values();
    if (only !== undefined) found = { ...only, name };
    else if (reading.config.ensemble !== undefined) found = { name, directory, place: directory, versions: [{ version: '1', directory, fingerprint: '' }], fingerprint: '' };
  } else {
    found = await findThere();
  }
  if (found === undefined) throw notPolled(name);
  // What was wrong with the config beside the model no longer matters.
  const { problem, config: _replaced, ...rest } = found;
  const versions = found.versions.length === 0 && reading.config.ensemble !== undefined ? [{ version: '1', directory: found.directory, fingerprint: '' }] : found.versions;
  const model = { ...rest, versions, config: reading, ...(problem === undefined || problem.code === 'INVALID_CONFIG' ? {} : { problem }) };
  return { model, source: hash.digest('hex') };
}

export function notPolled(name: string): ModelportError {
  return new ModelportError('NOT_FOUND', `failed to load '${name}', failed to poll from model repository`);
}

/** What a file system takes as the name of a folder. */
const maximumNameLength = 255;

export function checkModelName(name: string): void {
  const trimmed = name.trim();
  if (trimmed === '') throw new ModelportError('INVALID_REQUEST', 'Model name cannot be empty. Please enter a valid name to deploy.');
  if (name.length > maximumNameLength || /\p{Cc}/u.test(name)) throw new ModelportError('INVALID_REQUEST', `invalid model name ${JSON.stringify(name.slice(0, 80))}: a name has at most ${maximumNameLength} characters and none that control a terminal`);
  if (trimmed === '..' || /[/\\\0]/.test(trimmed)) throw new ModelportError('INVALID_REQUEST', `invalid model name '${name}', model name must not contain path traversal characters`);
}

function checkFilePath(path: string): void {
  const parts = path.split('/');
  if (path === '' || path.length > 1000 || /[\\\0]/.test(path) || parts.some((part) => part === '' || part === '.' || part === '..')) {
    throw new ModelportError('INVALID_REQUEST', `Invalid file parameter 'file:${path}': it must stay within model directory, like file:1/model.onnx`, { at: `parameters.file:${path}` });
  }
}
