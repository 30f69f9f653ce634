/** Writes `docs/cli.md` from the definitions of the commands. `--check` only tells whether it is current. Run after a build: `npm run docs:cli`. */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { commandLineDocumentation } from '../dist/commands/command-line-documentation.js';
import { createProgram } from '../dist/commands/program.js';

const path = join(import.meta.dirname, '..', 'docs', 'cli.md');
const content = commandLineDocumentation(createProgram());
if (process.argv.includes('--check')) {
  if (readFileSync(path, 'utf8') !== content) {
    console.error('docs/cli.md is not what the commands say: run npm run docs:cli');
    process.exitCode = 1;
  }
} else {
  writeFileSync(path, content);
  console.log('wrote docs/cli.md');
}
