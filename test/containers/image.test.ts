/** Images as a person gets them: written by us, looked at by skopeo, run by runc with a root that can't be written, as nobody, in little memory. */
import { execFileSync } from 'node:child_process';
import { copyFileSync, existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { root, runModelport } from '../start-modelport.ts';
import { runImage, unpackImage } from './run-image.ts';
import { prepareTools, startRegistry, type RunningRegistry } from './tools.ts';

const missing = prepareTools(['docker-registry', 'skopeo', 'runc', 'htpasswd']);
const noEmulator = missing ?? (process.arch === 'x64' ? prepareTools(['qemu-aarch64-static']) : 'it emulates arm64 on x64');
const architecture = process.arch === 'x64' ? 'amd64' : process.arch;

describe.skipIf(missing !== undefined)(`images${missing === undefined ? '' : ` (skipped: ${missing})`}`, () => {
  let folder: string;
  let registry: RunningRegistry;
  let environment: Record<string, string>;
  const modelport = (...args: string[]) => runModelport(args, { cwd: folder, environment });
  const skopeo = (...args: string[]): string => execFileSync('skopeo', args, { encoding: 'utf8', cwd: folder, stdio: ['ignore', 'pipe', 'pipe'] });

  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), 'modelport-containers-'));
    for (const name of ['registry', 'home', 'models/add']) mkdirSync(join(folder, name), { recursive: true });
    copyFileSync(join(root, 'test/fixtures/onnx/add.onnx'), join(folder, 'models/add/model.onnx'));
    writeFileSync(join(folder, 'models/add/model.yaml'), 'batching:\n  maxQueueDelayMs: 1500\n  preferredSizes: [64]\n');
    registry = await startRegistry(join(folder, 'registry'));
    environment = { HOME: join(folder, 'home'), XDG_CACHE_HOME: process.env['XDG_CACHE_HOME'] ?? join(folder, 'cache') };
  });
  afterAll(async () => {
    await registry?.stop();
    rmSync(folder, { recursive: true, force: true });
  });

  const add = (url: string): Promise<Response> => fetch(`${url}/v2/models/add/infer`, { method: 'POST', body: JSON.stringify({ inputs: ['a', 'b'].map((name) => ({ name, datatype: 'FP32', shape: [1, 2], data: [1, 2] })) }) });

  async function serves(layout: string): Promise<void> {
    const image = await unpackImage(folder, layout);
    const container = await runImage(folder, image);
    try {
      const response = await add(container.url);
      expect(await response.json()).toMatchObject({ outputs: [{ name: 'sum', data: [2, 4] }] });
      const [status] = JSON.parse(execFileSync('runc', ['ps', '-f', 'json', container.id], { encoding: 'utf8' })) as [number];
      expect(/^Uid:\s+(\d+)/m.exec(readFileSync(`/proc/${status}/status`, 'utf8'))?.[1]).toBe('65532');
      expect(/^CapEff:\s+(\w+)/m.exec(readFileSync(`/proc/${status}/status`, 'utf8'))?.[1]).toMatch(/^0+$/);
      const inside = (code: string): string => execFileSync('runc', ['exec', container.id, '/usr/local/bin/node', '-e', code], { encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] }).trim();
      expect(inside(`try{fs.writeFileSync('/models/x','');console.log('written')}catch(e){console.log(e.code)}`)).toBe('EROFS');
      expect(inside(`console.log(new Intl.DateTimeFormat('en',{timeZone:'Europe/Vienna',timeZoneName:'short'}).format(0))`)).toContain('GMT+1');
      expect(inside(`console.log(process.constrainedMemory())`)).toBe(String(256 << 20));
      // A request that was accepted is answered although the container is told to go.
      const waiting = add(container.url);
      await new Promise((resolve) => setTimeout(resolve, 300));
      execFileSync('runc', ['kill', container.id, 'TERM']);
      expect((await waiting).status).toBe(200);
      expect(await container.exited).toBe(0);
    } finally {
      try {
        execFileSync('runc', ['delete', '--force', container.id], { stdio: 'ignore' });
      } catch {
        // It is gone.
      }
    }
  }

  it('on the base of this machine run, as nobody, read-only, in 256 MB, and drain', async () => {
    const built = await modelport('build', 'models', '-t', 'me/app:1', '--base', 'host', '-o', 'oci-archive:host.tar');
    expect(built).toMatchObject({ code: 0, stderr: '' });
    expect(JSON.parse(skopeo('inspect', '--config', 'oci-archive:host.tar'))).toMatchObject({ architecture, created: '1970-01-01T00:00:00Z', config: { User: '65532:65532', StopSignal: 'SIGTERM' } });
    skopeo('copy', 'oci-archive:host.tar', 'oci:host:1');
    await serves('host');
    const again = await modelport('build', 'models', '-t', 'me/app:1', '--base', 'host', '-o', 'oci-archive:again.tar', '--no-cache');
    const digest = /Digest\s+(\S+)/;
    expect(digest.exec(again.stdout)?.[1]).toBe(digest.exec(built.stdout)?.[1]);
  }, 240_000);

  it('on the base of pinned Debian packages run, for both architectures in one index, in 150 MB', async () => {
    const built = await modelport('build', 'models', '-t', `${registry.host}/team/app:1`, '--platform', 'linux/amd64,linux/arm64', '--push');
    expect(built).toMatchObject({ code: 0, stderr: '' });
    const index = JSON.parse(skopeo('inspect', '--raw', '--tls-verify=false', `docker://${registry.host}/team/app:1`)) as { manifests: { digest: string; platform: { architecture: string } }[] };
    expect(index.manifests.map(({ platform }) => platform.architecture)).toEqual(['amd64', 'arm64']);
    for (const { platform, digest } of index.manifests) {
      const manifest = JSON.parse(skopeo('inspect', '--raw', '--tls-verify=false', `docker://${registry.host}/team/app@${digest}`)) as { layers: { size: number }[] };
      expect(manifest.layers.reduce((sum, { size }) => sum + size, 0), platform.architecture).toBeLessThan(150e6);
      // The list of what is in it and how it was made are found through the image; this registry has no API for that.
      const referrers = JSON.parse(skopeo('inspect', '--raw', '--tls-verify=false', `docker://${registry.host}/team/app:${digest.replace(':', '-')}`)) as { manifests: { artifactType: string }[] };
      expect(referrers.manifests.map(({ artifactType }) => artifactType).sort()).toEqual(['application/spdx+json', 'application/vnd.in-toto+json']);
    }
    skopeo('copy', '--src-tls-verify=false', `docker://${registry.host}/team/app:1`, 'oci:debian:1');
    await serves('debian');
    // What is there is not sent again.
    expect((await modelport('build', 'models', '-t', `${registry.host}/team/app:1`, '--platform', 'linux/amd64,linux/arm64', '--push')).stdout).toContain('0 B sent');
  }, 300_000);

  // Without a kernel's help, so no model is run: the emulator now and then loses threads that compute.
  it.skipIf(noEmulator !== undefined)(`for arm64 run under an emulator${noEmulator === undefined ? '' : ` (skipped: ${noEmulator})`}`, async () => {
    expect(await modelport('build', 'models', '-t', 'me/app:1', '--platform', 'linux/arm64', '-o', 'oci:arm64')).toMatchObject({ code: 0, stderr: '' });
    const { config, rootfs } = await unpackImage(folder, 'arm64');
    expect(config).toMatchObject({ architecture: 'arm64' });
    copyFileSync(execFileSync('sh', ['-c', 'command -v qemu-aarch64-static'], { encoding: 'utf8' }).trim(), join(rootfs, 'qemu'));
    const inside = (...args: string[]): string => execFileSync('chroot', ['--userspec=65532:65532', rootfs, '/qemu', ...args], { encoding: 'utf8', env: { PATH: '/usr/sbin:/usr/bin:/sbin:/bin' }, stdio: ['ignore', 'pipe', 'pipe'] });
    expect(inside('/usr/local/bin/node', '-p', 'process.arch').trim()).toBe('arm64');
    expect(inside(...config.config.Entrypoint, 'inspect', '/models/add')).toMatch(/add.*ONNX[\s\S]*sum\s+FP32/);
  }, 240_000);

  it('hold models of other frameworks as ONNX, and serve them where nothing can be written', async () => {
    for (const name of ['other/neighbours', 'other/versions/1', 'other/versions/2']) mkdirSync(join(folder, name), { recursive: true });
    const pickles = join(root, 'test/fixtures/pickles');
    copyFileSync(join(pickles, 'neighbours.joblib'), join(folder, 'other/neighbours/fitted.joblib'));
    writeFileSync(join(folder, 'other/neighbours/model.yaml'), 'file: fitted.joblib\nimport:\n  precision: float32\n');
    for (const version of ['1', '2']) copyFileSync(join(pickles, 'pipeline-5.pkl'), join(folder, `other/versions/${version}/model.pkl`));
    copyFileSync(join(pickles, 'forest.joblib'), join(folder, 'other/forest.joblib'));
    copyFileSync(join(root, 'test/importers/torch-export/fixtures/convolution.pt2'), join(folder, 'other/convolution.pt2'));
    copyFileSync(join(pickles, 'labels.joblib'), join(folder, 'other/labels.joblib'));
    const refused = await modelport('build', 'other', '--base', 'host', '--dry-run');
    expect(refused).toMatchObject({ code: 1, stdout: '' });
    expect(refused.stderr).toContain('labels.joblib');
    rmSync(join(folder, 'other/labels.joblib'));
    expect(await modelport('build', 'other', '-t', 'me/other:1', '--base', 'host', '-o', 'oci:other-layout')).toMatchObject({ code: 0, stderr: '' });
    const image = await unpackImage(folder, 'other-layout');
    const held = (readdirSync(join(image.rootfs, 'models'), { recursive: true, encoding: 'utf8' })).filter((path) => /\.\w+$/.test(path)).sort();
    expect(held).toEqual(['convolution.onnx', 'forest.onnx', 'neighbours/model.onnx', 'neighbours/model.yaml', 'versions/1/model.onnx', 'versions/2/model.onnx']);
    const container = await runImage(folder, image, { writableTmp: false });
    try {
      for (const [name, datatype] of [['neighbours', 'FP32'], ['versions', 'FP64']] as const) {
        const { inputs } = (await (await fetch(`${container.url}/v2/models/${name}`)).json()) as { inputs: { name: string; datatype: string; shape: number[] }[] };
        expect(inputs[0]).toMatchObject({ name: 'X', datatype });
        const shape = [1, inputs[0]!.shape[1]!];
        const answer = await fetch(`${container.url}/v2/models/${name}/infer`, { method: 'POST', body: JSON.stringify({ inputs: [{ name: 'X', datatype, shape, data: Array.from({ length: shape[1]! }, () => 1) }] }) });
        expect(await answer.json()).toMatchObject({ model_name: name });
        expect(answer.status).toBe(200);
      }
    } finally {
      execFileSync('runc', ['kill', container.id, 'TERM']);
      await container.exited;
    }
    // Who wants the file as it is gets it.
    expect((await modelport('build', 'other', '-t', 'me/other:1', '--base', 'host', '--no-import', '-o', 'oci:as-is')).code).toBe(0);
    const asIs = await unpackImage(folder, 'as-is');
    expect(existsSync(join(asIs.rootfs, 'models/neighbours/fitted.joblib'))).toBe(true);
    expect(readFileSync(join(asIs.rootfs, 'models/neighbours/model.yaml'), 'utf8')).toContain('fitted.joblib');
  }, 240_000);

  it('say what is wrong with a base, a name, a platform or a folder', async () => {
    const fails = async (text: string, ...args: string[]): Promise<void> => {
      const result = await modelport('build', ...args);
      expect(result.stderr, args.join(' ')).toContain(text);
      expect(result.code).not.toBe(0);
      expect(result.stderr).not.toContain('please report');
    };
    await fails(`there is no base ${registry.host}/none:1`, 'models', '--base', `${registry.host}/none:1`, '--dry-run');
    await fails('there is no folder nothing', 'models', '--base', 'oci:nothing', '--dry-run');
    await fails('is no name of an image', 'models', '-t', 'Me/App:1');
    await fails('images are made for linux/amd64 and linux/arm64', 'models', '--platform', 'windows/amd64');
    await fails("this machine's own architecture", 'models', '--base', 'host', '--platform', architecture === 'amd64' ? 'linux/arm64' : 'linux/amd64');
    await fails('--push needs a name', 'models', '--push');
    await fails('there is no such file or folder', 'nothing');
    await fails("can't write", 'models', '--base', 'host', '-o', 'oci-archive:/proc/x.tar');
    writeFileSync(join(folder, 'models/.env'), 'KEY=secret');
    await fails('looks like secrets: .env', 'models', '--dry-run');
    rmSync(join(folder, 'models/.env'));
    expect(existsSync(join(folder, 'app.oci.tar'))).toBe(false);
  }, 120_000);
});
