/** Loading one version: open, verify, explain, assemble and warm up. Nothing serves before all of it went well. */
import { readdir, stat } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import type { Artifact, ArtifactFile } from '../artifact.ts';
import { ModelportError } from '../errors.ts';
import type { ImportConfig } from '../model-config.ts';
import type { Signature } from '../model.ts';
import { ensembleFacts } from './ensemble-facts.ts';
import { explainConfig, type Explanation, type ModelFacts } from './explain-config.ts';
import { findModelFile } from './find-model-file.ts';
import { hasNoFile, recognizeFormat, type ModelFormat } from './model-format.ts';
import type { FoundModel, FoundVersion } from './model-layout.ts';
import type { AssembledModel } from './served-version.ts';

export interface OpenedArtifact {
  /** With the metadata that the file carries. */
  readonly artifact: Artifact;
  readonly facts: ModelFacts;
  /** What metadata calls the platform: `onnxruntime_onnx`. */
  readonly platform: string;
  /** What the file holds and cannot be offered; becomes part of the config's warnings. */
  readonly warnings?: readonly string[];
}

/** What a config names by where to get it, and the folders whose own files belong to the model. */
export interface FetchRequest {
  readonly model: string;
  /** The config's `file`, where it is a reference. */
  readonly main?: string;
  /** Path → reference. */
  readonly files: Readonly<Record<string, string>>;
  /** Files of later folders win. */
  readonly directories: readonly string[];
}

export interface FetchedFiles {
  /** A folder with everything in it: what was fetched and what was there. */
  readonly directory: string;
  /** The model file in it, where `main` was one file. */
  readonly main?: string;
}

export interface AssembleRequest {
  readonly name: string;
  readonly version: string;
  readonly artifact: Artifact;
  readonly platform: string;
  readonly explanation: Explanation;
  /** The folder of the model, where config, warm-up data and initial states lie. */
  readonly directory: string;
}

/** How artifacts become models: handed in, so that `serving` names neither a file format nor a runtime. */
export interface LoadFunctions {
  readonly formats: readonly ModelFormat[];
  /** Reads and verifies what an artifact holds; `importing` is what the config says of a file of another framework. Throws `INVALID_MODEL`. Not called for ensembles. */
  open(artifact: Artifact, importing?: ImportConfig): Promise<OpenedArtifact>;
  /** Whether a config's `file` says where to get it, and is no path. */
  isReference?(file: string): boolean;
  /** Fetches what is not in the store yet. Throws what sources throw. */
  fetchFiles?(request: FetchRequest): Promise<FetchedFiles>;
  /** Loads, warms up and wraps. What it rejects with is the reason in the index; nothing stays behind. */
  assemble(request: AssembleRequest): Promise<AssembledModel>;
  /** How long putting together and warming up may take; what fetches or imports files has limits of its own. Undefined: as long as it takes. */
  readonly loadTimeoutMs?: number;
}

export interface LoadedVersion {
  readonly assembled: AssembledModel;
  readonly artifact: Artifact;
  readonly platform: string;
}

/** Gives the signature of a model that serves, for ensembles. */
export type SignatureLookup = (model: string, version: string | undefined) => Signature;

export async function loadVersion(found: FoundModel, version: FoundVersion, functions: LoadFunctions, signatureOf: SignatureLookup): Promise<LoadedVersion> {
  const { artifact, platform, explanation, directory } = await explainVersion(found, version, functions, signatureOf);
  const assembling = functions.assemble({ name: found.name, version: version.version, artifact, platform, directory, explanation });
  const assembled = functions.loadTimeoutMs === undefined ? await assembling : await inTime(assembling, functions.loadTimeoutMs);
  return { assembled, artifact, platform };
}

/** A run that never ends can't be stopped: what comes of it later is released, and nobody waits for it. */
async function inTime(assembling: Promise<AssembledModel>, timeoutMs: number): Promise<AssembledModel> {
  let timer: NodeJS.Timeout | undefined;
  const timeout = new Promise<'timeout'>((resolve) => (timer = setTimeout(() => resolve('timeout'), timeoutMs)));
  try {
    const first = await Promise.race([assembling, timeout]);
    if (first !== 'timeout') return first;
  } finally {
    clearTimeout(timer);
  }
  assembling.then((late) => late.model[Symbol.asyncDispose](), () => {});
  throw new ModelportError('UNAVAILABLE', `it was not ready after ${timeoutMs / 1000} s: loading it, or a run at its warm-up, had not ended; --load-timeout gives it longer`);
}

