/**
 * Imports TorchScript archives of the programs of torch_cases.py, traced and scripted, and compares the answers with torch, at two batch sizes from one
 * import. Both are compared with torch in float64: the largest difference may be a few times torch's own. Writes scripts/parity/results/torchscript.json,
 * which is also where a run that was stopped goes on, and the tables in docs/torchscript-coverage.md. Exit code 1 where an answer is wrong.
 *
 *     node scripts/parity/torchscript.mjs [--python PYTHON] [--only TEXT,TEXT] [--again] [--refused] [--large] [--label NAME] [--keep FOLDER]
 *
 * MODELPORT_TORCH_PYTHON names a Python with torch, torchvision, timm and transformers (default: python3). --refused tries again what was not equal.
 * --results names another file of results, for several runs at once; --dist another build.
 * --label keeps the results of another version of torch apart. --keep leaves the last archive and its samples in a folder.
 */
import { spawn } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { parseArgs } from 'node:util';

const { values: options } = parseArgs({ options: { python: { type: 'string' }, only: { type: 'string' }, again: { type: 'boolean' }, refused: { type: 'boolean' }, large: { type: 'boolean' }, label: { type: 'string', default: '' }, keep: { type: 'string' }, dist: { type: 'string' }, results: { type: 'string' } } });
const root = join(import.meta.dirname, '../..');
const dist = options.dist ?? join(root, 'dist');
const { Call } = await import(join(dist, 'call.js'));
const { torchScript } = await import(join(dist, 'importers/torchscript/torchscript.js'));
const { default: onnxRuntime } = await import(join(dist, 'runtimes/onnx/onnx-runtime.js'));
const resultsFile = options.results ?? join(root, 'scripts/parity/results/torchscript.json');
const documentation = join(root, 'docs/torchscript-coverage.md');
const folder = options.keep ?? mkdtempSync(join(tmpdir(), 'modelport-torchscript-'));
mkdirSync(folder, { recursive: true });
const python = options.python ?? process.env.MODELPORT_TORCH_PYTHON ?? 'python3';

function readResults() {
  try {
    return JSON.parse(readFileSync(resultsFile, 'utf8'));
  } catch {
    return { versions: {}, rows: {} };
  }
}

const arrays = { float32: ['FP32', Float32Array], float64: ['FP64', Float64Array], int64: ['INT64', BigInt64Array], int32: ['INT32', Int32Array], int16: ['INT16', Int16Array], int8: ['INT8', Int8Array], uint8: ['UINT8', Uint8Array], bool: ['BOOL', Uint8Array], float16: ['FP16', Uint16Array] };
function unpack(bytes, { shape, dtype, offset, bytes: length }) {
  const [datatype, Elements] = arrays[dtype] ?? [];
  if (datatype === undefined) throw new Error(`samples of ${dtype} are not compared`);
  return { datatype, shape, data: new Elements(bytes.buffer.slice(bytes.byteOffset + offset, bytes.byteOffset + offset + length)) };
}

/** The difference may be this many times torch's own, or this part of the largest number. */
const timesTorch = 8;
const leastPart = 4e-6;
const number = (value) => Number(value);

function compareOutput(given, single, double, worst) {
  if (given === undefined) return 'an output is missing';
  if (given.shape.join() !== double.shape.join()) return `an answer is [${given.shape}] instead of [${double.shape}]`;
  if (given.datatype !== single.datatype) return `an answer is ${given.datatype} instead of ${single.datatype}`;
  if (given.datatype === 'FP16') return 'half floats are not compared';
  const isFloat = given.datatype.startsWith('FP');
  let scale = 0;
  for (const value of double.data) if (Number.isFinite(number(value))) scale = Math.max(scale, Math.abs(number(value)));
  scale = Math.max(scale, 1e-30);
  let difference = 0;
  let torchDifference = 0;
  for (let index = 0; index < double.data.length; index++) {
    const [own, float32, exact] = [number(given.data[index]), number(single.data[index]), number(double.data[index])];
    if (Object.is(own, float32) || own === float32) continue;
    if (!isFloat) return `a whole number is ${own} instead of ${float32}`;
    if (!Number.isFinite(own) || !Number.isFinite(exact)) return `a number is ${own} instead of ${float32}`;
    difference = Math.max(difference, Math.abs(own - exact) / scale);
  }
  for (let index = 0; index < double.data.length; index++) if (Number.isFinite(number(double.data[index]))) torchDifference = Math.max(torchDifference, Math.abs(number(single.data[index]) - number(double.data[index])) / scale);
  worst.difference = Math.max(worst.difference, difference);
  worst.torchDifference = Math.max(worst.torchDifference, torchDifference);
  if (difference > Math.max(timesTorch * torchDifference, leastPart) && (!worst.exact ? difference > 2e-5 : true)) return `the largest difference is ${difference.toExponential(1)}, torch's ${torchDifference.toExponential(1)}`;
  // The best of each row, where rows are scores.
  const width = given.shape.at(-1) ?? 1;
  if (isFloat && given.shape.length === 2 && width > 1) {
    for (let start = 0; start + width <= given.data.length; start += width) {
      const best = (data) => data.subarray(start, start + width).reduce((at, value, index, all) => (value > all[at] ? index : at), 0);
      const [a, b] = [best(given.data), best(double.data)];
      if (a !== b && Math.abs(number(double.data[start + a]) - number(double.data[start + b])) / scale > Math.max(timesTorch * torchDifference, leastPart)) return 'another class is the best';
    }
  }
  return undefined;
}

