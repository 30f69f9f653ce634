/**
 * Pipelines as their own tools see them: GitLab's by gitlab-ci-local, which holds the file against GitLab's schema and runs jobs in a shell; Jenkins' by its Groovy
 * and a reader of declarative pipelines. Every step is run as it stands there; GitHub's are held by actionlint and run on a cluster (test/kubernetes).
 */
import { execFile, execFileSync } from 'node:child_process';
import { cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, realpathSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { homedir, tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { cli, root, runModelport } from '../start-modelport.ts';
import { prepareTools, startRegistry, type RunningRegistry } from './tools.ts';

const run = promisify(execFile);
const version = '4.64.1';
const place = join(process.env['XDG_CACHE_HOME'] ?? join(homedir(), '.cache'), 'modelport-tests', `gitlab-ci-local-${version}`);
const program = join(place, 'node_modules/.bin/gitlab-ci-local');
const missing = prepareTools(['docker-registry', 'htpasswd', 'git']);
const withoutGitlab = missing ?? prepareGitlab();
const withoutGroovy = missing ?? prepareTools(['groovy', 'java']);

function prepareGitlab(): string | undefined {
  if (existsSync(program)) return undefined;
  try {
    mkdirSync(place, { recursive: true });
    writeFileSync(join(place, 'package.json'), '{"private":true}');
    execFileSync('npm', ['install', '--no-audit', '--no-fund', '--ignore-scripts', `gitlab-ci-local@${version}`], { cwd: place, stdio: 'pipe', timeout: 300_000 });
    return undefined;
  } catch (error) {
    return `npm can't install gitlab-ci-local: ${String((error as { stderr?: Buffer }).stderr ?? error).trim().split('\n').at(-1)}`;
  }
}

describe.skipIf(missing !== undefined)(`pipelines${missing === undefined ? '' : ` (skipped: ${missing})`}`, { timeout: 300_000 }, () => {
  let folder: string;
  let repository: string;
  let registry: RunningRegistry;
  let environment: Record<string, string>;

  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), 'modelport-pipelines-'));
    repository = join(folder, 'repository');
    for (const name of ['registry', 'home', 'bin', 'repository/models']) mkdirSync(join(folder, name), { recursive: true });
    cpSync(join(root, 'examples/models/iris'), join(repository, 'models/iris'), { recursive: true });
    registry = await startRegistry(join(folder, 'registry'), { user: 'robot', password: 'let me in' });
    // What the step Install would put there, and what it would ask registries and mirrors for.
    writeFileSync(join(folder, 'bin/modelport'), `#!/bin/sh\nexec ${process.execPath} ${cli} "$@"\n`, { mode: 0o755 });
    for (const name of ['npm', 'apt-get']) writeFileSync(join(folder, 'bin', name), '#!/bin/sh\necho "$0 $*"\n', { mode: 0o755 });
    environment = { HOME: join(folder, 'home'), XDG_CACHE_HOME: process.env['XDG_CACHE_HOME'] ?? join(homedir(), '.cache'), PATH: `${join(folder, 'bin')}:${process.env['PATH']}`, REGISTRY_USER: 'robot', REGISTRY_PASSWORD: 'let me in' };
    git('init', '-q', '-b', 'main', '.');
    git('add', '-A');
    git('commit', '-qm', 'models');
    git('remote', 'add', 'origin', 'git@gitlab.com:me/app.git');
  }, 300_000);
  afterAll(async () => {
    await registry?.stop();
    rmSync(folder, { recursive: true, force: true });
  });

  const git = (...args: string[]): string => execFileSync('git', ['-c', 'user.name=me', '-c', 'user.email=me@example.com', ...args], { cwd: repository, encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] }).trim();
  const ci = async (system: string, ...more: string[]): Promise<void> => {
    const written = await runModelport(['ci', system, 'models', '--image', `${registry.host}/me/app`, '--gate', '--max-latency 10s', '--force', ...more], { cwd: repository });
    expect(written.code, written.stderr).toBe(0);
  };
  const shell = (command: string, args: readonly string[], more: Readonly<Record<string, string>> = {}): Promise<{ code: number; stdout: string; stderr: string }> =>
    run(command, args, { cwd: repository, env: { ...process.env, ...environment, NO_COLOR: '1', ...more }, maxBuffer: 32 << 20 }).then((done) => ({ code: 0, ...done }), (error: { code: number; stdout: string; stderr: string }) => error);
  const tags = async (): Promise<string[]> => ((await (await fetch(`http://${registry.host}/v2/me/app/tags/list`, { headers: { authorization: `Basic ${Buffer.from('robot:let me in').toString('base64')}` } })).json()) as { tags?: string[] }).tags ?? [];

  describe.skipIf(withoutGitlab !== undefined)(`GitLab${withoutGitlab === undefined ? '' : ` (skipped: ${withoutGitlab})`}`, () => {
    const gitlab = (...args: string[]) => shell(program, ['--force-shell-executor', '--variable', 'REGISTRY_USER=robot', '--variable', 'REGISTRY_PASSWORD=let me in', ...args]);

    it('finds the file right by its schema, and a wrong one wrong', async () => {
      await ci('gitlab', '--target', 'kubernetes');
      const { code, stdout, stderr } = await gitlab('--list');
      expect(code, stdout + stderr).toBe(0);
      expect(stdout).toMatch(/^test .*\npush .*\ndeploy /m);
      writeFileSync(join(repository, 'wrong.yml'), readFileSync(join(repository, '.gitlab-ci.yml'), 'utf8').replace('resource_group', 'resource_grup'));
      expect((await gitlab('--list', '--file', 'wrong.yml')).code).not.toBe(0);
      rmSync(join(repository, 'wrong.yml'));
    });

    it('tests, builds and pushes the main branch', async () => {
      await ci('gitlab');
      git('add', '-A');
      git('commit', '-qm', 'pipeline');
      const done = await gitlab();
      expect(done.code, done.stdout + done.stderr).toBe(0);
      expect(done.stdout).toContain('5 passed');
      expect(await tags()).toEqual([git('rev-parse', 'HEAD')]);
    });

    it('compares a change with the main branch, and tells what it found in the change', async () => {
      const notes: { path: string; token: string; body: string }[] = [];
      const server: Server = createServer((request, response) => {
        let text = '';
        request.on('data', (chunk: Buffer) => (text += chunk.toString()));
        request.on('end', () => {
          notes.push({ path: request.url!, token: String(request.headers['private-token']), body: (JSON.parse(text) as { body: string }).body });
          response.writeHead(201).end('{}');
        });
      });
      await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
      try {
        const origin = join(folder, 'gitlab.git');
        git('clone', '-q', '--bare', '.', origin);
        git('config', `url.${origin}.insteadOf`, 'git@gitlab.com:me/app.git');
        const variables = { CI_PIPELINE_SOURCE: 'merge_request_event', CI_MERGE_REQUEST_TARGET_BRANCH_NAME: 'main', CI_API_V4_URL: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, CI_PROJECT_ID: '7', CI_MERGE_REQUEST_IID: '3', COMMENT_TOKEN: 'secret' };
        const done = await gitlab(...Object.entries(variables).flatMap(([name, value]) => ['--variable', `${name}=${value}`]), 'compare');
        expect(done.code, done.stdout + done.stderr).toBe(0);
        expect(notes).toMatchObject([{ path: '/projects/7/merge_requests/3/notes', token: 'secret', body: expect.stringContaining('difference from the version before | 0 of 3 answers differ') as unknown }]);
      } finally {
        server.close();
        git('config', '--remove-section', `url.${join(folder, 'gitlab.git')}`);
        git('worktree', 'prune');
      }
    });
  });

  describe.skipIf(withoutGroovy !== undefined)(`Jenkins${withoutGroovy === undefined ? '' : ` (skipped: ${withoutGroovy})`}`, () => {
    const jenkins = (more: Readonly<Record<string, string>>) => shell('groovy', [join(import.meta.dirname, 'jenkinsfile.groovy'), 'Jenkinsfile'], { JAVA_HOME: javaHome(), GIT_COMMIT: 'c0ffee', WORKSPACE_TMP: join(folder, 'workspace'), ...more });

    it('tests, builds and pushes the main branch', async () => {
      await ci('jenkins');
      const done = await jenkins({ BRANCH_NAME: 'main' });
      expect(done.code, done.stdout + done.stderr).toBe(0);
      expect(done.stdout.match(/^(?:stage|skip) .*$/gm)).toEqual(['stage Install', 'stage Test models', 'skip Compare with the main branch', 'stage Build', 'stage Push']);
      expect(done.stdout).toMatch(/^junit report\*\.xml$/m);
      expect(await tags()).toContain('c0ffee');
    });

    it('compares a change with the main branch, in a workspace that is used again, too', async () => {
      const origin = join(folder, 'jenkins.git');
      git('clone', '-q', '--bare', '.', origin);
      git('config', `url.${origin}.insteadOf`, 'git@gitlab.com:me/app.git');
      for (const commit of ['c0ffee1', 'c0ffee2']) {
        const done = await jenkins({ BRANCH_NAME: 'PR-1', CHANGE_TARGET: 'main', GIT_COMMIT: commit });
        expect(done.code, done.stdout + done.stderr).toBe(0);
        expect(readFileSync(join(repository, 'report.md'), 'utf8')).toContain('difference from the version before | 0 of 3 answers differ');
      }
      expect(await tags()).not.toContain('c0ffee1');
    });

    it('has no section that the reader does not know, and stops where a gate does not hold', async () => {
      const file = join(repository, 'Jenkinsfile');
      const text = readFileSync(file, 'utf8');
      writeFileSync(file, text.replace('  options {', '  optionen {'));
      expect((await jenkins({ BRANCH_NAME: 'other' })).stderr).toContain("pipeline has no 'optionen'");
      writeFileSync(file, text.replace('--max-latency 10s', '--max-latency 0.0001ms'));
      const failed = await jenkins({ BRANCH_NAME: 'main' });
      expect(failed.code).not.toBe(0);
      expect(failed.stdout).not.toContain('stage Build');
      expect(failed.stdout).toContain('junit report*.xml');
    });
  });
});

function javaHome(): string {
  return dirname(dirname(realpathSync(execFileSync('sh', ['-c', 'command -v java'], { encoding: 'utf8' }).trim())));
}
