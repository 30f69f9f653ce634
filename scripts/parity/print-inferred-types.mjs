// Prints, as JSON by file name, the types that our shape inference finds for the outputs of the models in a folder.
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { inferModel } from '../../dist/onnx/infer-shapes.js';
import { readModelFile } from '../../dist/onnx/read-model.js';

const plain = (type) => {
  if (type === undefined) return null;
  if (type.kind === 'tensor' || type.kind === 'sparse') {
    return [type.kind, type.elementType, type.shape?.map((size) => (typeof size === 'string' && size.includes('?') ? null : size)) ?? null];
  }
  if (type.kind === 'map') return ['map', type.key, plain(type.value)];
  return [type.kind, plain(type.element)];
};

const [directory] = process.argv.slice(2);
const results = {};
for (const name of readdirSync(directory).filter((name) => name.endsWith('.onnx'))) {
  try {
    const model = readModelFile(join(directory, name));
    const { graphs, problems } = inferModel(model);
    const known = graphs.get(model.graph);
    results[name] = { outputs: model.graph.output.map((output) => plain(known.get(output.name)?.type)), problems };
  } catch (error) {
    results[name] = { error: error.stack ?? String(error) };
  }
}
process.stdout.write(JSON.stringify(results));