async function attempt({ file, samples, batchAxes }, bytes, declared) {
  const output = join(folder, 'imported');
  rmSync(output, { recursive: true, force: true });
  mkdirSync(output);
  const notes = [];
  const began = performance.now();
  const inputs = declared ? samples.find((sample) => sample.inputs !== undefined)?.inputs.map(({ shape, dtype }, index) => ({ datatype: arrays[dtype][0], shape: shape.map((size, axis) => (batchAxes[index] === axis ? 'batch' : size)) })) : undefined;
  const imported = await torchScript.import({ format: 'unknown', directory: folder, main: file, files: [], metadata: {} }, output, { note: (sentence) => notes.push(sentence), ...(inputs === undefined ? {} : { inputs }) });
  const importSeconds = (performance.now() - began) / 1000;
  const model = await onnxRuntime.load(imported, { threads: 1, parameters: {} });
  const worst = { difference: 0, torchDifference: 0, exact: true };
  let compared = 0;
  let fixed;
  try {
    const { inputs: specs, outputs: outputSpecs } = model.signature;
    for (const sample of samples) {
      if (sample.raises !== undefined) continue;
      if (specs.length !== sample.inputs.length) throw Object.assign(new Error(`the model has ${specs.length} inputs instead of ${sample.inputs.length}`), { shapes: true });
      const tensors = sample.inputs.map((input) => unpack(bytes, input));
      const unfit = specs.findIndex((spec, index) => spec.shape.length !== tensors[index].shape.length || spec.shape.some((size, axis) => typeof size === 'number' && size >= 0 && size !== tensors[index].shape[axis]));
      if (unfit !== -1) {
        if (sample.batch !== 2 && compared > 0) {
          fixed = notes.find((note) => note.startsWith('The size')) ?? `the input ${specs[unfit].name} is [${specs[unfit].shape}]`;
          continue;
        }
        throw Object.assign(new Error(`the input ${specs[unfit].name} is [${specs[unfit].shape}], not [${tensors[unfit].shape}]`), { shapes: true });
      }
      worst.exact = sample.exact;
      const response = await model.infer({ inputs: new Map(specs.map((spec, index) => [spec.name, tensors[index]])) }, new Call());
      if (outputSpecs.length !== sample.outputs.length) return { outcome: 'wrong', reason: `there are ${outputSpecs.length} outputs instead of ${sample.outputs.length}` };
      for (const [index, { float32, float64 }] of sample.outputs.entries()) {
        const problem = compareOutput(response.outputs.get(outputSpecs[index].name), unpack(bytes, float32), unpack(bytes, float64), worst);
        if (problem !== undefined) return { outcome: 'wrong', reason: `batch ${sample.batch}: ${problem}`, importSeconds };
      }
      compared++;
    }
  } finally {
    await model[Symbol.asyncDispose]();
  }
  const raises = samples.find((sample) => sample.raises !== undefined);
  const measured = { importSeconds: Number(importSeconds.toFixed(2)), difference: worst.difference, torchDifference: worst.torchDifference, inputs: declared ? 'declared' : 'guessed' };
  if (compared === 0) return { outcome: 'missing', reason: `torch itself cannot run it: ${raises?.raises}` };
  if (fixed !== undefined) return { outcome: 'one batch size', reason: fixed, ...measured };
  if (raises !== undefined) return { outcome: 'one batch size', reason: `torch too: ${raises.raises}`, ...measured };
  return { outcome: 'equal', ...measured };
}

async function compare(sample) {
  const bytes = readFileSync(join(folder, 'samples.bin'));
  const failure = (error) => {
    if (error.code === 'INVALID_MODEL' || error.code === 'INVALID_USAGE' || error.code === 'UNSUPPORTED') return { outcome: 'refused', reason: error.message.replace(/^model\.pt: /, '') };
    return { outcome: 'failed', reason: (error.isModelportError === true ? error.message : error.stack).slice(0, 600) };
  };
  let guessed;
  try {
    guessed = await attempt(sample, bytes, false);
    if (guessed.outcome === 'equal' || guessed.outcome === 'wrong' || guessed.outcome === 'missing') return guessed;
  } catch (error) {
    guessed = error.shapes === true ? undefined : failure(error);
  }
  try {
    const declared = await attempt(sample, bytes, true);
    return declared.outcome === 'failed' && guessed?.outcome === 'one batch size' ? guessed : declared;
  } catch (error) {
    return guessed?.outcome === 'one batch size' ? guessed : failure(error);
  }
}

