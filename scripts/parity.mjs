#!/usr/bin/env node
/**
 * Every comparison with the real frameworks: installs them, runs each sweep, and says which differed. Sweeps keep what they have (`scripts/parity/results`)
 * and go on where they stopped; their tables are in docs/.
 *
 *     npm run parity [-- NAME...] [-- --list]
 *
 * Environments are made once under .cache/parity (two Python environments, about 2.6 GB, a few minutes); MODELPORT_SKLEARN_PYTHON and
 * MODELPORT_TORCH_PYTHON name others. PyTorch is the registry's CUDA build without CUDA's own 3 GB, with stubs in their place (needs gcc and readelf).
 */
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync } from 'node:fs';
import { dirname, join } from 'node:path';

const root = join(import.meta.dirname, '..');
const home = join(root, '.cache/parity');

const sklearnPackages = ['scikit-learn==1.9.1', 'lightgbm==4.7.0', 'xgboost==3.2.0', 'catboost==1.2.10', 'pandas==3.1.1', 'joblib==1.6.0', 'scipy==1.17.1', 'imbalanced-learn', 'onnx==1.23.2', 'onnxruntime==1.31.1'];
const torchAlone = ['torch==2.15.0', 'torchvision==0.29.2', 'timm==1.0.31', 'transformers==5.23.0', 'nvidia-cuda-runtime==13.5.37', 'efficientnet-lite-pytorch'];
const torchWith = [
  'filelock', 'typing-extensions', 'setuptools>=77', 'sympy', 'networkx', 'jinja2', 'fsspec', 'numpy==2.4.6', 'pillow', 'huggingface_hub', 'safetensors', 'pyyaml',
  'tokenizers', 'regex', 'tqdm', 'packaging', 'requests', 'sentencepiece', 'protobuf', 'einops', 'onnx==1.23.2', 'onnxruntime==1.31.1', 'onnxscript', 'scipy==1.17.1',
];

const environments = {
  sklearn: { variable: 'MODELPORT_SKLEARN_PYTHON', packages: sklearnPackages, install: (pip) => pip(...sklearnPackages) },
  torch: {
    variable: 'MODELPORT_TORCH_PYTHON',
    packages: [...torchAlone, ...torchWith],
    install: (pip, folder) => {
      pip('--no-deps', ...torchAlone);
      pip(...torchWith);
      const library = readdirSync(join(folder, 'lib')).find((name) => name.startsWith('python3'));
      must(join(folder, 'bin/python'), [join(root, 'scripts/parity/torch_cpu_stubs.py'), join(folder, 'lib', library, 'site-packages/torch/lib')]);
    },
  },
};

const sweeps = [
  { name: 'sklearn', environment: 'sklearn', script: 'sklearn.mjs' },
  { name: 'boosting', environment: 'sklearn', script: 'boosting.mjs', also: 'MODELPORT_BOOSTING_PYTHON' },
  { name: 'torch-export', environment: 'torch', script: 'torch_export.mjs' },
  { name: 'torchscript', environment: 'torch', script: 'torchscript.mjs' },
  { name: 'architectures', environment: 'torch', script: 'architectures.mjs' },
  { name: 'text', environment: 'torch', script: 'text.mjs', also: 'MODELPORT_TEXT_PYTHON' },
  { name: 'tasks', environment: 'torch', script: 'tasks.mjs' },
];

function must(command, args, options = {}) {
  const { status, error } = spawnSync(command, args, { stdio: 'inherit', cwd: root, ...options });
  if (error !== undefined) throw error;
  if (status !== 0) throw new Error(`${command} ${args.slice(0, 3).join(' ')} ended with ${status}`);
}

function pythonOf(name) {
  const { variable, packages, install } = environments[name];
  const given = process.env[variable];
  if (given !== undefined) return given;
  const folder = join(home, name);
  const python = join(folder, 'bin/python');
  // Another list of packages is installed over what is there.
  const done = join(folder, `installed-${createHash('sha256').update(packages.join(' ')).digest('hex').slice(0, 12)}`);
  if (!existsSync(done)) {
    mkdirSync(dirname(folder), { recursive: true });
    console.log(`installing ${name} into ${folder}`);
    if (!existsSync(python)) must('python3', ['-m', 'venv', folder]);
    install((...packages) => must(python, ['-m', 'pip', 'install', '-q', '--disable-pip-version-check', '--no-cache-dir', ...packages]), folder);
    mkdirSync(done);
  }
  return python;
}

const wanted = process.argv.slice(2);
if (wanted.includes('--list')) {
  for (const { name, script } of sweeps) console.log(`${name.padEnd(16)} scripts/parity/${script}`);
  process.exit(0);
}
const unknown = wanted.find((name) => !sweeps.some((sweep) => sweep.name === name));
if (unknown !== undefined) {
  console.error(`there is no sweep '${unknown}': there are ${sweeps.map(({ name }) => name).join(', ')}`);
  process.exit(2);
}
const failed = [];
for (const { name, environment, script, also } of sweeps.filter((sweep) => wanted.length === 0 || wanted.includes(sweep.name))) {
  const python = pythonOf(environment);
  console.log(`\n${name}`);
  const { status } = spawnSync(process.execPath, [join(root, 'scripts/parity', script)], {
    stdio: 'inherit',
    cwd: root,
    env: { ...process.env, [environments[environment].variable]: python, ...(also === undefined ? {} : { [also]: python }) },
  });
  if (status !== 0) failed.push(name);
}
console.log(failed.length === 0 ? '\nNothing differed.' : `\nDiffered or did not end: ${failed.join(', ')}`);
process.exit(failed.length === 0 ? 0 : 1);
