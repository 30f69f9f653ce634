/**
 * Writes what people read about model.yaml from its schema: `schema/model-config.schema.json` for editors and
 * `docs/model-config.md`. `--check` only tells whether they are current. Run after a build: `npm run schema`.
 */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { modelConfigDocumentation, modelConfigJsonSchema } from '../dist/model-config-documentation.js';

const root = join(import.meta.dirname, '..');
const files = {
  'schema/model-config.schema.json': `${JSON.stringify(modelConfigJsonSchema(), undefined, 2)}\n`,
  'docs/model-config.md': modelConfigDocumentation(),
};

for (const [name, content] of Object.entries(files)) {
  const path = join(root, name);
  if (process.argv.includes('--check')) {
    let current = '';
    try {
      current = readFileSync(path, 'utf8');
    } catch {
      // Told below, like one that is old.
    }
    if (current === content) continue;
    console.error(`${name} is not what the schema says: run npm run schema`);
    process.exitCode = 1;
  } else {
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(path, content);
    console.log(`wrote ${name}`);
  }
}
