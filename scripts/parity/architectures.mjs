/**
 * Imports state dicts of every architecture with random weights and compares the answers with torch, at two batch sizes (and two sizes of pictures, where any
 * is taken) from one import. Both are compared with torch in float64: the largest difference may be a few times torch's own. Writes
 * scripts/parity/results/architectures.json, which is also where a run that was stopped goes on, and the table in docs/architectures.md.
 * Exit code 1 where an answer differs.
 *
 *     node scripts/parity/architectures.mjs [--python PYTHON] [--only TEXT] [--again]
 *
 * MODELPORT_TORCH_PYTHON names a Python with torch and torchvision (default: python3), for EfficientNet-Lite also efficientnet-lite-pytorch.
 */
import { spawn } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { parseArgs } from 'node:util';
import { Call } from '../../dist/call.js';
import { architectures } from '../../dist/importers/state-dict/architectures/index.js';
import { stateDict } from '../../dist/importers/state-dict/state-dict.js';
import onnxRuntime from '../../dist/runtimes/onnx/onnx-runtime.js';

const { values: options } = parseArgs({ options: { python: { type: 'string' }, only: { type: 'string' }, again: { type: 'boolean' } } });
const root = join(import.meta.dirname, '../..');
const resultsFile = join(root, 'scripts/parity/results/architectures.json');
const documentation = join(root, 'docs/architectures.md');
const folder = mkdtempSync(join(tmpdir(), 'modelport-architectures-'));
const python = options.python ?? process.env.MODELPORT_TORCH_PYTHON ?? 'python3';

function readResults() {
  try {
    return JSON.parse(readFileSync(resultsFile, 'utf8'));
  } catch {
    return { versions: {}, rows: {} };
  }
}

const unpack = ({ shape, base64 }, array) => {
  const bytes = Buffer.from(base64, 'base64');
  return { shape, data: new array(bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.byteLength)) };
};
const largest = (values) => values.reduce((most, value) => (Number.isNaN(value) ? Infinity : Math.max(most, value)), 0);

/** The difference may be this many times torch's own, or this part of the largest logit. */
const timesTorch = 8;
const leastPart = 2e-6;

async function compare({ file, samples, parameters }) {
  const output = join(folder, 'imported');
  rmSync(output, { recursive: true, force: true });
  mkdirSync(output);
  const name = file.replace(/\.pth$/, '');
  const began = performance.now();
  const imported = await stateDict.import({ format: 'unknown', directory: folder, main: file, files: [], metadata: {} }, output, { architecture: name });
  const importSeconds = (performance.now() - began) / 1000;
  const model = await onnxRuntime.load(imported, { threads: 1, parameters: {} });
  let difference = 0;
  let torchDifference = 0;
  let labels = 0;
  let rows = 0;
  let spread = Infinity;
  try {
    for (const sample of samples) {
      const input = unpack(sample.input, Float32Array);
      const single = unpack(sample.float32, Float32Array);
      const double = unpack(sample.float64, Float64Array);
      const response = await model.infer({ inputs: new Map([['image', { datatype: 'FP32', ...input }]]) }, new Call());
      const { shape, data } = response.outputs.get('logits');
      if (shape.join() !== double.shape.join()) return { outcome: 'wrong', reason: `the answer is [${shape}] instead of [${double.shape}]` };
      const scale = largest(Array.from(double.data, Math.abs));
      difference = Math.max(difference, largest(Array.from(double.data, (value, index) => Math.abs(value - data[index]))) / scale);
      torchDifference = Math.max(torchDifference, largest(Array.from(double.data, (value, index) => Math.abs(value - single.data[index]))) / scale);
      const [batch, classes] = shape;
      for (let row = 0; row < batch; row++) {
        const best = (values) => values.subarray(row * classes, (row + 1) * classes).reduce((at, value, index, all) => (value > all[at] ? index : at), 0);
        rows++;
        if (best(data) === best(double.data)) labels++;
        // Rows that hardly differ would hide a mistake.
        if (row > 0) spread = Math.min(spread, largest(Array.from({ length: classes }, (_, index) => Math.abs(double.data[row * classes + index] - double.data[(row - 1) * classes + index]))) / scale);
      }
    }
  } finally {
    await model[Symbol.asyncDispose]();
  }
  const measured = { parameters, importSeconds: Number(importSeconds.toFixed(2)), difference, torchDifference, spread: Number(spread.toPrecision(2)) };
  if (torchDifference > 1e-3) return { outcome: 'weak', reason: `torch in float32 itself differs by ${torchDifference.toExponential(1)}`, ...measured };
  if (spread < 1e-3) return { outcome: 'weak', reason: 'the answers of two pictures hardly differ', ...measured };
  if (labels < rows) return { outcome: 'wrong', reason: `${rows - labels} of ${rows} rows have another best class`, ...measured };
  if (!(difference <= Math.max(timesTorch * torchDifference, leastPart))) return { outcome: 'wrong', reason: `the largest difference is ${difference.toExponential(1)} of the largest logit, torch's ${torchDifference.toExponential(1)}`, ...measured };
  return { outcome: 'equal', ...measured };
}

