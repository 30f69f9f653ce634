#!/usr/bin/env node
/**
 * From a folder with 1 GB of weights to a registry on this machine: our build and push beside `docker build` and push, and `buildah` and push, of the equal
 * Dockerfile (the base in one layer, weights in one); time and peak memory, then the same again with nothing changed. Needs docker-registry and
 * GNU time; docker (with dockerd) and buildah where they are installed.
 *
 *     node bench/image-build.mjs                        BENCH_WEIGHTS_MB=1024 BENCH_ROUNDS=3
 *
 * docker and buildah compress every layer with gzip when they push, docker with the level that Go calls the default, which is 6, as ours is; ours leaves weights
 * as they are unless it is told otherwise: the row with --compress-weights compresses equally, and the column of what the registry then holds says so. The
 * weights are float32 of a normal distribution, which gzip makes smaller by 7.5 %, as it does those of real models (MiniLM, EfficientNet, PP-OCR: 7.3 to 8.6 %).
 */
import { execFileSync, spawn, spawnSync } from 'node:child_process';
import { closeSync, copyFileSync, mkdirSync, mkdtempSync, openSync, readFileSync, rmSync, writeFileSync, writeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { freePort, median, printTable, root } from './harness.mjs';

const weightsMb = Number(process.env.BENCH_WEIGHTS_MB ?? 1024);
const rounds = Number(process.env.BENCH_ROUNDS ?? 3);
const folder = mkdtempSync(join(tmpdir(), 'modelport-bench-image-'));
const children = [];
process.on('exit', () => {
  for (const child of children) child.kill('SIGKILL');
  // What dockerd mounted stays mounted without it.
  const mounted = readFileSync('/proc/mounts', 'utf8').split('\n').map((line) => line.split(' ')[1] ?? '').filter((place) => place.startsWith(`${folder}/`));
  for (const place of mounted.reverse()) spawnSync('umount', ['-l', place]);
  rmSync(folder, { recursive: true, force: true });
});

const has = (program) => spawnSync('sh', ['-c', `command -v ${program}`]).status === 0;
for (const program of ['docker-registry', '/usr/bin/time']) if (!has(program)) throw new Error(`${program} is not installed: apt-get install docker-registry time`);

const context = join(folder, 'context');
mkdirSync(join(context, 'models', 'big'), { recursive: true });
copyFileSync(join(root, 'test/fixtures/onnx/add.onnx'), join(context, 'models/big/model.onnx'));
const file = openSync(join(context, 'models/big/weights.bin'), 'w');
const block = Buffer.from(normalFloats(16 << 20).buffer);
for (let written = 0; written < weightsMb; written += 64) writeSync(file, block, 0, Math.min(64, weightsMb - written) << 20);
closeSync(file);

/** Repeated after 64 MB, which no gzip sees. */
function normalFloats(count) {
  const values = new Float32Array(count);
  for (let index = 0; index < count; index += 2) {
    const radius = Math.sqrt(-2 * Math.log(1 - Math.random())) * 0.05;
    const angle = 2 * Math.PI * Math.random();
    values[index] = radius * Math.cos(angle);
    values[index + 1] = radius * Math.sin(angle);
  }
  return values;
}

/** What the registry holds of the image, in MB. */
async function imageMb(host) {
  const accept = ['application/vnd.oci.image.manifest.v1+json', 'application/vnd.docker.distribution.manifest.v2+json'].join(', ');
  const { layers } = await (await fetch(`http://${host}/v2/m/app/manifests/1`, { headers: { accept } })).json();
  return layers.reduce((sum, { size }) => sum + size, 0) / 1e6;
}

async function until(check) {
  for (let attempt = 0; attempt < 600; attempt++) {
    if (await check()) return;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  throw new Error('a daemon does not start');
}

async function startRegistry() {
  const port = await freePort();
  const data = join(folder, `registry-${port}`);
  writeFileSync(`${data}.yml`, `version: 0.1\nlog: { level: error }\nstorage: { filesystem: { rootdirectory: ${data} } }\nhttp: { addr: 127.0.0.1:${port} }\n`);
  const child = spawn('docker-registry', ['serve', `${data}.yml`], { stdio: 'ignore' });
  children.push(child);
  await until(() => fetch(`http://127.0.0.1:${port}/v2/`).then(() => true, () => false));
  return { host: `127.0.0.1:${port}`, stop: () => { child.kill('SIGKILL'); rmSync(data, { recursive: true, force: true }); } };
}

/** Seconds and the peak of the largest process, in MB. */
function measure(command, environment = {}) {
  const report = join(folder, 'time');
  const started = performance.now();
  const { status, stderr } = spawnSync('/usr/bin/time', ['-f', '%M', '-o', report, 'sh', '-c', command], { cwd: context, env: { ...process.env, ...environment }, encoding: 'utf8' });
  if (status !== 0) throw new Error(`${command}: ${stderr.slice(-500)}`);
  return { seconds: (performance.now() - started) / 1000, peakMb: Number(readFileSync(report, 'utf8').trim().split('\n').pop()) / 1024 };
}

const cli = `node ${join(root, 'bin/modelport.js')}`;
const ways = [
  { name: 'modelport', build: (host, cache) => `${cli} build models -t ${host}/m/app:1 --base host --push --cache-dir ${cache}` },
  { name: 'modelport --compress-weights', build: (host, cache) => `${cli} build models -t ${host}/m/app:1 --base host --push --compress-weights --cache-dir ${cache}` },
];

// What the others begin with: our own image without models, unpacked as one layer, so that all three send the same.
execFileSync('sh', ['-c', `${cli} build models/big/model.onnx --base host -o oci:base --cache-dir ${join(folder, 'base-cache')} && mkdir rootfs && for layer in base/blobs/sha256/*; do tar -xzf $layer -C rootfs 2>/dev/null || true; done && rm -r base`], { cwd: context, stdio: 'ignore' });
writeFileSync(join(context, 'Dockerfile'), 'FROM scratch\nCOPY rootfs /\nCOPY models/big/weights.bin /models/big/weights.bin\nCOPY models/big/model.onnx /models/big/model.onnx\nENTRYPOINT ["/usr/local/bin/node", "/opt/modelport/dist/cli.js", "serve", "/models"]\n');

if (has('dockerd')) {
  const host = `unix://${join(folder, 'docker.sock')}`;
  const environment = { DOCKER_HOST: host, DOCKER_BUILDKIT: '0', PATH: `/usr/bin:${process.env.PATH}` };
  children.push(spawn('dockerd', ['--data-root', join(folder, 'docker'), '--exec-root', join(folder, 'exec'), '--pidfile', join(folder, 'pid'), '-H', host, '--iptables=false', '--ip6tables=false', '--bridge=none'], { stdio: 'ignore' }));
  await until(() => spawnSync('docker', ['version'], { env: { ...process.env, ...environment } }).status === 0);
  ways.push({ name: 'docker build + push', environment, build: (registry) => `docker build -q -t ${registry}/m/app:1 . && docker push -q ${registry}/m/app:1`, clean: () => spawnSync('docker', ['system', 'prune', '-af'], { env: { ...process.env, ...environment } }) });
} else console.log('docker: not measured, dockerd is not installed');
if (has('buildah')) {
  const storage = `--root ${join(folder, 'buildah')} --runroot ${join(folder, 'buildah-run')} --storage-driver vfs`;
  ways.push({ name: 'buildah + push', build: (registry) => `buildah ${storage} bud --isolation chroot --layers -q -t app . && buildah ${storage} push --tls-verify=false -q app docker://${registry}/m/app:1`, clean: () => rmSync(join(folder, 'buildah'), { recursive: true, force: true }) });
} else console.log('buildah: not measured, it is not installed');

const results = new Map(ways.map(({ name }) => [name, { first: [], again: [], mb: 0 }]));
for (let round = 0; round < rounds; round++) {
  for (const way of ways) {
    const registry = await startRegistry();
    const cache = join(folder, 'cache');
    try {
      results.get(way.name).first.push(measure(way.build(registry.host, cache), way.environment));
      results.get(way.name).mb = await imageMb(registry.host);
      results.get(way.name).again.push(measure(way.build(registry.host, cache), way.environment));
    } finally {
      registry.stop();
      rmSync(cache, { recursive: true, force: true });
      way.clean?.();
    }
  }
}

const of = (list, key) => median(list.map((entry) => entry[key]));
const docker = results.get('docker build + push');
const buildah = results.get('buildah + push');
const ratio = (own, other) => (other === undefined ? '–' : (of(own, 'seconds') / of(other.first, 'seconds')).toFixed(2));
printTable(
  `${weightsMb} MB of weights to a registry on this machine, ${rounds} rounds, medians; the peak is that of the largest process of the command (dockerd is not in it)`,
  ['', 'seconds', '÷ docker', '÷ buildah', 'peak MB', 'image MB', 'unchanged: seconds'],
  [...results].map(([name, { first, again, mb }]) => [name, of(first, 'seconds').toFixed(1), ratio(first, docker), ratio(first, buildah), of(first, 'peakMb').toFixed(0), mb.toFixed(0), of(again, 'seconds').toFixed(2)]),
);
process.exit(0);
