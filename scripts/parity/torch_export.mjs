/**
 * Imports what torch.export saved of every case of torch_cases.py and compares the answers: one row a case. Goes on where it stopped.
 * Usage: npm run parity:torch-export [-- PATTERN] [--again] [--operators] [--table]; --table writes the page alone.
 * MODELPORT_TORCH_PYTHON names a Python that has torch, torchvision, timm, transformers and safetensors.
 * Results: scripts/parity/results/torch-export.json and docs/torch-export-coverage.md.
 */
import { spawn } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, realpathSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { torchExport } from '../../dist/importers/torch-export/torch-export.js';
import { compareFile } from './torch_compare.mjs';
import { writeCoverage } from './torch_coverage.mjs';

const pattern = process.argv[2]?.startsWith('--') === false ? process.argv[2] : '';
const again = process.argv.includes('--again');
/** With --operators: one operator a program, and no table. */
const byOperator = process.argv.includes('--operators');
const resultsFile = new URL(byOperator ? 'results/torch-operators.json' : 'results/torch-export.json', import.meta.url);
const folder = join(tmpdir(), `modelport-parity-torch-export-${process.pid}`);
mkdirSync(folder, { recursive: true });
process.on('exit', () => rmSync(folder, { recursive: true, force: true }));
const results = existsSync(resultsFile) ? JSON.parse(readFileSync(resultsFile, 'utf8')) : { cases: {} };
const done = new Set(Object.keys(results.cases).filter((name) => !(again && new RegExp(pattern).test(name))));

const save = () => {
  // Another run may have written meanwhile.
  const current = existsSync(resultsFile) ? JSON.parse(readFileSync(resultsFile, 'utf8')).cases : {};
  results.cases = Object.fromEntries(Object.entries({ ...current, ...fresh }).sort(([a], [b]) => (a < b ? -1 : 1)));
  results.date = new Date().toISOString().slice(0, 10);
  const beside = new URL(`${resultsFile.href}.${process.pid}`);
  writeFileSync(beside, `${JSON.stringify(results, undefined, 1)}\n`);
  renameSync(beside, realpathSync(existsSync(resultsFile) ? resultsFile : beside));
};
const fresh = {};

for (let attempt = 0; attempt < 20 && !process.argv.includes('--table'); attempt++) {
  const skip = join(folder, 'skip.json');
  writeFileSync(skip, JSON.stringify([...done]));
  let current;
  const python = spawn(process.env['MODELPORT_TORCH_PYTHON'] ?? 'python3', [new URL(byOperator ? 'torch_operators.py' : 'torch_export.py', import.meta.url).pathname, folder, '--only', pattern, '--skip', skip], { stdio: ['pipe', 'pipe', 'ignore'] });
  const code = new Promise((resolve) => python.on('close', resolve));
  for await (const line of createInterface({ input: python.stdout })) {
    if (!line.startsWith('{')) continue;
    const row = JSON.parse(line);
    if (row.begin !== undefined) {
      current = row.begin;
      continue;
    }
    const result = row.error === undefined ? await compareFile(torchExport, row.file, join(folder, 'case.safetensors'), row.batches, {}, byOperator) : { verdict: 'no export', detail: row.error };
    fresh[row.case] = { verdict: result.verdict, ...(result.detail === undefined ? {} : { detail: result.detail.replaceAll(/\s+/g, ' ').slice(0, 300) }), batches: row.batches?.length ?? 0, ...(result.noise === undefined ? {} : { noise: Number(result.noise.toPrecision(2)) }), bytes: row.bytes, importMs: result.importMs };
    console.log(`${result.verdict.padEnd(9)} ${row.case} ${row.batches?.length === 1 ? '(fixed batch) ' : ''}${result.importMs ?? ''} ${result.detail ?? ''}`);
    done.add(row.case);
    save();
    current = undefined;
    python.stdin.write('\n');
  }
  await code;
  if (current === undefined) break;
  // It died over this one (memory): the rest goes on without it.
  fresh[current] = { verdict: 'no export', detail: 'torch died', batches: 0 };
  done.add(current);
  save();
}
const introduction = `    program = torch.export.export(model.eval(), (example,), dynamic_shapes={'x': {0: torch.export.Dim('batch')}})
    torch.export.save(program, 'model.pt2')

Sizes that you name in \`dynamic_shapes\` vary in the import; all others are those of the example. Names of inputs are the program's; outputs are called by the keys of a dict or
dataclass, else \`output\`. The layout of PyTorch 2.15 is read, and the two before it (tried with programs of 2.15 in those layouts). Nothing in them is run.

Buffers that a program changes are its state: inputs and outputs of the import (see [pytorch.md](pytorch.md)).

Refused by name, with the line of the program: normalization and dropout in training, random numbers, parameters that a program changes, complex numbers and Fourier
transforms, detection operators (NMS, RoIAlign, deformable convolution), custom operators and classes, sparse and quantized tensors, mixed precision, and reading a tensor
that perhaps shares memory with one that was written.

`;
if (!byOperator && (process.argv.includes('--table') || Object.keys(fresh).length > 0)) writeCoverage(results.cases, new URL('../../docs/torch-export-coverage.md', import.meta.url), 'torch.export', introduction);
process.exitCode = Object.values(results.cases).some(({ verdict }) => verdict === 'WRONG') ? 1 : 0;
