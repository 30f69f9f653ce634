/** Programs of `torch.export.save`: `.pt2`. */
import { mkdirSync, statSync } from 'node:fs';
import { basename, join } from 'node:path';
import type { Artifact } from '../../artifact.ts';
import { ModelportError } from '../../errors.ts';
import { fileSource } from '../../formats/byte-source.ts';
import { looksLikeZip } from '../../formats/zip.ts';
import type { Importer, ImportOptions } from '../../importer.ts';
import { foldConstants } from '../../onnx/fold-constants.ts';
import { removeDeadCode } from '../../onnx/remove-dead-code.ts';
import { shareSubexpressions } from '../../onnx/share-subexpressions.ts';
import { writeModelFile } from '../../onnx/write-model-file.ts';
import { openExportArchive } from './archive.ts';
import { buildProgram } from './build-program.ts';
import { readProgram } from './program.ts';

export const torchExport: Importer = { name: 'torch-export', version: 2, accepts, import: importProgram };

/** The names of an archive's first members stand at its beginning, those of all at its end: the first are weights, in a folder of the archive's own. */
function accepts(start: Uint8Array): boolean {
  if (!looksLikeZip(start)) return false;
  const text = Buffer.from(start.buffer, start.byteOffset, start.byteLength).toString('latin1');
  // oxlint-disable-next-line no-control-regex
  return /PK\x03\x04.{26}(?:[^/]{1,255}\/)?(?:data\/weights\/|data\/constants\/|models\/[^/]+\.json|archive_format|data\/sample_inputs\/|serialized_exported_program\.json|serialized_state_dict\.)/s.test(text);
}

async function importProgram(artifact: Artifact, directory: string, options: ImportOptions = {}): Promise<Artifact> {
  if (options.architecture !== undefined) throw new ModelportError('INVALID_USAGE', 'a program of torch.export says its architecture itself: leave --architecture out');
  if (options.inputs !== undefined) throw new ModelportError('INVALID_USAGE', 'a program of torch.export says its inputs itself: leave --input out, and choose sizes that vary with dynamic_shapes when you export');
  if (options.precision !== undefined) throw new ModelportError('INVALID_USAGE', 'a program of torch.export computes in the types that it was exported with: leave --precision out');
  const path = join(artifact.directory, artifact.main);
  const source = fileSource(path);
  try {
    const status = statSync(path);
    const archive = openExportArchive(source, { path, sizeBytes: status.size, modifiedMs: status.mtimeMs });
    options.progress?.('reading the program', 0);
    const program = readProgram(archive.document);
    const built = buildProgram(program, archive, options.note ?? (() => {}), (part) => options.progress?.('building the graph', part * 0.8));
    const model = removeDeadCode(shareSubexpressions(removeDeadCode(foldConstants(built.model))));
    options.progress?.('writing the model', 0.9);
    mkdirSync(directory, { recursive: true });
    const files = writeModelFile(model, join(directory, 'model.onnx'));
    return await Promise.resolve({
      format: 'onnx',
      directory,
      main: 'model.onnx',
      files: files.map((file) => ({ path: basename(file.path), sizeBytes: file.sizeBytes })),
      metadata: Object.fromEntries(model.metadataProps.map(({ key, value }) => [key ?? '', value ?? ''])),
    });
  } catch (error) {
    if (!(error instanceof ModelportError) || error.code !== 'INVALID_MODEL' || error.message.startsWith(path)) throw error;
    throw new ModelportError('INVALID_MODEL', `${path}: ${error.message}`, { cause: error, at: error.at ?? path });
  } finally {
    source.close();
  }
}
