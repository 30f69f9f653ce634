/** Builds and pushes from the command line that go wrong half way: nothing half is left, and what is said helps. */
import { spawn } from 'node:child_process';
import { copyFileSync, mkdirSync, mkdtempSync, readdirSync, rmSync, statSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { cli, root, runModelport } from '../start-modelport.ts';
import { startSimulatedRegistry, type SimulatedRegistry } from './simulated-registry.ts';

describe('a build', () => {
  let folder: string;
  let environment: Record<string, string>;
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'modelport-faults-'));
    mkdirSync(join(folder, 'models/add'), { recursive: true });
    copyFileSync(join(root, 'test/fixtures/onnx/add.onnx'), join(folder, 'models/add/model.onnx'));
    environment = { HOME: folder, XDG_CACHE_HOME: join(folder, 'cache'), MODELPORT_CACHE_DIR: join(folder, 'cache') };
  });
  afterEach(() => rmSync(folder, { recursive: true, force: true }));
  const left = (): string[] => readdirSync(folder, { recursive: true, encoding: 'utf8' }).filter((path) => /\.part$|\.tar$/.test(path));

  it.each(['SIGINT', 'SIGTERM'] as const)('that is interrupted by %s leaves no half file', async (signal) => {
    // Large, and nothing on the disk.
    const weights = join(folder, 'models/add/weights.bin');
    writeFileSync(weights, '');
    truncateSync(weights, 600e6);
    const child = spawn(process.execPath, [cli, 'build', 'models', '--bundle', '-o', 'oci-archive:half.tar', '--cache-dir', 'cache'], { cwd: folder, env: { ...process.env, ...environment }, stdio: 'ignore' });
    const ended = new Promise<number | null>((resolve) => child.on('exit', resolve));
    // The archive grows beside its place.
    const grows = (): boolean => readdirSync(folder).some((path) => path.endsWith('.part') && (statSync(join(folder, path), { throwIfNoEntry: false })?.size ?? 0) > 1e6);
    while (!grows()) {
      if (child.exitCode !== null) throw new Error(`the build ended with ${child.exitCode} before anything was seen of it`);
      await delay(1);
    }
    child.kill(signal);
    expect(await ended).toBe(signal === 'SIGINT' ? 130 : 143);
    expect(left()).toEqual([]);
  }, 60_000);
});

describe('a push', () => {
  let registry: SimulatedRegistry;
  let folder: string;
  beforeEach(async () => {
    registry = await startSimulatedRegistry();
    folder = mkdtempSync(join(tmpdir(), 'modelport-faults-'));
    mkdirSync(join(folder, 'add'));
    copyFileSync(join(root, 'test/fixtures/onnx/add.onnx'), join(folder, 'add/model.onnx'));
  });
  afterEach(async () => {
    await registry[Symbol.asyncDispose]();
    rmSync(folder, { recursive: true, force: true });
  });

  const push = () => runModelport(['push', 'add', `oci://${registry.host}/team/add:1`], { cwd: folder, environment: { HOME: folder, XDG_CACHE_HOME: join(folder, 'cache'), DOCKER_CONFIG: folder } });

  it.each([
    [401, 'UNAUTHORIZED', /does not say how to log in|modelport login/],
    [403, 'DENIED', /You may not do that there, or a quota is used up/],
    [413, 'SIZE_INVALID', /larger than the registry takes/],
    [429, 'TOOMANYREQUESTS', /answered 429/],
    [507, 'QUOTA', /answered 507/],
  ])('that is refused with %i says so and names nothing', async (status, code, said) => {
    registry.behaviour = {
      intercept: (request, response) => {
        if (request.method !== 'POST') return false;
        response.writeHead(status, { 'retry-after': '0' }).end(JSON.stringify({ errors: [{ code, message: 'refused' }] }));
        return true;
      },
    };
    const result = await push();
    expect(result.code).not.toBe(0);
    expect(result.stderr).toMatch(said);
    expect(result.stderr).toContain(registry.host);
    expect(result.stderr).not.toContain('please report');
    expect(registry.manifests.size).toBe(0);
  }, 30_000);

  it('to a registry that keeps something else fails, and so does one that says it has what it lacks', async () => {
    registry.behaviour = {
      intercept: (request, response) => {
        if (request.method !== 'PUT' || !request.url!.includes('/manifests/')) return false;
        request.resume().on('end', () => response.writeHead(201, { 'docker-content-digest': `sha256:${'0'.repeat(64)}` }).end());
        return true;
      },
    };
    expect(await push()).toMatchObject({ code: 1, stderr: expect.stringContaining('keeps something else') as unknown });
    registry.behaviour = {
      intercept: (request, response) => {
        if (request.method !== 'PUT' || !request.url!.includes('/manifests/')) return false;
        request.resume().on('end', () => response.writeHead(400).end(JSON.stringify({ errors: [{ code: 'MANIFEST_BLOB_UNKNOWN', message: 'blob unknown' }] })));
        return true;
      },
    };
    expect(await push()).toMatchObject({ code: 2, stderr: expect.stringContaining('MANIFEST_BLOB_UNKNOWN') as unknown });
  }, 30_000);

  it('to a registry that cuts every connection ends, and says which', async () => {
    registry.behaviour = {
      intercept: (request) => {
        if (request.method === 'HEAD') return false;
        request.socket.destroy();
        return true;
      },
    };
    expect(await push()).toMatchObject({ code: 1, stderr: expect.stringContaining(`can't reach http://${registry.host}`) as unknown });
    expect(registry.manifests.size).toBe(0);
  }, 60_000);
});
