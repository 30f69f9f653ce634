/** Our images in podman, where it starts: loaded, run without a daemon, deployed; and the Dockerfile that we write, built by buildah. */
import { execFile, execFileSync } from 'node:child_process';
import { copyFileSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { root, runModelport } from '../start-modelport.ts';
import { freePort, prepareTools, until, writeBaseContext } from './tools.ts';

const run = promisify(execFile);
const folder = mkdtempSync(join(tmpdir(), 'modelport-podman-'));
// Storage of its own. Where the highest limits may not be raised, podman must not try; where no systemd runs, it can't be asked for cgroups.
writeFileSync(join(folder, 'containers.conf'), '[containers]\ndefault_ulimits = ["nofile=20000:20000","nproc=20000:20000"]\n[engine]\nruntime = "runc"\ncgroup_manager = "cgroupfs"\nevents_logger = "file"\n');
writeFileSync(join(folder, 'storage.conf'), `[storage]\ndriver = "overlay"\ngraphroot = "${folder}/images"\nrunroot = "${folder}/run"\n`);
const environment = { HOME: folder, XDG_CACHE_HOME: process.env['XDG_CACHE_HOME'] ?? join(folder, 'cache'), CONTAINERS_CONF: join(folder, 'containers.conf'), CONTAINERS_STORAGE_CONF: join(folder, 'storage.conf'), DOCKER_HOST: `unix://${folder}/nobody.sock` };
const call = (program: string, ...args: string[]): string => execFileSync(program, args, { encoding: 'utf8', cwd: folder, env: { ...process.env, ...environment }, stdio: ['ignore', 'pipe', 'pipe'] }).trim();
const missing = prepareTools(['podman', 'runc', 'buildah']) ?? starts();

function starts(): string | undefined {
  try {
    call('podman', 'info');
    return undefined;
  } catch (error) {
    return `podman does not start: ${String((error as { stderr?: string }).stderr ?? error).trim().split('\n').at(-1)}`;
  }
}

describe.skipIf(missing !== undefined)(`podman and buildah${missing === undefined ? '' : ` (skipped: ${missing})`}`, { timeout: 240_000 }, () => {
  const podman = (...args: string[]): string => call('podman', ...args);
  const modelport = (...args: string[]) => runModelport(args, { cwd: folder, environment });
  const add = (port: number): Promise<unknown> => fetch(`http://127.0.0.1:${port}/v2/models/add/infer`, { method: 'POST', body: JSON.stringify({ inputs: ['a', 'b'].map((name) => ({ name, datatype: 'FP32', shape: [1, 2], data: [1, 2] })) }) }).then((response) => response.json());

  beforeAll(async () => {
    mkdirSync(join(folder, 'context/models/add'), { recursive: true });
    copyFileSync(join(root, 'test/fixtures/onnx/add.onnx'), join(folder, 'context/models/add/model.onnx'));
    writeFileSync(join(folder, 'context/models/add/model.yaml'), 'batching:\n  maxQueueDelayMs: 1500\n  preferredSizes: [64]\n');
    const built = await modelport('build', 'context/models', '-t', 'localhost/me/app:1', '--base', 'host', '--load');
    expect(built).toMatchObject({ code: 0, stderr: '' });
    // Docker is asked first, and does not run.
    expect(built.stdout).toContain('into podman');
  }, 240_000);
  afterAll(() => {
    if (missing === undefined) {
      podman('rm', '--all', '--force');
      podman('rmi', '--all', '--force');
    }
    rmSync(folder, { recursive: true, force: true });
  });

  /** In the host's network: with a root that can't be written, without rights, in little memory. */
  async function runs(image: string): Promise<void> {
    const port = await freePort();
    const name = `modelport-${process.pid}-${port}`;
    podman('run', '--detach', '--name', name, '--network', 'host', '--read-only', '--tmpfs', '/tmp', '--cap-drop', 'ALL', '--security-opt', 'no-new-privileges', '--memory', '256m', '--env', `MODELPORT_HTTP_PORT=${port}`, '--env', 'MODELPORT_GRPC_PORT=off', '--env', 'MODELPORT_METRICS_PORT=off', image);
    await until(`${image} ready`, async () => {
      if (podman('inspect', '--format', '{{.State.Running}}', name) !== 'true') throw new Error(`${image} ended: ${podman('logs', name)}`);
      return fetch(`http://127.0.0.1:${port}/v2/health/ready`).then(({ ok }) => ok, () => false);
    });
    const inside = (code: string): string => podman('exec', name, 'node', '-e', code);
    expect(inside('console.log(process.getuid(), process.constrainedMemory())')).toBe(`65532 ${256 << 20}`);
    expect(inside("try{fs.writeFileSync('/models/x','');console.log('written')}catch(e){console.log(e.code)}")).toBe('EROFS');
    // A request that was accepted is answered although the container is told to go.
    const waiting = add(port);
    await new Promise((resolve) => setTimeout(resolve, 300));
    const stopped = run('podman', ['stop', '--time', '20', name], { env: { ...process.env, ...environment } });
    expect(await waiting).toMatchObject({ outputs: [{ data: [2, 4] }] });
    await stopped;
    expect(podman('inspect', '--format', '{{.State.ExitCode}}', name)).toBe('0');
    podman('rm', name);
  }

  it('runs what --load gives it', () => runs('localhost/me/app:1'));

  it('runs what lies in an OCI archive', async () => {
    expect(await modelport('build', 'context/models', '-t', 'localhost/me/archive:1', '--base', 'host', '-o', 'oci-archive:app.tar')).toMatchObject({ code: 0, stderr: '' });
    const loaded = podman('load', '--quiet', '--input', join(folder, 'app.tar'));
    expect(loaded).toContain('localhost/me/archive:1');
    await runs('localhost/me/archive:1');
  });

  it('is deployed to, and keeps what ran where the new one fails', async () => {
    const port = await freePort();
    const apply = (...more: string[]) => modelport('deploy', 'docker', 'context/models', '--engine', 'podman', '--network', 'host', '--image', 'localhost/me/app:1', '--publish', String(port), '--memory', '256MiB', '--apply', ...more);
    const first = await apply();
    expect(first.code, first.stderr).toBe(0);
    expect(await add(port)).toMatchObject({ outputs: [{ data: [2, 4] }] });
    const failed = await apply('--env', 'MODELPORT_DRAIN_TIMEOUT=never');
    expect([failed.code, failed.stderr]).toEqual([1, expect.stringContaining('Gone back to localhost/me/app:1, which serves as before')]);
    expect(await add(port)).toMatchObject({ outputs: [{ data: [2, 4] }] });
    podman('rm', '--force', 'app');
  });

  it('buildah builds the Dockerfile that we write', async () => {
    expect(await modelport('build', 'context/models', '--dockerfile', 'context')).toMatchObject({ code: 0, stderr: '' });
    writeBaseContext(join(folder, 'base'), 'localhost/me/app:1');
    const build = (...args: string[]): string => call('buildah', 'bud', '--isolation', 'chroot', '--network', 'host', '--quiet', ...args);
    build('--tag', 'localhost/base/node:1', 'base');
    build('--build-arg', 'NODE_IMAGE=localhost/base/node:1', '--format', 'docker', '--tag', 'localhost/me/dockerfile:1', 'context');
    await runs('localhost/me/dockerfile:1');
  });
});
