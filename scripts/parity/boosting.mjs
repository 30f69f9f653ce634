/**
 * Imports the models that boosting.py writes, runs them, and compares with what the frameworks answer: numbers within 1e-5
 * relative, labels equal. Writes docs/boosting-coverage.md. Exit code 1 where an answer differs: a model must be refused rather.
 *
 *     npm run parity:boosting [-- --python PYTHON] [--keep FOLDER] [--only TEXT]
 *
 * MODELPORT_BOOSTING_PYTHON names a Python with xgboost, lightgbm, catboost and pandas (default: python3).
 */
import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { Call } from '../../dist/call.js';
import { catboost } from '../../dist/importers/catboost/catboost.js';
import { lightgbm } from '../../dist/importers/lightgbm/lightgbm.js';
import { xgboost } from '../../dist/importers/xgboost/xgboost.js';
import onnxRuntime from '../../dist/runtimes/onnx/onnx-runtime.js';

const { values: options } = parseArgs({ options: { python: { type: 'string' }, keep: { type: 'string' }, only: { type: 'string' } } });
const importers = { xgboost, lightgbm, catboost };
const root = join(import.meta.dirname, '../..');
const folder = options.keep ?? mkdtempSync(join(tmpdir(), 'modelport-boosting-'));

if (options.keep === undefined) {
  const python = options.python ?? process.env.MODELPORT_BOOSTING_PYTHON ?? 'python3';
  const { status } = spawnSync(python, [join(import.meta.dirname, 'boosting.py'), folder], { stdio: 'inherit' });
  if (status !== 0) process.exit(status ?? 1);
}

function unpack({ shape, base64, texts }) {
  if (texts !== undefined) return { shape, data: texts };
  const bytes = Buffer.from(base64, 'base64');
  return { shape, data: new Float64Array(bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.byteLength)) };
}

/** Relative to each number; near zero relative to the largest, of which a sum in float32 keeps seven digits and one in float64 fifteen. */
function differences(found, expected, datatype) {
  const scale = Math.max(...expected.filter(Number.isFinite).map(Math.abs), 0);
  const least = scale * (datatype === 'FP64' ? 1e-8 : 0.05);
  return Array.from(expected, (wanted, index) => {
    const given = Number(found[index]);
    if (given === wanted || Object.is(given, wanted)) return 0;
    const difference = Math.abs(given - wanted) / Math.max(Math.abs(wanted), least, Number.MIN_VALUE);
    return Number.isNaN(difference) ? Infinity : difference;
  });
}

async function run(sample) {
  const importer = importers[sample.framework];
  const artifact = { format: 'unknown', directory: folder, main: sample.file, files: [], metadata: {} };
  const bytes = readFileSync(join(folder, sample.file));
  for (const [name, other] of Object.entries(importers)) if (other.accepts(bytes.subarray(0, 1 << 16), bytes.length) !== (name === sample.framework)) return { outcome: 'wrong', reason: `${name} ${name === sample.framework ? 'does not accept' : 'accepts'} it` };
  let imported;
  try {
    imported = await importer.import(artifact, join(folder, 'imported', `${sample.framework}-${sample.name}`));
  } catch (error) {
    if (sample.refused !== undefined && error.code === 'INVALID_MODEL' && error.message.includes(sample.refused)) return { outcome: 'refused', reason: error.message };
    return { outcome: 'failed', reason: error.code === 'INVALID_MODEL' ? error.message : error.stack };
  }
  if (sample.refused !== undefined) return { outcome: 'wrong', reason: 'it should be refused' };
  const model = await onnxRuntime.load(imported, { threads: 1, parameters: {} });
  try {
    const input = model.signature.inputs[0];
    const rows = unpack(sample.rows);
    const data = input.datatype === 'FP64' ? rows.data : Float32Array.from(rows.data);
    const { outputs } = await model.infer({ inputs: new Map([[input.name, { datatype: input.datatype, shape: rows.shape, data }]]) }, new Call());
    let largest = 0;
    for (const name of ['prediction', 'probabilities', 'label']) {
      if (sample[name] === undefined) {
        if (outputs.has(name)) return { outcome: 'wrong', reason: `it has an output '${name}'` };
        continue;
      }
      const expected = unpack(sample[name]);
      const found = outputs.get(name);
      if (found === undefined) return { outcome: 'wrong', reason: `it has no output '${name}', but ${[...outputs.keys()].join(', ')}` };
      if (found.shape.join() !== expected.shape.join()) return { outcome: 'wrong', reason: `'${name}' is [${found.shape}] instead of [${expected.shape}]` };
      if (name === 'label') {
        const texts = typeof expected.data[0] === 'string';
        const labels = Array.from(found.data, (label) => (label instanceof Uint8Array ? Buffer.from(label).toString() : String(label)));
        const row = labels.findIndex((label, index) => (texts ? label !== expected.data[index] : Number(label) !== expected.data[index]));
        if (row !== -1) return { outcome: 'wrong', reason: `label ${row} is ${labels[row]} instead of ${expected.data[row]}` };
      } else {
        const all = differences(found.data, expected.data, found.datatype);
        const wrong = all.flatMap((difference, index) => (difference <= 1e-5 ? [] : [index]));
        largest = Math.max(largest, ...all);
        if (wrong.length > 0) {
          const examples = wrong.slice(0, 3).map((index) => `${index}: ${found.data[index]} instead of ${expected.data[index]}`);
          return { outcome: 'wrong', reason: `'${name}' differs by ${largest} in ${wrong.length} of ${all.length}: ${examples.join('; ')}` };
        }
      }
    }
    return { outcome: 'equal', largest };
  } finally {
    await model[Symbol.asyncDispose]();
  }
}

