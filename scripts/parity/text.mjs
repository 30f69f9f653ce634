/**
 * Makes the tokenizers and the tiny text models anew and compares everything in full: ids, type ids, offsets and decoded text of
 * every tokenizer on the whole corpus, and the answers of every task. Exit code 1 where something differs.
 *
 *     npm run parity:text [-- --python PYTHON]
 *
 * MODELPORT_TEXT_PYTHON names a Python with torch, transformers, tokenizers, sentencepiece, onnx and onnxruntime (default: python3).
 */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { characterPositions } from '../../dist/tasks/text/text-value.js';
import { Tokenizer } from '../../dist/tasks/text/tokenizer.js';

const { values: options } = parseArgs({ options: { python: { type: 'string' } } });
const python = options.python ?? process.env.MODELPORT_TEXT_PYTHON ?? 'python3';
const folder = mkdtempSync(join(tmpdir(), 'modelport-text-parity-'));
const root = join(import.meta.dirname, '../..');

function must(command, args, env = {}) {
  const { status } = spawnSync(command, args, { stdio: 'inherit', cwd: root, env: { ...process.env, ...env } });
  if (status !== 0) process.exit(status ?? 1);
}

must(python, [join(import.meta.dirname, 'text_tokenizers.py'), join(folder, 'tokenizers'), '--full']);
const read = (name) => JSON.parse(readFileSync(join(folder, 'tokenizers', name), 'utf8'));
const { texts, pairs } = read('corpus.json');
let wrong = 0;
for (const [name, rows] of Object.entries(read('full.json'))) {
  const tokenizer = new Tokenizer(read(`${name}.json`));
  let equal = 0;
  for (const [index, [first, second]] of [...texts.map((text) => [text]), ...pairs].entries()) {
    const encoding = tokenizer.encode(first, second === undefined ? {} : { pair: second });
    const positions = [characterPositions(first), characterPositions(second ?? '')];
    const inCharacters = (list) => list.map((place, token) => positions[Math.max(0, encoding.sequences[token])](place));
    const found = [encoding.ids, encoding.typeIds, inCharacters(encoding.starts), inCharacters(encoding.ends), tokenizer.decode(encoding.ids)];
    if (JSON.stringify(found) === JSON.stringify(rows[index])) equal++;
    else console.log(`${name}: ${JSON.stringify(first)}\n  library ${JSON.stringify(rows[index])}\n  ours    ${JSON.stringify(found)}`);
  }
  console.log(`${name.padEnd(16)} ${equal} of ${rows.length} texts equal`);
  wrong += rows.length - equal;
}
must(python, [join(import.meta.dirname, 'tasks_text.py'), join(folder, 'text')]);
must(process.execPath, ['node_modules/vitest/vitest.mjs', 'run', 'test/tasks/text-parity.test.ts'], { MODELPORT_TEXT_FIXTURES: join(folder, 'text') });
rmSync(folder, { recursive: true });
process.exit(wrong === 0 ? 0 : 1);