function writeTable({ versions, rows }) {
  const list = architectures.map(({ name }) => [name, rows[name]]).filter(([, row]) => row !== undefined);
  const dates = list.map(([, row]) => row.date).sort((left, right) => (left < right ? -1 : 1));
  const table = [
    `${list.length} architectures, ${list.filter(([, row]) => row.outcome === 'equal').length} equal; torch ${versions.torch}, torchvision ${versions.torchvision}, ${dates[0]}${dates.at(-1) === dates[0] ? '' : ` to ${dates.at(-1)}`}.`,
    '',
    '| architecture | family | million parameters | result | largest difference | torch float32 |',
    '|---|---|---|---|---|---|',
    ...list.map(([name, row]) => {
      const { family } = architectures.find((known) => known.name === name);
      return `| ${name} | ${family} | ${row.parameters === undefined ? '' : (row.parameters / 1e6).toFixed(1)} | ${row.outcome}${row.reason === undefined ? '' : `: ${row.reason.replaceAll('|', '\\|')}`} | ${row.difference?.toExponential(1) ?? ''} | ${row.torchDifference?.toExponential(1) ?? ''} |`;
    }),
  ].join('\n');
  let text;
  try {
    text = readFileSync(documentation, 'utf8');
  } catch {
    return;
  }
  const marked = /(<!-- parity: written by scripts\/parity\/architectures.mjs -->)[\s\S]*?(<!-- end of parity -->)/;
  if (marked.test(text)) writeFileSync(documentation, text.replace(marked, (_, begin, end) => `${begin}\n\n${table}\n\n${end}`));
}

const results = readResults();
const wanted = architectures.map(({ name }) => name).filter((name) => (options.only === undefined || name.includes(options.only)) && (options.again === true || results.rows[name] === undefined || results.rows[name].outcome !== 'equal'));
if (wanted.length > 0) {
  const child = spawn(python, [join(import.meta.dirname, 'architectures.py'), folder], { stdio: ['pipe', 'pipe', 'inherit'], env: { ...process.env, OMP_NUM_THREADS: '1' } });
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  const next = async () => {
    const { value, done } = await lines.next();
    if (done) throw new Error(`${python} ended; does it have torch and torchvision?`);
    return JSON.parse(value);
  };
  results.versions = await next();
  for (const name of wanted) {
    child.stdin.write(`${name}\n`);
    const sample = await next();
    const result = sample.missing !== undefined ? { outcome: 'missing', reason: sample.missing } : await compare(sample).catch((error) => ({ outcome: 'failed', reason: error.code === undefined ? error.stack : error.message }));
    console.log(`${name}: ${result.outcome}${result.reason === undefined ? '' : ` (${result.reason})`} ${JSON.stringify({ ...result, outcome: undefined, reason: undefined })}`);
    results.rows[name] = { ...result, date: new Date().toISOString().slice(0, 10) };
    mkdirSync(join(root, 'scripts/parity/results'), { recursive: true });
    writeFileSync(resultsFile, `${JSON.stringify(results, undefined, 1)}\n`);
    rmSync(join(folder, `${name}.pth`), { force: true });
  }
  child.stdin.end();
}
rmSync(folder, { recursive: true, force: true });
writeTable(results);
const rows = Object.values(results.rows);
console.log(`${rows.length} architectures: ${rows.filter(({ outcome }) => outcome === 'equal').length} equal`);
process.exitCode = rows.some(({ outcome }) => outcome === 'wrong' || outcome === 'failed' || outcome === 'weak') ? 1 : 0;
