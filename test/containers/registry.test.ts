/** A real registry (docker-registry) and a client that is not ours (skopeo), in both directions. */
import { execFileSync } from 'node:child_process';
import { copyFileSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { connect, createServer, type Server } from 'node:net';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { root, runModelport, startModelport } from '../start-modelport.ts';
import { prepareTools, startRegistry, until, type RunningRegistry } from './tools.ts';

/** Cuts every connection after 9 MB, so many times. */
function cuttingProxy(port: number, times: number): { readonly server: Server; cuts(): number } {
  let cuts = 0;
  const server = createServer((inside) => {
    const outside = connect(port, '127.0.0.1');
    let passed = 0;
    inside.on('data', (chunk) => {
      passed += chunk.length;
      if (passed > 9_000_000 && cuts < times) {
        cuts++;
        inside.destroy();
        outside.destroy();
      } else outside.write(chunk);
    });
    outside.on('data', (chunk) => inside.write(chunk));
    for (const [socket, other] of [[inside, outside], [outside, inside]] as const) socket.on('close', () => other.destroy()).on('error', () => other.destroy());
  });
  return { server, cuts: () => cuts };
}

const missing = prepareTools(['docker-registry', 'skopeo', 'htpasswd']);

describe.skipIf(missing !== undefined)(`registries${missing === undefined ? '' : ` (skipped: ${missing})`}`, () => {
  let folder: string;
  let open: RunningRegistry;
  let closed: RunningRegistry;
  let environment: Record<string, string>;
  const modelport = (...args: string[]) => runModelport(args, { cwd: folder, environment });
  const skopeo = (...args: string[]): string => execFileSync('skopeo', args, { encoding: 'utf8', cwd: folder, stdio: ['ignore', 'pipe', 'pipe'] });

  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), 'modelport-containers-'));
    for (const name of ['open', 'closed', 'home', 'models/add']) mkdirSync(join(folder, name), { recursive: true });
    copyFileSync(join(root, 'test/fixtures/onnx/add.onnx'), join(folder, 'models/add/model.onnx'));
    open = await startRegistry(join(folder, 'open'));
    closed = await startRegistry(join(folder, 'closed'), { user: 'alice', password: 's3cret-word' });
    environment = { HOME: join(folder, 'home'), MODELPORT_CACHE_DIR: join(folder, 'cache'), XDG_CACHE_HOME: join(folder, 'cache'), DOCKER_CONFIG: join(folder, 'home', '.docker') };
  });
  afterAll(async () => {
    await open?.stop();
    await closed?.stop();
    rmSync(folder, { recursive: true, force: true });
  });

  it('take models from us, and skopeo finds the same bytes', async () => {
    const pushed = await modelport('push', 'models/add', `oci://${open.host}/team/add:1`);
    expect(pushed.stderr).toBe('');
    const digest = /@(sha256:[0-9a-f]{64})/.exec(pushed.stdout)![1]!;
    skopeo('copy', '--src-tls-verify=false', `docker://${open.host}/team/add:1`, 'oci:copied:1');
    const index = JSON.parse(readFileSync(join(folder, 'copied/index.json'), 'utf8')) as { manifests: { digest: string }[] };
    expect(index.manifests[0]!.digest).toBe(digest);
    const manifest = JSON.parse(readFileSync(join(folder, 'copied/blobs/sha256', digest.slice(7)), 'utf8')) as { layers: { digest: string }[] };
    expect(readFileSync(join(folder, 'copied/blobs/sha256', manifest.layers[0]!.digest.slice(7))).equals(readFileSync(join(folder, 'models/add/model.onnx')))).toBe(true);
    expect((await modelport('push', 'models/add', `oci://${open.host}/team/add:1`)).stdout).toContain('0 B sent');
  });

  it('give us what skopeo put there', async () => {
    skopeo('copy', '--dest-tls-verify=false', 'oci:copied:1', `docker://${open.host}/other/add:7`);
    expect(await modelport('pull', `oci://${open.host}/other/add:7`, '-o', 'pulled')).toMatchObject({ code: 0, stderr: '' });
    expect(readFileSync(join(folder, 'pulled/model.onnx')).equals(readFileSync(join(folder, 'models/add/model.onnx')))).toBe(true);
    expect(await modelport('pull', `oci://${open.host}/other/add:7`, '-o', 'pulled')).toMatchObject({ code: 2, stderr: expect.stringContaining('is there already') as unknown });
    expect(await modelport('pull', `oci://${open.host}/other/add:8`)).toMatchObject({ code: 1, stderr: expect.stringContaining(`there is no ${open.host}/other/add:8`) as unknown });
  });

  it('that want a login get one, and nothing without', async () => {
    const target = `oci://${closed.host}/team/add:1`;
    expect(await modelport('push', 'models/add', target)).toMatchObject({ code: 1, stderr: expect.stringContaining(`modelport login ${closed.host}`) as unknown });
    const login = (password: string) => runModelport(['login', closed.host, '-u', 'alice', '--password-stdin'], { cwd: folder, environment, input: `${password}\n` });
    expect(await login('wrong')).toMatchObject({ code: 1, stderr: expect.stringContaining('does not know this name and password') as unknown });
    expect(await login('s3cret-word')).toMatchObject({ code: 0, stdout: expect.stringContaining('Logged in') as unknown });
    expect(await modelport('push', 'models/add', target)).toMatchObject({ code: 0 });
    // Skopeo reads the same file, and finds the same login in it.
    expect(skopeo('inspect', '--raw', '--tls-verify=false', '--authfile', join(folder, 'home/.docker/config.json'), `docker://${closed.host}/team/add:1`)).toContain('application/vnd.cncf.model.manifest.v1+json');
    expect(await modelport('logout', closed.host)).toMatchObject({ code: 0 });
    expect((await modelport('pull', target)).code).toBe(1);
  });

  it('get all of a push whose connections break', async () => {
    // Random, so that no layer is small: 40 MB in pieces through a proxy that cuts every connection after 9 MB.
    mkdirSync(join(folder, 'models/large'), { recursive: true });
    copyFileSync(join(root, 'test/fixtures/onnx/add.onnx'), join(folder, 'models/large/model.onnx'));
    const { randomBytes } = await import('node:crypto');
    writeFileSync(join(folder, 'models/large/notes.bin'), randomBytes(40_000_000));
    const proxy = cuttingProxy(open.port, 3);
    await new Promise<void>((resolve) => proxy.server.listen(0, '127.0.0.1', resolve));
    try {
      const host = `127.0.0.1:${(proxy.server.address() as AddressInfo).port}`;
      expect(await modelport('push', 'models/large', `oci://${host}/team/large:1`)).toMatchObject({ code: 0, stderr: '' });
      expect(proxy.cuts()).toBe(3);
    } finally {
      await new Promise((resolve) => proxy.server.close(resolve));
    }
    expect(await modelport('pull', `oci://${open.host}/team/large:1`, '-o', 'large', '--cache-dir', join(folder, 'cache2'))).toMatchObject({ code: 0 });
    expect(readFileSync(join(folder, 'large/notes.bin')).equals(readFileSync(join(folder, 'models/large/notes.bin')))).toBe(true);
  }, 120_000);

  it('get weights that are compressed on the way, through connections that break, and hand layers from one repository to another', async () => {
    mkdirSync(join(folder, 'weights/large'), { recursive: true });
    copyFileSync(join(root, 'test/fixtures/onnx/add.onnx'), join(folder, 'weights/large/model.onnx'));
    const { randomBytes } = await import('node:crypto');
    writeFileSync(join(folder, 'weights/large/weights.bin'), randomBytes(40_000_000));
    const build = (tag: string) => modelport('build', 'weights', '-t', tag, '--base', 'host', '--push', '--compress-weights', '--cache-dir', 'cache3');
    const proxy = cuttingProxy(open.port, 2);
    await new Promise<void>((resolve) => proxy.server.listen(0, '127.0.0.1', resolve));
    let digest: string | undefined;
    try {
      const built = await build(`127.0.0.1:${(proxy.server.address() as AddressInfo).port}/team/app:1`);
      expect(built).toMatchObject({ code: 0, stderr: '' });
      expect(proxy.cuts()).toBe(2);
      digest = /Digest\s+(\S+)/.exec(built.stdout)?.[1];
    } finally {
      await new Promise((resolve) => proxy.server.close(resolve));
    }
    skopeo('copy', '--src-tls-verify=false', `docker://${open.host}/team/app:1`, 'oci:app:1');
    expect((JSON.parse(readFileSync(join(folder, 'app/index.json'), 'utf8')) as { manifests: { digest: string }[] }).manifests[0]!.digest).toBe(digest);
    // Under its own name the registry is another one to us; what is there is not sent, nor does it travel to a second repository: only the list of what is in the
    // image, which has the image's name in it.
    expect(await build(`${open.host}/team/app:1`)).toMatchObject({ code: 0, stdout: expect.stringMatching(/ [\d.]+ KB sent/) as unknown });
    const second = await build(`${open.host}/other/app:1`);
    expect(second).toMatchObject({ code: 0, stderr: '' });
    expect(second.stdout).toMatch(/ [\d.]+ KB sent/);
    skopeo('copy', '--src-tls-verify=false', `docker://${open.host}/other/app:1`, 'oci:other-app:1');
  }, 240_000);

  it('are served from, and a tag that moves is a new version', async () => {
    const server = await startModelport({ arguments: [`oci://${open.host}/team/add:1`, '--model-control-mode', 'poll', '--repository-poll-secs', '1'], environment, cwd: folder });
    const versions = async (): Promise<unknown> => ((await (await fetch(`${server.url}/v2/models/add`)).json()) as { versions: unknown }).versions;
    try {
      expect(await versions()).toEqual(['1']);
      copyFileSync(join(root, 'test/fixtures/onnx/scaled.onnx'), join(folder, 'models/add/model.onnx'));
      expect(await modelport('push', 'models/add', `oci://${open.host}/team/add:1`)).toMatchObject({ code: 0 });
      await until('version 2', async () => JSON.stringify(await versions()) === '["2"]');
    } finally {
      expect(await server.stop()).toBe(0);
    }
  }, 60_000);
});
