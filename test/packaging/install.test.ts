/** The packages as a user gets them: installed from the registry's tarballs into an empty folder, then used. */
import { execFile, spawn, type ChildProcess } from 'node:child_process';
import { copyFileSync, existsSync, lstatSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

const root = join(import.meta.dirname, '..', '..');
const platform = `${process.platform}-${process.arch}`;
const hasRuntime = existsSync(join(root, 'node_modules', 'onnxruntime-node', 'bin', 'napi-v6', process.platform, process.arch));
const run = promisify(execFile);

/** What a shell of the user's has: nothing of the npm that runs these tests. */
const environment = Object.fromEntries(Object.entries(process.env).filter(([name]) => !/^npm_/i.test(name)));

describe.skipIf(!hasRuntime)(`the packed packages (skipped: ONNX Runtime has no library for ${platform})`, () => {
  let directory: string;
  let packages: string;
  let home: string;
  let server: ChildProcess | undefined;

  beforeAll(async () => {
    directory = mkdtempSync(join(tmpdir(), 'modelport-install-'));
    packages = join(directory, 'packages');
    home = join(directory, 'home');
    await run(process.execPath, [join(root, 'scripts', 'pack.mjs'), '--only', platform, '--out', packages], { env: environment });
    mkdirSync(home);
    writeFileSync(join(home, 'package.json'), '{}');
    const tarballs = readdirSync(packages).filter((name) => name.endsWith('.tgz')).map((name) => join(packages, name));
    await run('npm', ['install', '--no-audit', '--no-fund', '--prefer-offline', ...tarballs], { cwd: home, env: environment });
  }, 300_000);
  afterAll(() => {
    server?.kill('SIGKILL');
    rmSync(directory, { recursive: true, force: true });
  });

  it('carry the library of one platform each, with its licence', () => {
    const manifest = JSON.parse(readFileSync(join(packages, `onnxruntime-${platform}`, 'package.json'), 'utf8')) as Record<string, unknown>;
    expect(manifest).toMatchObject({ name: `@modelport/onnxruntime-${platform}`, os: [process.platform], cpu: [process.arch], license: 'MIT' });
    const files = readdirSync(join(home, 'node_modules', '@modelport', `onnxruntime-${platform}`));
    expect(files).toEqual(expect.arrayContaining(['LICENSE', 'ThirdPartyNotices.txt', 'onnxruntime_binding.node']));
    const published = JSON.parse(readFileSync(join(packages, 'modelport', 'package.json'), 'utf8')) as Record<string, Record<string, string>>;
    expect(Object.keys(published['optionalDependencies']!)).toContain(`@modelport/onnxruntime-${platform}`);
    expect(published).not.toHaveProperty('devDependencies');
    expect(published).not.toHaveProperty('scripts');
  });

  it('install in 120 MB, with neither the libraries of other platforms nor a script that calls home', () => {
    expect(sizeBytes(join(home, 'node_modules'))).toBeLessThan(120e6);
    expect(readdirSync(join(home, 'node_modules', '@modelport'))).toEqual([`onnxruntime-${platform}`]);
    for (const absent of ['onnxruntime-node', '@scarf', 'typescript', 'vitest']) expect(existsSync(join(home, 'node_modules', absent))).toBe(false);
  });

  it('serve a model', async () => {
    copyFileSync(join(root, 'test', 'fixtures', 'onnx', 'add.onnx'), join(home, 'add.onnx'));
    const script = join(home, 'node_modules', '.bin', 'modelport');
    server = spawn(script, ['serve', 'add.onnx', '--http-port', '0', '--grpc-port', 'off', '--metrics-port', 'off'], { cwd: home, env: environment });
    const url = await addressOf(server);
    const response = await fetch(`${url}/v2/models/add/infer`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ inputs: ['a', 'b'].map((name) => ({ name, datatype: 'FP32', shape: [1, 2], data: [1, 2] })) }),
    });
    expect(await response.json()).toMatchObject({ model_name: 'add', outputs: [{ name: 'sum', datatype: 'FP32', shape: [1, 2], data: [2, 4] }] });
    expect((await fetch(`${url}/docs/swagger-ui-bundle.js`)).status).toBe(200);
    const ended = new Promise((resolve) => server!.on('exit', resolve));
    server.kill('SIGTERM');
    expect(await ended).toBe(0);
  }, 60_000);
});

/** The address that the start screen names. */
function addressOf(child: ChildProcess): Promise<string> {
  return new Promise((resolve, reject) => {
    let output = '';
    const read = (chunk: Buffer): void => {
      output += chunk.toString();
      const address = /http:\/\/127\.0\.0\.1:\d+/.exec(output);
      if (address !== null) resolve(address[0]);
    };
    child.stdout!.on('data', read);
    child.stderr!.on('data', read);
    child.on('exit', (code) => reject(new Error(`modelport exited with ${code}: ${output}`)));
  });
}

function sizeBytes(path: string): number {
  const status = lstatSync(path);
  return status.isDirectory() ? readdirSync(path).reduce((total, name) => total + sizeBytes(join(path, name)), 0) : status.size;
}
