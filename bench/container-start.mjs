#!/usr/bin/env node
/**
 * A container with one small ONNX model, beside a FastAPI image built the usual way: what a registry keeps of it, and the time from `runc run` to the first
 * prediction. Both run by runc with equal settings: a root that can't be written, a /tmp in memory, nobody's rights, the host's network; files in the page cache.
 *
 *     node bench/container-start.mjs                    BENCH_ROUNDS=7
 *
 * Needs Linux, root, runc, tar and debootstrap. The other image is what `FROM python:3.11-slim; RUN pip install fastapi uvicorn[standard] onnxruntime` comes to:
 * Debian with its Python 3.11 and no recommended packages, pip's wheels, one file of code; made once below .cache/bench. No compiler, no pip and no cache are in it.
 */
import { execFileSync, spawn, spawnSync } from 'node:child_process';
import { copyFileSync, existsSync, mkdirSync, mkdtempSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { freePort, median, must, printTable, range, root } from './harness.mjs';

const rounds = Number(process.env.BENCH_ROUNDS ?? 7);
const packages = ['fastapi==0.165.0', 'uvicorn[standard]', 'onnxruntime', 'numpy'];
for (const program of ['runc', 'debootstrap', 'tar']) if (spawnSync('sh', ['-c', `command -v ${program}`], { env: { ...process.env, PATH: `${process.env.PATH}:/usr/sbin` } }).status !== 0) throw new Error(`${program} is not installed: apt-get install ${program}`);
const folder = mkdtempSync(join(tmpdir(), 'modelport-bench-start-'));
const children = [];
process.on('exit', () => {
  for (const child of children) child.kill('SIGKILL');
  rmSync(folder, { recursive: true, force: true });
});
const model = join(root, 'test/fixtures/onnx/add.onnx');

/** Debian with Python as one root, pip's packages as another: the layers that `docker build` would make. Gives both. */
function pythonLayers() {
  const kept = join(root, '.cache', 'bench', 'fastapi-image');
  if (!existsSync(kept)) {
    const made = `${kept}.part`;
    rmSync(made, { recursive: true, force: true });
    mkdirSync(join(made, 'packages'), { recursive: true });
    must('debootstrap', ['--variant=minbase', '--include=python3,ca-certificates', 'bookworm', join(made, 'debian')], { stdio: ['ignore', 'ignore', 'inherit'] });
    rmSync(join(made, 'debian/var/cache/apt'), { recursive: true, force: true });
    rmSync(join(made, 'debian/var/lib/apt/lists'), { recursive: true, force: true });
    must('python3.11', ['-m', 'pip', 'install', '-q', '--no-cache-dir', '--target', join(made, 'packages/usr/local/lib/python3.11/dist-packages'), ...packages], { stdio: ['ignore', 'ignore', 'inherit'] });
    renameSync(made, kept);
  }
  return [join(kept, 'debian'), join(kept, 'packages')];
}

/** As docker compresses layers when it pushes them: gzip, level 6. */
function compressedBytes(directory) {
  return Number(execFileSync('sh', ['-c', `tar -C ${directory} --sort=name -cf - . | gzip -6 -c | wc -c`], { encoding: 'utf8' }));
}

function fastapi() {
  const layers = pythonLayers();
  const application = join(folder, 'application');
  mkdirSync(join(application, 'app'), { recursive: true });
  copyFileSync(join(root, 'bench/peers/fastapi_container.py'), join(application, 'app/main.py'));
  copyFileSync(model, join(application, 'app/model.onnx'));
  const rootfs = join(folder, 'fastapi');
  mkdirSync(rootfs);
  for (const layer of [...layers, application]) must('cp', ['-a', `${layer}/.`, rootfs]);
  return {
    name: 'FastAPI, uvicorn, onnxruntime',
    rootfs,
    bytes: [...layers, application].reduce((sum, layer) => sum + compressedBytes(layer), 0),
    args: (port) => ['/usr/bin/python3', '-m', 'uvicorn', 'main:app', '--app-dir', '/app', '--host', '0.0.0.0', '--port', String(port)],
    env: ['PATH=/usr/local/bin:/usr/bin:/bin', 'PYTHONDONTWRITEBYTECODE=1', 'LANG=C.UTF-8'],
    ask: (port) => post(`http://127.0.0.1:${port}/predict`, { a: [[1, 2]], b: [[1, 2]] }),
  };
}

function modelport(base) {
  const layout = `layout-${base}`;
  must('node', [join(root, 'bin/modelport.js'), 'build', model, '--base', base, '-o', `oci:${layout}`, '--cache-dir', join(folder, 'cache')], { cwd: folder });
  const blob = (digest) => join(folder, layout, 'blobs/sha256', digest.slice(7));
  const json = (path) => JSON.parse(readFileSync(path, 'utf8'));
  const manifest = json(blob(json(join(folder, layout, 'index.json')).manifests[0].digest));
  const { config } = json(blob(manifest.config.digest));
  const rootfs = join(folder, `modelport-${base}`);
  mkdirSync(rootfs);
  for (const { digest } of manifest.layers) must('tar', ['-xf', blob(digest), '-C', rootfs]);
  return {
    name: `modelport, base ${base}`,
    rootfs,
    bytes: manifest.layers.reduce((sum, { size }) => sum + size, 0),
    args: (port) => [...config.Entrypoint, ...config.Cmd, '--port', String(port), '--grpc-port', 'off', '--metrics-port', 'off'],
    env: config.Env,
    ask: (port) => post(`http://127.0.0.1:${port}/v2/models/add/infer`, { inputs: ['a', 'b'].map((name) => ({ name, datatype: 'FP32', shape: [1, 2], data: [1, 2] })) }),
  };
}

async function post(url, body) {
  const response = await fetch(url, { method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify(body) }).catch(() => undefined);
  await response?.arrayBuffer();
  return response?.ok === true;
}

let count = 0;
/** Milliseconds until it answers a prediction, and what it holds then. */
async function start({ rootfs, args, env, ask, name }) {
  const id = `bench-${process.pid}-${count++}`;
  const bundle = join(folder, id);
  const port = await freePort();
  mkdirSync(bundle);
  must('runc', ['spec'], { cwd: bundle });
  const spec = JSON.parse(readFileSync(join(bundle, 'config.json'), 'utf8'));
  delete spec.process.rlimits;
  Object.assign(spec.process, { terminal: false, user: { uid: 65532, gid: 65532 }, args: args(port), env, cwd: '/', capabilities: {}, noNewPrivileges: true });
  spec.root = { path: rootfs, readonly: true };
  spec.linux.namespaces = spec.linux.namespaces.filter(({ type }) => type !== 'network');
  spec.linux.resources = { memory: { limit: 512 << 20 }, pids: { limit: 200 } };
  spec.mounts.push({ destination: '/tmp', type: 'tmpfs', source: 'tmpfs', options: ['nosuid', 'nodev', 'mode=1777', 'size=64m'] });
  writeFileSync(join(bundle, 'config.json'), JSON.stringify(spec));
  const startedAt = performance.now();
  const child = spawn('runc', ['run', '--bundle', bundle, id], { stdio: ['ignore', 'pipe', 'pipe'] });
  children.push(child);
  let output = '';
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk) => (output = (output + chunk).slice(-2000)));
  const ended = new Promise((resolve) => child.on('exit', resolve));
  while (!(await ask(port))) {
    if (child.exitCode !== null || performance.now() - startedAt > 60_000) throw new Error(`${name} does not answer: ${output}`);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
  const ms = performance.now() - startedAt;
  const [first] = JSON.parse(execFileSync('runc', ['ps', '-f', 'json', id], { encoding: 'utf8' }));
  const residentMb = Number(/^VmRSS:\s+(\d+)/m.exec(readFileSync(`/proc/${first}/status`, 'utf8'))[1]) / 1024;
  execFileSync('runc', ['kill', id, 'TERM']);
  await Promise.race([ended, new Promise((resolve) => setTimeout(resolve, 5000))]);
  spawnSync('runc', ['delete', '--force', id]);
  rmSync(bundle, { recursive: true, force: true });
  return { ms, residentMb };
}

const images = [modelport('debian'), modelport('host'), fastapi()];
const results = new Map(images.map(({ name }) => [name, []]));
for (const image of images) await start(image);
for (let round = 0; round < rounds; round++) for (const image of images) results.get(image.name).push(await start(image));
printTable(
  `One small ONNX model in a container, ${rounds} rounds: from \`runc run\` to the first prediction`,
  ['image', 'compressed MB', 'seconds to the first prediction (min–max)', 'resident MB'],
  images.map(({ name, bytes }) => [name, (bytes / 1e6).toFixed(0), range(results.get(name).map(({ ms }) => ms / 1000), 2), median(results.get(name).map(({ residentMb }) => residentMb)).toFixed(0)]),
);
process.exit(0);
