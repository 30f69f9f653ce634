// Folds the constants of the models in a folder: NAME.onnx becomes NAME.folded.
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { foldConstants } from '../../dist/onnx/fold-constants.js';
import { readModelFile } from '../../dist/onnx/read-model.js';
import { removeDeadCode } from '../../dist/onnx/remove-dead-code.js';
import { shareSubexpressions } from '../../dist/onnx/share-subexpressions.js';
import { writeModelFile } from '../../dist/onnx/write-model-file.js';

const [directory] = process.argv.slice(2);
for (const name of readdirSync(directory).filter((name) => name.endsWith('.onnx'))) {
  const path = join(directory, name);
  writeModelFile(removeDeadCode(shareSubexpressions(foldConstants(readModelFile(path)))), path.replace(/\.onnx$/, '.folded'));
}
