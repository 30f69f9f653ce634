#!/usr/bin/env node
/**
 * Imported PyTorch weights, TorchScript and exported programs: how long an import takes and how much memory (ResNet-152, in each kind of file, a process each), and
 * how many pictures a second the imported model runs beside torch with the same threads, in turns.
 *
 *     BENCH_TORCH_PYTHON=PYTHON node bench/torch.mjs [NAME...]
 *
 * The Python has torch, torchvision and safetensors. BENCH_SECONDS, BENCH_ROUNDS: as elsewhere. BENCH_ONLY=import or =run: one half.
 */
import { spawn, spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, statSync } from 'node:fs';
import { cpus, loadavg, tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { Call } from '../dist/call.js';
import { stateDict } from '../dist/importers/state-dict/state-dict.js';
import { torchExport } from '../dist/importers/torch-export/torch-export.js';
import { torchScript } from '../dist/importers/torchscript/torchscript.js';
import onnxRuntime from '../dist/runtimes/onnx/onnx-runtime.js';
import { printTable, range, rounds, seconds } from './harness.mjs';

/** Imports one file and prints what it took: the process that does it is started by this same file. */
async function importOnce(folder, file, architecture) {
  const start = performance.now();
  const program = file.endsWith('.pt2') ? torchExport : file.endsWith('.pt') ? torchScript : undefined;
  const [importer, options] = program === undefined ? [stateDict, { architecture }] : [program, {}];
  await importer.import({ format: 'unknown', directory: folder, main: file, files: [], metadata: {} }, join(folder, `imported-${process.pid}`), options);
  console.log(JSON.stringify({ seconds: (performance.now() - start) / 1000, peakMb: process.resourceUsage().maxRSS / 1024 }));
}

if (process.env.BENCH_IMPORT !== undefined) {
  const [folder, file, architecture] = JSON.parse(process.env.BENCH_IMPORT);
  await importOnce(folder, file, architecture);
  process.exit(0);
}

const named = process.argv.slice(2);
const names = named.length > 0 ? named : ['resnet18', 'resnet50', 'mobilenet_v3_large', 'efficientnet_b0', 'densenet121', 'convnext_tiny', 'vit_b_16'];
const half = process.env.BENCH_ONLY;
const folder = mkdtempSync(join(tmpdir(), 'modelport-bench-torch-'));
const child = spawn(process.env.BENCH_TORCH_PYTHON ?? 'python3', [join(import.meta.dirname, 'torch_models.py'), folder, ...(half === 'run' ? [] : ['resnet152']), ...(half === 'import' ? [] : names)], { stdio: ['pipe', 'pipe', 'inherit'] });
const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
const next = async () => {
  const { value, done } = await lines.next();
  if (done) throw new Error('Python ended; does it have torch, torchvision and safetensors?');
  return value;
};

try {
  console.log(`${await next()}; ${cpus().length} cores, load average ${loadavg().map((load) => load.toFixed(1)).join(' ')}`);
  if (half !== 'run') {
    const rows = [];
    for (const file of ['resnet152.pth', 'resnet152-legacy.pth', 'resnet152.safetensors', 'resnet152-traced.pt', 'resnet152-scripted.pt', 'resnet152.pt2']) {
      const sizeMb = statSync(join(folder, file)).size / 2 ** 20;
      const results = Array.from({ length: rounds }, () => {
        const { stdout, status, stderr } = spawnSync(process.execPath, [import.meta.filename], { env: { ...process.env, BENCH_IMPORT: JSON.stringify([folder, file, 'resnet152']) }, encoding: 'utf8' });
        if (status !== 0) throw new Error(stderr);
        return JSON.parse(stdout);
      });
      rows.push([file, sizeMb.toFixed(0), range(results.map((result) => result.seconds), 2), range(results.map((result) => result.peakMb), 0), range(results.map((result) => result.peakMb / sizeMb), 2)]);
    }
    printTable(`import, ${rounds} processes each`, ['file', 'MB', 'seconds', 'peak MB', '÷ file'], rows);
  }
  if (half !== 'import') {
    for (const threads of [1, 2]) {
      for (const batch of [1, 8]) {
        const rows = [];
        for (const name of names) rows.push(await compareOne(name, threads, batch));
        printTable(`pictures a second, ${threads} thread${threads === 1 ? '' : 's'}, batch ${batch}, ${rounds} rounds of ${seconds} s`, ['model', 'modelport', 'torch', 'modelport ÷ torch'], rows);
      }
    }
  }
} finally {
  child.kill();
  rmSync(folder, { recursive: true, force: true });
}

async function compareOne(name, threads, batch) {
  const imported = await stateDict.import({ format: 'state-dict', directory: folder, main: `${name}.pth`, files: [], metadata: {} }, join(folder, name), { architecture: name });
  const model = await onnxRuntime.load(imported, { threads, parameters: {} });
  try {
    const data = Float32Array.from({ length: batch * 3 * 224 * 224 }, Math.random);
    const inputs = new Map([['image', { datatype: 'FP32', shape: [batch, 3, 224, 224], data }]]);
    const own = [];
    const torch = [];
    for (let round = 0; round < rounds; round++) {
      await model.infer({ inputs }, new Call());
      const start = performance.now();
      let runs = 0;
      for (; performance.now() - start < seconds * 1000; runs++) await model.infer({ inputs }, new Call());
      own.push((runs * batch) / ((performance.now() - start) / 1000));
      child.stdin.write(`${name} ${threads} ${batch} ${seconds}\n`);
      torch.push(Number(await next()));
    }
    return [name, range(own, 1), range(torch, 1), range(own.map((value, round) => value / torch[round]), 2)];
  } finally {
    await model[Symbol.asyncDispose]();
  }
}
