/** What surrounds a server and can be wrong: folders, disk, configs. Said in a sentence that names the place; exit codes are those of the manual. */
import { spawn, spawnSync } from 'node:child_process';
import { chmodSync, copyFileSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { cli, root, runModelport, startModelport } from '../start-modelport.ts';

const folder = mkdtempSync(join(tmpdir(), 'modelport-environment-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));
const good = join(root, 'test/fixtures/onnx/mlp.onnx');
const isRoot = process.getuid?.() === 0;
const noPorts = ['--port', '0', '--grpc-port', 'off', '--metrics-port', 'off'];

function repository(name: string): string {
  const place = join(folder, name);
  mkdirSync(join(place, 'm'), { recursive: true });
  copyFileSync(good, join(place, 'm', 'model.onnx'));
  return place;
}

const serve = (...args: string[]) => runModelport(['serve', ...args, ...noPorts]);

describe('folders', () => {
  // Root reads everything: as somebody else the same must be told.
  const nobody = ['--reuid=65534', '--regid=65534', '--clear-groups'];
  const unprivileged = isRoot ? test.skipIf(spawnSync('setpriv', [...nobody, process.execPath, '--check', cli]).status !== 0) : test;
  const serveUnprivileged = async (...args: string[]): Promise<{ code: number | null; stderr: string }> => {
    if (!isRoot) return serve(...args);
    const child = spawn('setpriv', [...nobody, process.execPath, cli, 'serve', ...args, ...noPorts], { env: { ...process.env, NO_COLOR: '1', HOME: '/nonexistent' }, stdio: ['ignore', 'ignore', 'pipe'] });
    let stderr = '';
    child.stderr.on('data', (chunk: Buffer) => (stderr += chunk.toString()));
    return { code: await new Promise((resolve) => child.on('close', resolve)), stderr };
  };

  unprivileged('that may not be read', async () => {
    chmodSync(folder, 0o755);
    const place = repository('closed');
    chmodSync(place, 0);
    const result = await serveUnprivileged(place);
    chmodSync(place, 0o755);
    expect([result.code, result.stderr]).toEqual([2, expect.stringMatching(new RegExp(`${place}.*(EACCES|permission)`))]);
    expect(result.stderr).not.toMatch(/\n\s+at /);
  });

  unprivileged('a model file that may not be read', async () => {
    chmodSync(folder, 0o755);
    const place = repository('closed-file');
    chmodSync(join(place, 'm', 'model.onnx'), 0);
    const result = await serveUnprivileged(place);
    expect([result.code, result.stderr]).toEqual([1, expect.stringMatching(/m\/model\.onnx.*(EACCES|permission)/)]);
    expect(result.stderr).not.toMatch(/\n\s+at /);
  });

  test('that are links to nowhere, or that are no folders', async () => {
    symlinkSync('/nowhere/at/all', join(folder, 'link'));
    expect(await serve(join(folder, 'link'))).toMatchObject({ code: 2, stderr: expect.stringContaining(join(folder, 'link')) as string });
    expect(await serve('/dev/null')).toMatchObject({ code: 2, stderr: expect.stringContaining('/dev/null') as string });
  });

  test('without a model', async () => {
    mkdirSync(join(folder, 'bare'));
    expect(await serve(join(folder, 'bare'))).toMatchObject({ code: 2, stderr: expect.stringMatching(/no model in .*bare: expected model\.onnx/) as string });
  });
});

describe('configs with a typo', () => {
  const typos: Readonly<Record<string, readonly [file: string, text: string, message: RegExp]>> = {
    'top': ['model.yaml', 'batchin:\n  maxSize: 4\n', /unknown key 'batchin' \(.*model\.yaml:1\): did you mean 'batching'\?/],
    'deeper': ['model.yaml', 'batching:\n  maxSzie: 4\n', /unknown key 'maxSzie' in batching \(.*model\.yaml:2\): did you mean 'maxSize'\?/],
    'value': ['model.yaml', 'instances: {kind: thraed}\n', /thraed.*thread/],
    'task': ['model.yaml', 'task: tabular-clasification\n', /tabular-clasification.*tabular-classification/],
    'triton': ['config.pbtxt', 'max_bach_size: 4\n', /max_bach_size.*did you mean 'max_batch_size'/],
    'broken': ['model.yaml', 'batching: {maxSize: 4\n', /model\.yaml:\d/],
  };

  test('are all told at once, each with the nearest key', async () => {
    const place = join(folder, 'typos');
    for (const [name, [file, text]] of Object.entries(typos)) {
      mkdirSync(join(place, name), { recursive: true });
      copyFileSync(good, join(place, name, 'model.onnx'));
      writeFileSync(join(place, name, file), text);
    }
    const result = await serve(place);
    expect(result.code).toBe(1);
    expect(result.stderr).not.toMatch(/\n\s+at /);
    for (const [name, [, , message]] of Object.entries(typos)) {
      const line = result.stderr.split('\n').find((candidate) => candidate.includes(`failed to load '${name}'`));
      expect(line).toMatch(message);
    }
  });
});

describe('a full disk', () => {
  // A limit on the size of files fails writes as a full disk does, for root as well.
  test('fails the load request that needs it, with the way out, and nothing else', async () => {
    const cache = join(folder, 'cache');
    const place = repository('disk');
    const limited = join(folder, 'limited.sh');
    writeFileSync(limited, '#!/bin/sh\nulimit -f 64\nexec "$@"\n', { mode: 0o755 });
    const server = await startModelport({ arguments: [place, '--model-control-mode', 'explicit', '--load-model', 'm', '--cache-dir', cache], program: [limited, process.execPath, cli] });
    const load = async (bytes: Buffer) => {
      const answer = await fetch(`${server.url}/v2/repository/models/m/load`, { method: 'POST', body: JSON.stringify({ parameters: { config: '{}', 'file:2/model.onnx': bytes.toString('base64') } }) });
      return { status: answer.status, text: await answer.text() };
    };
    const failed = await load(Buffer.concat([readFileSync(good), Buffer.alloc(200_000)]));
    expect([failed.status, (JSON.parse(failed.text) as { error: string }).error]).toEqual([500, expect.stringMatching(/no space left in .*cache.*--cache-dir/)]);
    // No half file stays, the old version serves, and what fits is taken.
    expect(readdirSync(join(cache, 'blobs', 'sha256'))).toEqual([]);
    expect((await fetch(`${server.url}/v2/models/m/versions/1/ready`)).status).toBe(200);
    expect(await load(readFileSync(good))).toEqual({ status: 200, text: '' });
    expect((await fetch(`${server.url}/v2/models/m/versions/2/ready`)).status).toBe(200);
    expect(await server.stop()).toBe(0);
    expect(server.output()).not.toMatch(/\n\s+at /);
  });
});
