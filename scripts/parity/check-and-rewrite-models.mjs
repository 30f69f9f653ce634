// For each model in a folder: prints, as JSON by file name, what our checker finds; writes it again as NAME.rewritten and, with its weights beside it, as NAME.split.onnx.
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { checkModel } from '../../dist/onnx/check-model.js';
import { readModelFile } from '../../dist/onnx/read-model.js';
import { writeModelFile } from '../../dist/onnx/write-model-file.js';

const [directory] = process.argv.slice(2);
const results = {};
for (const name of readdirSync(directory).filter((name) => name.endsWith('.onnx'))) {
  try {
    const path = join(directory, name);
    const model = readModelFile(path);
    results[name] = checkModel(model).map((problem) => problem.message);
    writeModelFile(model, `${path}.rewritten`);
    writeModelFile(model, path.replace(/\.onnx$/, '.split.onnx'), { externalData: { leastBytes: 1 } });
  } catch (error) {
    results[name] ??= [error.stack ?? String(error)];
  }
}
process.stdout.write(JSON.stringify(results));
