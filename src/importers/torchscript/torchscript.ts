/** TorchScript archives, traced or scripted: `torch.jit.save`. https://docs.pytorch.org/docs/stable/jit.html */
import { mkdirSync } from 'node:fs';
import { basename, join } from 'node:path';
import type { Artifact } from '../../artifact.ts';
import { ModelportError, isModelportError } from '../../errors.ts';
import { bytesSource, fileSource } from '../../formats/byte-source.ts';
import type { ImportOptions, Importer } from '../../importer.ts';
import type { ModelProto } from '../../onnx/model-proto.ts';
import { writeModelFile } from '../../onnx/write-model-file.ts';
import { importProgram } from './import-program.ts';
import { ScriptArchive, looksLikeTorchScript } from './script-archive.ts';

export const torchScript: Importer = { name: 'torchscript', version: 2, accepts: looksLikeTorchScript, import: importModel };

async function importModel(artifact: Artifact, directory: string, options: ImportOptions = {}): Promise<Artifact> {
  const path = join(artifact.directory, artifact.main);
  const source = fileSource(path);
  try {
    const model = convert(() => importProgram(ScriptArchive.open(source, path), options), artifact.main);
    options.progress?.('writing', 0.9);
    mkdirSync(directory, { recursive: true });
    const written = writeModelFile(model, join(directory, 'model.onnx'));
    const metadata = Object.fromEntries(model.metadataProps.map(({ key, value }) => [key ?? '', value ?? '']));
    const loops = model.graph?.node.some((node) => node.opType === 'Loop') === true;
    return await Promise.resolve({ format: 'onnx', directory, main: 'model.onnx', files: written.map((file) => ({ path: basename(file.path), sizeBytes: file.sizeBytes })), metadata, ...(loops ? { longWork: 'it has loops' } : {}) });
  } finally {
    source.close();
  }
}

/** The model of an archive in memory; `name` is the file, for messages. Throws `INVALID_MODEL` naming the operator and the line of the archive's code. */
export function importTorchScript(bytes: Uint8Array, name: string, options: ImportOptions = {}): ModelProto {
  return convert(() => importProgram(ScriptArchive.open(bytesSource(bytes, name)), options), name);
}

function convert<T>(build: () => T, name: string): T {
  try {
    return build();
  } catch (error) {
    if (error instanceof RangeError && /call stack/.test(error.message)) throw new ModelportError('INVALID_MODEL', `${name}: the program is nested too deep`, { at: name, cause: error });
    if (!isModelportError(error) || error.message.includes(name)) throw error;
    throw new ModelportError(error.code, `${name}: ${error.message}`, { at: error.at ?? name, cause: error });
  }
}
