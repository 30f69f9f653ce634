/** A real Docker with images of ours: loaded, pulled, healthy; and with the Dockerfile that we write. */
import { copyFileSync, mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { execFileSync } from 'node:child_process';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parse } from 'yaml';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { root, runModelport } from '../start-modelport.ts';
import { prepareTools, startDocker, startRegistry, until, writeBaseContext, type RunningDocker, type RunningRegistry } from './tools.ts';

const missing = prepareTools(['docker-registry', 'dockerd', 'htpasswd']);

describe.skipIf(missing !== undefined)(`Docker${missing === undefined ? '' : ` (skipped: ${missing})`}`, () => {
  let folder: string;
  let registry: RunningRegistry;
  let daemon: RunningDocker;
  let environment: Record<string, string>;
  const modelport = (...args: string[]) => runModelport(args, { cwd: folder, environment });

  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), 'modelport-docker-'));
    for (const name of ['registry', 'home', 'models/add']) mkdirSync(join(folder, name), { recursive: true });
    copyFileSync(join(root, 'test/fixtures/onnx/add.onnx'), join(folder, 'models/add/model.onnx'));
    registry = await startRegistry(join(folder, 'registry'));
    daemon = await startDocker(join(folder, 'docker'));
    environment = { HOME: join(folder, 'home'), XDG_CACHE_HOME: process.env['XDG_CACHE_HOME'] ?? join(folder, 'cache'), ...daemon.environment };
  });
  afterAll(async () => {
    await daemon?.stop();
    await registry?.stop();
    rmSync(folder, { recursive: true, force: true });
  });

  const ask = `fetch('http://127.0.0.1:8000/v2/models/add/infer',{method:'POST',body:JSON.stringify({inputs:['a','b'].map(name=>({name,datatype:'FP32',shape:[1,2],data:[1,2]}))})}).then(r=>r.json()).then(r=>console.log(r.outputs[0].data.join()))`;

  /** Runs it with nothing but a loopback, waits until Docker itself finds it healthy, asks it, and stops it. */
  async function runs(image: string): Promise<void> {
    const { docker } = daemon;
    const id = docker('run', '-d', '--network', 'none', '--read-only', '--tmpfs', '/tmp', '--cap-drop', 'ALL', '--security-opt', 'no-new-privileges', '-m', '256m', image);
    try {
      await until(`${image} healthy`, () => {
        const { Status, Health } = JSON.parse(docker('inspect', '--format', '{{json .State}}', id)) as { Status: string; Health: { Status: string } };
        if (Status !== 'running') throw new Error(`${image} ended: ${docker('logs', '--tail', '20', id)}`);
        return Health.Status === 'healthy';
      }, 60_000);
      expect(docker('exec', id, 'node', '-e', ask)).toBe('2,4');
      docker('stop', '-t', '20', id);
      expect(docker('inspect', '--format', '{{.State.ExitCode}}', id)).toBe('0');
    } finally {
      docker('rm', '-f', id);
    }
  }

  it('loads what --load gives it, and runs it to its health check', async () => {
    const built = await modelport('build', 'models', '-t', 'me/app:1', '--base', 'host', '--load');
    expect(built).toMatchObject({ code: 0, stderr: '' });
    expect(built.stdout).toContain('into docker');
    const { User, Labels, StopSignal } = JSON.parse(daemon.docker('inspect', '--format', '{{json .Config}}', 'me/app:1')) as { User: string; Labels: Record<string, string>; StopSignal: string };
    expect({ User, StopSignal }).toEqual({ User: '65532:65532', StopSignal: 'SIGTERM' });
    expect(JSON.parse(Labels['org.modelport.models']!)).toMatchObject([{ name: 'add', outputs: [{ name: 'sum', datatype: 'FP32' }] }]);
    await runs('me/app:1');
  }, 240_000);

  it('pulls what was pushed, weights that are not compressed included', async () => {
    mkdirSync(join(folder, 'heavy/add'), { recursive: true });
    copyFileSync(join(root, 'test/fixtures/onnx/add.onnx'), join(folder, 'heavy/add/model.onnx'));
    execFileSync('dd', ['if=/dev/zero', `of=${join(folder, 'heavy/add/table.bin')}`, 'bs=1M', 'count=3'], { stdio: 'ignore' });
    const built = await modelport('build', 'heavy', '-t', `${registry.host}/team/app:1`, '--base', 'host', '--push');
    expect(built).toMatchObject({ code: 0, stderr: '' });
    expect(built.stdout).toMatch(/weights models\/add\/table.bin\s+3.15 MB/);
    daemon.docker('pull', `${registry.host}/team/app:1`);
    await runs(`${registry.host}/team/app:1`);
  }, 240_000);

  it('builds the Dockerfile that we write, on a base from the local registry', async () => {
    mkdirSync(join(folder, 'context'), { recursive: true });
    execFileSync('cp', ['-r', join(folder, 'models'), join(folder, 'context')]);
    expect(await modelport('build', 'context/models', '--dockerfile', 'context', '--compose', 'context')).toMatchObject({ code: 0, stderr: '' });
    expect(await modelport('build', 'context/models', '--dockerfile', 'context')).toMatchObject({ code: 2, stderr: expect.stringContaining('there already') as unknown });
    const base = join(folder, 'base');
    writeBaseContext(base, 'me/app:1');
    const { docker } = daemon;
    docker('build', '-q', '--network', 'host', '-t', `${registry.host}/base/node:1`, base);
    docker('push', '-q', `${registry.host}/base/node:1`);
    docker('build', '-q', '--network', 'host', '--build-arg', `NODE_IMAGE=${registry.host}/base/node:1`, '-t', 'me/dockerfile:1', join(folder, 'context'));
    await runs('me/dockerfile:1');
    const compose = parse(readFileSync(join(folder, 'context/compose.yaml'), 'utf8'), { merge: true }) as { services: Record<string, { healthcheck?: object; depends_on?: object }> };
    expect(Object.keys(compose.services)).toEqual(['models-1', 'models-2', 'models-3', 'proxy']);
    expect(Object.values(compose.services).filter(({ healthcheck }) => healthcheck !== undefined)).toHaveLength(3);
  }, 300_000);
});