const { versions, cases } = JSON.parse(readFileSync(join(folder, 'cases.json'), 'utf8'));
const results = [];
for (const sample of cases) {
  if (options.only !== undefined && !`${sample.framework}/${sample.name}`.includes(options.only)) continue;
  const result = await run(sample).catch((error) => ({ outcome: 'failed', reason: error.stack }));
  results.push({ ...sample, ...result });
  if (result.outcome === 'wrong' || result.outcome === 'failed') console.log(`${result.outcome} ${sample.framework}/${sample.name}: ${result.reason}`);
}
const count = (outcome, framework) => results.filter((result) => result.outcome === outcome && (framework === undefined || result.framework === framework)).length;
console.log(`${results.length} models: ${count('equal')} equal, ${count('refused')} refused as they should be, ${count('failed')} not imported, ${count('wrong')} wrong`);

if (options.only === undefined) {
  const date = new Date().toISOString().slice(0, 10);
  const lines = [
    '# XGBoost, LightGBM, CatBoost: what was compared',
    '',
    `Written by \`npm run parity:boosting\` on ${date}. Each row is a small model that the framework trained and saved; it was imported and run on rows with missing, infinite and huge numbers and with numbers on, and one step beside, the thresholds of its trees. *Equal* means: every label, and every number within 1e-5 relative (near zero: relative to a twentieth of the largest number where the answer is float32, as XGBoost's are; to 1e-8 of it where it is float64); the last column is the largest relative difference.`,
    '',
    '| framework | version | models | equal | refused, as they should be | not imported | wrong |',
    '|---|---|---|---|---|---|---|',
    ...Object.keys(importers).map((name) => `| ${name} | ${versions[name]} | ${results.filter((result) => result.framework === name).length} | ${count('equal', name)} | ${count('refused', name)} | ${count('failed', name)} | ${count('wrong', name)} |`),
    '',
    '| model | result | largest difference |',
    '|---|---|---|',
    ...results.map(({ framework, name, outcome, largest, reason }) => `| ${framework} ${name} | ${outcome}${outcome === 'equal' ? '' : `: ${reason.replace(/^.*?: /, '').split('\n')[0].replaceAll('|', '\\|')}`} | ${largest === undefined ? '' : largest.toExponential(1)} |`),
    '',
  ];
  mkdirSync(join(root, 'docs'), { recursive: true });
  writeFileSync(join(root, 'docs/boosting-coverage.md'), lines.join('\n'));
}
if (options.keep === undefined) rmSync(folder, { recursive: true });
process.exitCode = count('wrong') + count('failed') > 0 ? 1 : 0;