function writeTables(results) {
  let text;
  try {
    text = readFileSync(documentation, 'utf8');
  } catch {
    return;
  }
  const all = Object.entries(results.rows).map(([key, row]) => ({ ...row, key, ...parse(key) }));
  const groups = [...new Set(all.map(({ section }) => section))];
  const counts = groups.map((section) => {
    const rows = all.filter((row) => row.section === section && row.outcome !== 'missing');
    const count = (outcome) => rows.filter((row) => row.outcome === outcome).length;
    return `| ${section} | ${rows.length} | ${count('equal')} | ${count('one batch size')} | ${count('refused')} | ${count('failed')} | ${count('wrong')} |`;
  });
  const versions = Object.entries(results.versions).map(([label, known]) => `${label === '' ? '' : `${label}: `}${Object.entries(known).map(([name, version]) => `${name} ${version}`).join(', ')}`);
  const dates = all.map(({ date }) => date).toSorted((left, right) => (left < right ? -1 : 1));
  const escape = (text) => text.replaceAll('|', '\\|').replaceAll('<', '\\<').split('\n')[0];
  const table = [
    `Run ${dates[0]}${dates.at(-1) === dates[0] ? '' : ` to ${dates.at(-1)}`} with ${versions.join('; ')}.`,
    '',
    '| | programs | equal at two batch sizes | one batch size (as traced) | refused | fails to run | silently wrong |',
    '|---|---|---|---|---|---|---|',
    ...counts,
    '',
    '## Not equal at two batch sizes',
    '',
    '| program | result | why |',
    '|---|---|---|',
    ...all.filter(({ outcome }) => outcome !== 'equal').map(({ key, outcome, reason }) => `| ${escape(key)} | ${outcome} | ${escape(reason ?? '')} |`),
    '',
    '## Equal',
    '',
    ...groups.map((section) => `**${section}**: ${all.filter((row) => row.section === section && row.outcome === 'equal').map(({ name }) => name).join(', ')}\n`),
  ].join('\n');
  const marked = /(<!-- parity: written by scripts\/parity\/torchscript.mjs -->\n)[\s\S]*?(\n<!-- end of parity -->)/;
  if (marked.test(text)) writeFileSync(documentation, text.replace(marked, (_, begin, end) => `${begin}\n${table}\n${end}`));
}

function parse(key) {
  const match = /^(.*?)(traced|scripted|frozen) ([\w ]+): (.*)$/.exec(key);
  return { section: `${match[3]}, ${match[2]}${match[1] === '' ? '' : ` (${match[1].trim()})`}`, name: match[4] };
}

const results = readResults();
const child = spawn(python, [join(import.meta.dirname, 'torchscript.py'), folder], { stdio: ['pipe', 'pipe', 'inherit'], env: { ...process.env, OMP_NUM_THREADS: '1' } });
const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
const next = async () => {
  for (;;) {
    const { value, done } = await lines.next();
    if (done) throw new Error(`${python} ended; does it have torch, torchvision, timm and transformers?`);
    if (value.startsWith('{')) return JSON.parse(value);
  }
};
const prefix = options.label === '' ? '' : `${options.label} `;
const { versions, keys } = await next();
results.versions[options.label] = versions;
const save = () => {
  mkdirSync(join(root, 'scripts/parity/results'), { recursive: true });
  writeFileSync(`${resultsFile}.part`, `${JSON.stringify(results, undefined, 1)}\n`);
  renameSync(`${resultsFile}.part`, resultsFile);
};
for (const [key, isLarge] of keys) {
  const known = results.rows[prefix + key];
  if ((isLarge && options.large !== true) || (options.only !== undefined && !options.only.split(',').some((part) => key.includes(part)))) continue;
  if (known !== undefined && options.again !== true && !(options.refused === true && known.outcome !== 'equal')) continue;
  child.stdin.write(`${key}\n`);
  const sample = await next();
  const result = sample.missing !== undefined ? { outcome: 'missing', reason: sample.missing } : await compare(sample);
  console.log(`${key}: ${result.outcome}${result.reason === undefined ? '' : ` (${result.reason})`} ${JSON.stringify({ ...result, outcome: undefined, reason: undefined })}`);
  results.rows[prefix + key] = { ...result, ...(sample.bytes === undefined ? {} : { megabytes: Number((sample.bytes / 1e6).toFixed(1)) }), date: new Date().toISOString().slice(0, 10) };
  save();
}
child.stdin.end();
if (options.keep === undefined) rmSync(folder, { recursive: true, force: true });
writeTables(results);
const rows = Object.values(results.rows);
console.log(`${rows.length} programs: ${['equal', 'one batch size', 'refused', 'failed', 'wrong', 'missing'].map((outcome) => `${rows.filter((row) => row.outcome === outcome).length} ${outcome}`).join(', ')}`);
process.exitCode = rows.some(({ outcome }) => outcome === 'wrong') ? 1 : 0;
