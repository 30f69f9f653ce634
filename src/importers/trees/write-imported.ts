/** Writes what was imported, as the artifact that a runtime takes. */
import { mkdirSync } from 'node:fs';
import { basename, join } from 'node:path';
import type { Artifact } from '../../artifact.ts';
import type { ModelProto } from '../../onnx/model-proto.ts';
import { writeModelFile } from '../../onnx/write-model-file.ts';

/** Writes `model.onnx` into the folder, which is made where it is missing. Throws `INVALID_USAGE` where it cannot be written. */
export function writeImported(model: ModelProto, directory: string): Artifact {
  mkdirSync(directory, { recursive: true });
  const written = writeModelFile(model, join(directory, 'model.onnx'));
  return {
    format: 'onnx',
    directory,
    main: 'model.onnx',
    files: written.map(({ path, sizeBytes }) => ({ path: basename(path), sizeBytes })),
    metadata: Object.fromEntries(model.metadataProps.map(({ key, value }) => [key ?? '', value ?? ''])),
  };
}
