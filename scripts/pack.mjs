#!/usr/bin/env node
/**
 * Makes the packages that are published, as folders and tarballs in build/packages:
 *
 *     modelport                              what is built in dist/, with the pinned dependencies
 *     @modelport/onnxruntime-<os>-<cpu>      ONNX Runtime's library for one platform
 *
 * onnxruntime-node holds the libraries of all platforms (290 MB) and downloads more when it is installed. Its files are packed again,
 * unchanged, a package for each platform, which npm installs where `os` and `cpu` fit.
 *
 *     node scripts/pack.mjs                  all platforms
 *     node scripts/pack.mjs --only linux-x64
 */
import { execFileSync } from 'node:child_process';
import { cpSync, existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';

const root = join(import.meta.dirname, '..');
const { values } = parseArgs({ options: { only: { type: 'string' }, out: { type: 'string', default: join(root, 'build', 'packages') } } });
const out = values.out;

const own = readJson(join(root, 'package.json'));
const onnxruntime = join(root, 'node_modules', 'onnxruntime-node');
const { version: runtimeVersion } = readJson(join(onnxruntime, 'package.json'));
if (own.devDependencies['onnxruntime-node'] !== runtimeVersion) fail(`onnxruntime-node ${runtimeVersion} is installed, ${own.devDependencies['onnxruntime-node']} is pinned: run npm ci`);
if (!existsSync(join(root, 'dist', 'cli.js'))) fail('dist/ is missing: run npm run build');

const libraries = join(onnxruntime, 'bin', 'napi-v6');
const platforms = readdirSync(libraries).flatMap((os) => readdirSync(join(libraries, os)).map((cpu) => ({ os, cpu, name: `@modelport/onnxruntime-${os}-${cpu}` })));
const chosen = values.only === undefined ? platforms : platforms.filter(({ os, cpu }) => values.only === `${os}-${cpu}`);
if (chosen.length === 0) fail(`onnxruntime-node ${runtimeVersion} has nothing for ${values.only}; it has ${platforms.map(({ os, cpu }) => `${os}-${cpu}`).join(', ')}`);

rmSync(out, { recursive: true, force: true });
mkdirSync(out, { recursive: true });
for (const platform of chosen) pack(stageRuntime(platform));
pack(stageModelport());

function stageRuntime({ os, cpu, name }) {
  const folder = join(out, `onnxruntime-${os}-${cpu}`);
  const source = join(libraries, os, cpu);
  mkdirSync(folder);
  const files = readdirSync(source).filter((file) => !isDuplicate(file, source));
  for (const file of files) cpSync(join(source, file), join(folder, file), { dereference: true });
  for (const file of ['LICENSE', 'ThirdPartyNotices.txt']) cpSync(join(root, 'scripts', 'onnxruntime', file), join(folder, file));
  writeFileSync(
    join(folder, 'README.md'),
    `# ${name}\n\nThe native library of ONNX Runtime ${runtimeVersion} for ${os} on ${cpu}, taken unchanged from the npm package onnxruntime-node ${runtimeVersion}.\nModelport installs it where it is needed.\n`,
  );
  writeJson(join(folder, 'package.json'), {
    name,
    version: runtimeVersion,
    description: `ONNX Runtime ${runtimeVersion} for ${os} on ${cpu}`,
    license: 'MIT',
    main: 'onnxruntime_binding.node',
    files: [...files, 'LICENSE', 'ThirdPartyNotices.txt', 'README.md'],
    os: [os],
    cpu: [cpu],
    // The libraries are linked against glibc; Alpine's musl has none.
    ...(os === 'linux' ? { libc: ['glibc'] } : {}),
    engines: own.engines,
  });
  return folder;
}

/** On macOS the library lies there twice, under its version and under the name that it is linked by; tarballs hold no links. */
function isDuplicate(file, folder) {
  const match = /^(lib\w+)\.\d+\.\d+\.\d+\.dylib$/.exec(file);
  return match !== null && readdirSync(folder).some((other) => other !== file && other.startsWith(`${match[1]}.`));
}

function stageModelport() {
  const folder = join(out, 'modelport');
  mkdirSync(folder);
  for (const file of own.files) if (existsSync(join(root, file))) cpSync(join(root, file), join(folder, file), { recursive: true });
  bundleSwaggerUi(folder);
  const { devDependencies: _development, scripts: _scripts, allowScripts: _allowed, private: _private, ...published } = own;
  writeJson(join(folder, 'package.json'), { ...published, bundleDependencies: ['swagger-ui-dist'], optionalDependencies: Object.fromEntries(platforms.map(({ name }) => [name, runtimeVersion])) });
  return folder;
}

/**
 * swagger-ui-dist goes inside the package, with the files that are served: its own dependency reports every install to a host
 * that is not the registry.
 */
function bundleSwaggerUi(folder) {
  const source = join(root, 'node_modules', 'swagger-ui-dist');
  const target = join(folder, 'node_modules', 'swagger-ui-dist');
  mkdirSync(target, { recursive: true });
  const served = /^(swagger-ui\.css|swagger-ui-(bundle|standalone-preset)\.js(\.LICENSE\.txt)?|favicon-\d+x\d+\.png|LICENSE|NOTICE)$/;
  for (const file of readdirSync(source).filter((name) => served.test(name))) cpSync(join(source, file), join(target, file));
  const { dependencies: _reporting, devDependencies: _development, ...manifest } = readJson(join(source, 'package.json'));
  writeJson(join(target, 'package.json'), manifest);
}

function pack(folder) {
  const [{ filename, size, unpackedSize }] = JSON.parse(execFileSync('npm', ['pack', '--json', '--pack-destination', out, folder], { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'], maxBuffer: 2 ** 26 }));
  console.log(`${filename}  ${megabytes(size)} packed, ${megabytes(unpackedSize)} installed`);
}

function megabytes(bytes) {
  return `${(bytes / 1e6).toFixed(1)} MB`;
}

function readJson(path) {
  return JSON.parse(readFileSync(path, 'utf8'));
}

function writeJson(path, value) {
  writeFileSync(path, `${JSON.stringify(value, undefined, 2)}\n`);
}

function fail(message) {
  console.error(message);
  process.exit(1);
}