/** What a version is and which config it would be served with, without loading it. */
export async function explainVersion(
  foundThere: FoundModel,
  versionThere: FoundVersion,
  functions: Omit<LoadFunctions, 'assemble'>,
  signatureOf: SignatureLookup,
): Promise<Omit<OpenedArtifact, 'warnings'> & { readonly explanation: Explanation; readonly directory: string }> {
  const { found, version } = await withFetchedFiles(foundThere, versionThere, functions);
  const given = found.config?.config;
  const opened =
    given?.ensemble !== undefined
      ? openEnsemble(found, version, signatureOf)
      : hasNoFile(given, functions.formats)
        ? await functions.open({ format: given!.format!, directory: version.directory, main: '', files: [], metadata: textsOf(given!.parameters ?? {}) })
        : await openFile(found, version, functions);
  const { artifact, facts, platform } = opened;
  const explanation = await explainConfig({
    name: found.name,
    format: artifact.format,
    facts,
    directory: found.directory,
    ...(artifact.main === '' ? {} : { file: artifact.main }),
    ...(found.config === undefined ? {} : { reading: found.config }),
    ...(found.labelsFile === undefined ? {} : { labelsFile: found.labelsFile }),
  });
  const config = { ...explanation.config, warnings: [...explanation.config.warnings, ...(opened.warnings ?? [])] };
  return { artifact, facts, platform, explanation: { ...explanation, config }, directory: found.directory };
}

/** The same model with everything in one folder, where its config says where to get files. */
async function withFetchedFiles(found: FoundModel, version: FoundVersion, functions: Omit<LoadFunctions, 'assemble'>): Promise<{ readonly found: FoundModel; readonly version: FoundVersion }> {
  const reading = found.config;
  const { file, files = {} } = reading?.config ?? {};
  const main = file !== undefined && functions.isReference?.(file) === true ? file : undefined;
  if (reading === undefined || (main === undefined && Object.keys(files).length === 0)) return { found, version };
  if (functions.fetchFiles === undefined) throw new ModelportError('UNSUPPORTED', `model '${found.name}' names files to be fetched, which this server does not do`);
  const fetched = await functions.fetchFiles({ model: found.name, ...(main === undefined ? {} : { main }), files, directories: [...new Set([found.directory, version.directory])] });
  const { file: _reference, ...config } = reading.config;
  const named = main === undefined ? file : fetched.main;
  return {
    found: { ...found, directory: fetched.directory, config: { ...reading, config: { ...config, ...(named === undefined ? {} : { file: named }) } } },
    version: { ...version, directory: fetched.directory },
  };
}

async function openFile(found: FoundModel, version: FoundVersion, functions: Omit<LoadFunctions, 'assemble'>): Promise<OpenedArtifact> {
  const reading = found.config;
  const main = await findModelFile(version.directory, reading?.config.file ?? found.file, functions.formats);
  const format = await recognizeFormat(join(version.directory, main), functions.formats);
  const wanted = reading?.config.format;
  if (wanted !== undefined && wanted !== format) {
    const at = reading!.locate('format');
    throw new ModelportError('INVALID_CONFIG', `the format is '${wanted}' in the config (${at}), but ${main} is ${format}`, { at });
  }
  return await functions.open({ format, directory: version.directory, main, files: await filesOf(version.directory, main, found.file === undefined), metadata: {} }, reading?.config.import);
}

function openEnsemble(found: FoundModel, version: FoundVersion, signatureOf: SignatureLookup): OpenedArtifact {
  return {
    artifact: { format: 'ensemble', directory: version.directory, main: '', files: [], metadata: {} },
    facts: ensembleFacts(found.name, found.config!, signatureOf),
    platform: 'ensemble',
  };
}

function textsOf(parameters: Readonly<Record<string, string | number | boolean>>): Record<string, string> {
  return Object.fromEntries(Object.entries(parameters).map(([name, value]) => [name, String(value)]));
}

const maximumFiles = 10_000;

/** The model file and what lies beside it: in a folder of its own everything, else what is named after it. */
async function filesOf(directory: string, main: string, ownFolder: boolean): Promise<ArtifactFile[]> {
  const folder = main.includes('/') ? `${dirname(main)}/` : '';
  const stem = basename(main).replace(/\.[^.]*$/, '');
  const names = (await readdir(join(directory, folder))).filter((name) => !name.startsWith('.') && (ownFolder || name.startsWith(`${stem}.`) || name.startsWith(`${stem}_`)));
  // What lies beside `onnx/` (config.json, tokenizer.json) belongs to the model that lies in it.
  const beside = ownFolder && folder === 'onnx/' ? (await readdir(directory)).filter((name) => !name.startsWith('.')) : [];
  const files: ArtifactFile[] = [];
  for (const path of [...names.sort().map((name) => folder + name), ...beside.sort()].slice(0, maximumFiles)) {
    const status = await stat(join(directory, path)).catch(() => undefined);
    if (status?.isFile() === true) files.push({ path, sizeBytes: status.size });
  }
  return files;
}
