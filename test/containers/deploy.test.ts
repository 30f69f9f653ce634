/** `deploy docker --apply` and `deploy compose --apply` on a real Docker with bridges, published ports and names. */
import { execFile, execFileSync, spawn } from 'node:child_process';
import { cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { LoadResult } from '../kubernetes/cluster.ts';
import { cli, root, runModelport } from '../start-modelport.ts';
import { copyPrograms, prepareCompose, prepareTools, startDocker, until, type RunningDocker } from './tools.ts';

const run = promisify(execFile);
const missing = prepareTools(['dockerd', 'iptables', 'ip', 'nsenter', 'nginx', 'curl']);
const configuration = mkdtempSync(join(tmpdir(), 'modelport-docker-configuration-'));
const withoutCompose = missing ?? prepareCompose(configuration);

describe.skipIf(missing !== undefined)(`deploy on one machine${missing === undefined ? '' : ` (skipped: ${missing})`}`, { timeout: 300_000 }, () => {
  let folder: string;
  let daemon: RunningDocker;
  let environment: Record<string, string>;

  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), 'modelport-deploy-'));
    mkdirSync(join(folder, 'home'));
    // Two versions of one model, which answers tell.
    for (const [version, models] of [['1', 'models'], ['2', 'newer']] as const) {
      mkdirSync(join(folder, models, 'iris', version), { recursive: true });
      cpSync(join(root, 'examples/models/iris/model.onnx'), join(folder, models, 'iris', version, 'model.onnx'));
      cpSync(join(root, 'examples/models/iris/model.yaml'), join(folder, models, 'iris', 'model.yaml'));
    }
    daemon = await startDocker(join(folder, 'docker'), 'own');
    environment = { HOME: join(folder, 'home'), XDG_CACHE_HOME: process.env['XDG_CACHE_HOME'] ?? join(process.env['HOME'] ?? tmpdir(), '.cache'), ...daemon.environment, DOCKER_CONFIG: configuration };
    for (const [version, models] of [['1', 'models'], ['2', 'newer']] as const) expect(await runModelport(['build', models, '-t', `me/iris:${version}`, '--base', 'host', '--load'], { cwd: folder, environment })).toMatchObject({ code: 0, stderr: '' });
  }, 600_000);
  afterAll(async () => {
    await daemon?.stop();
    for (const place of [folder, configuration]) if (place !== undefined) rmSync(place, { recursive: true, force: true });
  });

  /** In the daemon's network. */
  async function inside(...words: string[]): Promise<{ code: number; stdout: string; stderr: string }> {
    const [program, ...args] = [...daemon.inside, ...words];
    return await run(program!, args, { cwd: folder, env: { ...process.env, NO_COLOR: '1', ...environment }, maxBuffer: 32 << 20 }).then((done) => ({ code: 0, ...done }), (error: { code: number; stdout: string; stderr: string }) => error);
  }
  const deploy = (...args: string[]) => inside(process.execPath, cli, 'deploy', ...args);
  async function load(port: number, ratePerSecond: number, seconds: number): Promise<LoadResult> {
    const { stdout, stderr } = await inside(process.execPath, join(root, 'test/kubernetes/load.mjs'), `http://127.0.0.1:${port}/v2/models/iris/infer`, String(ratePerSecond), String(seconds), 'measurements');
    expect(stderr).toBe('');
    return JSON.parse(stdout) as LoadResult;
  }
  const servedVersions = async (port: number): Promise<string> => {
    const { failures, versions } = await load(port, 10, 1);
    expect(failures).toEqual([]);
    return Object.keys(versions).join();
  };

  describe('docker', () => {
    const port = 18000;
    const apply = (image: string, ...more: string[]) => deploy('docker', 'models', '--image', image, '--name', 'iris', '--publish', String(port), '--memory', '256MiB', '--apply', ...more);
    const containers = (): string => daemon.docker('ps', '--all', '--no-trunc', '--format', '{{.Names}} {{.ID}} {{.State}}');

    it('runs one container, and puts another in its place', async () => {
      const first = await apply('me/iris:1');
      expect(first.code, first.stderr).toBe(0);
      expect(first.stderr).toContain(`iris is ready at http://127.0.0.1:${port}/`);
      expect(await servedVersions(port)).toBe('1');
      const { HostConfig } = JSON.parse(daemon.docker('inspect', '--format', '{{json .}}', 'iris')) as { HostConfig: object };
      expect(HostConfig).toMatchObject({ ReadonlyRootfs: true, CapDrop: ['ALL'], SecurityOpt: ['no-new-privileges'], Memory: 256 << 20, RestartPolicy: { Name: 'unless-stopped' } });
      const second = await apply('me/iris:2');
      expect(second.code, second.stderr).toBe(0);
      expect(await servedVersions(port)).toBe('2');
      expect(containers()).toMatch(/^iris \w+ running$/);
    });

    it('changes nothing where the image is not there', async () => {
      const before = containers();
      const { code, stderr } = await apply('me/none:1');
      expect(code).toBe(1);
      expect(stderr).toContain('docker create: Unable to find image');
      expect(containers()).toBe(before);
    });

    it('brings the one before back where the new one ends, does not get ready, or gets no port', async () => {
      const ends = await apply('me/iris:1', '--env', 'MODELPORT_HTTP_PORT=bad');
      expect([ends.code, ends.stderr]).toEqual([1, expect.stringMatching(/write a port from 1[\s\S]*Gone back to me\/iris:2, which serves as before/)]);
      const silent = await apply('me/iris:1', '--env', 'MODELPORT_HTTP_PORT=9999', '--ready-timeout', '5s');
      expect([silent.code, silent.stderr]).toEqual([1, expect.stringMatching(/does not get ready[\s\S]*9999[\s\S]*Gone back to me\/iris:2/)]);
      const [program, ...args] = [...daemon.inside, process.execPath, '-e', "require('net').createServer().listen(18001,'127.0.0.1',()=>console.log('there'))"];
      const other = spawn(program!, args, { stdio: ['ignore', 'pipe', 'inherit'] });
      try {
        await new Promise((resolve) => other.stdout.once('data', resolve));
        const taken = await apply('me/iris:1', '--publish', '18001');
        expect([taken.code, taken.stderr]).toEqual([1, expect.stringMatching(/address already in use[\s\S]*Gone back to me\/iris:2, which serves as before/)]);
      } finally {
        other.kill();
      }
      expect(await servedVersions(port)).toBe('2');
      expect(containers()).toMatch(/^iris \w+ running$/);
    });

    it('writes a script that does the same', async () => {
      const script = async (...more: string[]): Promise<{ code: number; stdout: string; stderr: string }> => {
        const written = await deploy('docker', 'models', '--image', 'me/iris:1', '--name', 'iris', '--publish', String(port), '--memory', '256MiB', '-o', 'script', '--force', ...more);
        expect(written.code, written.stderr).toBe(0);
        return await inside('sh', 'script/run-iris.sh');
      };
      const done = await script();
      expect(done.code, done.stderr).toBe(0);
      expect(await servedVersions(port)).toBe('1');
      const failed = await script('--env', 'MODELPORT_HTTP_PORT=9999', '--ready-timeout', '3s');
      expect([failed.code, failed.stderr]).toEqual([1, expect.stringContaining('The one before runs again')]);
      expect(containers()).toMatch(/^iris \w+ running$/);
    });

    it('ends at once as the first process of a container, before it listens, too', async () => {
      // A command that waits for its input, and has nothing to do with signals.
      const id = daemon.docker('run', '-d', '-i', '--network', 'none', 'me/iris:1', 'login', 'localhost:1', '--username', 'me', '--password-stdin');
      try {
        const state = (): { Running: boolean; ExitCode: number } => JSON.parse(daemon.docker('inspect', '--format', '{{json .State}}', id)) as { Running: boolean; ExitCode: number };
        await until('its end', async () => {
          // Node itself takes a moment before the first line of ours.
          if (state().Running) execFileSync('docker', ['kill', '--signal', 'TERM', id], { env: { ...process.env, ...environment }, stdio: 'ignore' });
          await sleep(500);
          return !state().Running;
        });
        expect(state().ExitCode).toBe(143);
      } finally {
        daemon.docker('rm', '-f', id);
      }
    });
  });

  describe.skipIf(withoutCompose !== undefined)(`compose${withoutCompose === undefined ? '' : ` (skipped: ${withoutCompose})`}`, () => {
    const port = 18002;
    const apply = (image: string, ...more: string[]) => deploy('compose', 'models', '--image', image, '--name', 'iris', '--replicas', '2', '--publish', String(port), '--proxy-image', 'local/nginx:1', '--memory', '256MiB', '-o', 'compose', '--force', '--apply', ...more);
    const compose = (...args: string[]) => inside('docker', 'compose', '--project-directory', join(folder, 'compose'), ...args);
    const containers = (): string => daemon.docker('ps', '--no-trunc', '--format', '{{.ID}}');

    beforeAll(() => {
      // Debian's NGINX as an image; a registry of images is not reached from here.
      const context = join(folder, 'nginx');
      copyPrograms(context, ['nginx', 'sh']);
      for (const path of ['etc', 'var/log/nginx', 'var/lib/nginx', 'run', 'tmp']) mkdirSync(join(context, path), { recursive: true });
      writeFileSync(join(context, 'etc/passwd'), 'root:x:0:0::/:/bin/sh\nnobody:x:65534:65534::/:/bin/sh\n');
      writeFileSync(join(context, 'etc/group'), 'root:x:0:\nnogroup:x:65534:\n');
      const links = ['bin', 'lib', 'lib64'].filter((name) => existsSync(join(context, 'usr', name)));
      for (const name of links) execFileSync('ln', ['-s', `usr/${name}`, join(context, name)]);
      writeFileSync(join(context, 'Dockerfile'), 'FROM scratch\nCOPY . /\nENV PATH=/usr/sbin:/usr/bin\nCMD ["/usr/sbin/nginx", "-e", "/dev/stderr", "-g", "daemon off;"]\n');
      daemon.docker('build', '-q', '-t', 'local/nginx:1', context);
    }, 120_000);

    it('starts replicas behind NGINX, and changes nothing when applied twice', async () => {
      const first = await apply('me/iris:1');
      expect(first.code, first.stderr).toBe(0);
      expect(first.stderr).toContain(`iris answers at http://127.0.0.1:${port} with me/iris:1`);
      expect(await servedVersions(port)).toBe('1');
      const before = containers();
      expect(before.split('\n')).toHaveLength(4);
      expect((await apply('me/iris:1')).code).toBe(0);
      expect(containers()).toBe(before);
    });

    it('changes one replica after the other without a failed request', async () => {
      const under = load(port, 20, 30);
      await sleep(1000);
      const { code, stderr } = await apply('me/iris:2');
      expect(code, stderr).toBe(0);
      const { failures, answered, versions } = await under;
      expect(failures).toEqual([]);
      expect(answered).toBe(600);
      expect(Object.keys(versions)[0]).toBe('1');
      expect(await servedVersions(port)).toBe('2');
    });

    it('stops at a replica that does not get healthy, says its last words, and lets the other serve', async () => {
      const { code, stderr } = await apply('me/iris:1', '--env', 'MODELPORT_HTTP_PORT=bad', '--ready-timeout', '10s');
      expect(code).toBe(1);
      expect(stderr).toContain('write a port from 1');
      expect(stderr).toContain('1 of 2 replicas are left as they were, and serve');
      expect(await servedVersions(port)).toBe('2');
    });

    it('goes on after it, grows, and is replaced by hand', async () => {
      const grown = await apply('me/iris:1', '--replicas', '3');
      expect(grown.code, grown.stderr).toBe(0);
      expect(await servedVersions(port)).toBe('1');
      const file = join(folder, 'compose/compose.yaml');
      writeFileSync(file, readFileSync(file, 'utf8').replace('MODELPORT_LOG_FORMAT: json', 'MODELPORT_LOG_FORMAT: text'));
      const byHand = await compose('up', '--detach', '--wait');
      expect(byHand.code, byHand.stderr).toBe(0);
      expect(await servedVersions(port)).toBe('1');
      expect((await compose('down')).code).toBe(0);
    });

    it('docker compose understands what build --compose writes', async () => {
      expect(await runModelport(['build', 'models', '--compose', '.', '-t', 'me/iris:3'], { cwd: folder, environment })).toMatchObject({ code: 0, stderr: '' });
      const shown = await inside('docker', 'compose', 'config', '--format', 'json');
      expect(shown.code, shown.stderr).toBe(0);
      const { services } = JSON.parse(shown.stdout) as { services: Record<string, { build?: object; image: string }> };
      expect(Object.keys(services)).toEqual(['models-1', 'models-2', 'models-3', 'proxy']);
      expect(services['models-1']!.build).toMatchObject({ dockerfile: 'Dockerfile' });
    });
  });
});
