/** Pipelines: their files, what they may do, and their commands, run as a runner would. */
import { execFileSync } from 'node:child_process';
import { chmodSync, cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parse } from 'yaml';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { pipelineSteps } from '../../src/commands/ci/pipeline-steps.ts';
import { pipelineFiles, renderPipeline } from '../../src/commands/ci/render-pipeline.ts';
import { cli, root, runModelport } from '../start-modelport.ts';

const systems = ['github', 'gitlab', 'jenkins'] as const;
const flags = { image: 'ghcr.io/me/app', branch: 'main', namespace: 'shop', platform: 'linux/amd64', node: '22', output: '.' } as const;

interface Step {
  readonly name?: string;
  readonly if?: string;
  readonly uses?: string;
  readonly run?: string;
  readonly env?: Readonly<Record<string, string>>;
}

interface Workflow {
  readonly permissions: object;
  readonly jobs: Readonly<Record<string, { readonly permissions: Readonly<Record<string, string>>; readonly steps: readonly Step[] }>>;
}

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'modelport-ci-'));
  mkdirSync(join(folder, 'models'));
  cpSync(join(root, 'examples/models/iris'), join(folder, 'models/iris'), { recursive: true });
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const ci = (...args: string[]) => runModelport(['ci', ...args], { cwd: folder });
const github = (): Workflow => parse(renderPipeline('github', pipelineSteps(['models'], { ...flags, target: 'kubernetes', gate: ['--max-latency 20ms'] }, false))) as Workflow;

describe('golden files', () => {
  test.each(systems)('%s', async (system) => {
    const all = pipelineSteps(['./models', 'app.ts'], { ...flags, target: 'kubernetes', gate: ['--max-latency 20ms', '--labelled holdout.csv --min-accuracy 0.95'] }, true);
    // The version of Modelport is no matter of this file.
    await expect(renderPipeline(system, all)).toMatchFileSnapshot(join(import.meta.dirname, 'golden', `${system}-all.txt`));
    const few = pipelineSteps(['app.ts'], { ...flags, image: 'registry.example.com:5000/me/app' }, true);
    await expect(renderPipeline(system, few)).toMatchFileSnapshot(join(import.meta.dirname, 'golden', `${system}-service.txt`));
  });
});

describe('rights', () => {
  test('a workflow has none but what its jobs ask for, and no job that runs code of a change may write', () => {
    const { permissions, jobs } = github();
    expect(permissions).toEqual({});
    expect(Object.fromEntries(Object.entries(jobs).map(([name, job]) => [name, job.permissions]))).toEqual({
      test: { contents: 'read' },
      comment: { 'pull-requests': 'write' },
      push: { contents: 'read', packages: 'write' },
      deploy: { contents: 'read' },
    });
    expect(jobs['comment']!.steps.every(({ uses }) => uses === undefined)).toBe(true);
  });

  test('everything of others is pinned by commit', () => {
    const text = renderPipeline('github', pipelineSteps(['models'], { ...flags }, false));
    const uses = [...text.matchAll(/uses: (.*)/g)].map((match) => match[1]!);
    expect(uses.length).toBeGreaterThan(4);
    for (const each of uses) expect(each).toMatch(/^[\w-]+\/[\w-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+$/);
  });

  test('nothing that others can write is put into a command', () => {
    for (const { steps } of Object.values(github().jobs)) for (const { run } of steps) expect(run ?? '').not.toContain('${{');
  });
});

describe('commands', () => {
  /** The programs that a runner has after the step Install. */
  const runner = (): Record<string, string> => {
    const bin = join(folder, 'bin');
    if (!existsSync(bin)) {
      mkdirSync(bin);
      writeFileSync(join(bin, 'modelport'), `#!/bin/sh\nexec ${process.execPath} ${cli} "$@"\n`);
      chmodSync(join(bin, 'modelport'), 0o755);
    }
    return { ...(process.env as Record<string, string>), PATH: `${bin}:${process.env['PATH']}`, TAG: 'abc123', NO_COLOR: '1' };
  };
  /** As GitHub's runner does it. */
  const run = (command: string): string => execFileSync('bash', ['-e', '-o', 'pipefail', '-c', command], { cwd: folder, env: runner(), encoding: 'utf8' });
  const step = (name: string): string => github().jobs['test']!.steps.find((each) => each.name === name)!.run!;

  test('test models, compare them with those of the main branch, and build', () => {
    run(step('Test models').replace('20ms', '10s'));
    expect(readFileSync(join(folder, 'report.md'), 'utf8')).toContain('### Models: 5 checks passed');
    run(step('Compare with the main branch'));
    expect(readFileSync(join(folder, 'report.md'), 'utf8')).not.toContain('version before');
    cpSync(join(folder, 'models'), join(folder, 'before/models'), { recursive: true });
    run(step('Compare with the main branch').replace('20ms', '10s'));
    expect(readFileSync(join(folder, 'report.md'), 'utf8')).toContain('difference from the version before | 0 of 3 answers differ');
    expect(readFileSync(join(folder, 'report.xml'), 'utf8')).toContain('failures="0"');
  });

  test('a gate that does not hold ends the pipeline', () => {
    expect(() => run(step('Test models').replace('20ms', '0.0001ms'))).toThrow(/FAIL|Command failed/);
  });

  test('are the same in all systems', () => {
    const pipeline = pipelineSteps(['models'], { ...flags, target: 'kubernetes' }, false);
    const jenkins = renderPipeline('jenkins', pipeline);
    const gitlab = parse(renderPipeline('gitlab', pipeline)) as Record<string, { script?: string[] }>;
    const scripts = Object.values(gitlab).flatMap(({ script }) => script ?? []);
    for (const command of [pipeline.install, pipeline.testModels!, pipeline.login, pipeline.build, pipeline.push, pipeline.deploy!]) {
      expect(scripts).toContain(command);
      expect(jenkins).toContain(command);
    }
  });
});

describe('from outside', () => {
  test.each(systems)('%s: the file lies where it is looked for, and is not written over', async (system) => {
    const first = await ci(system, 'models', '--image', 'ghcr.io/me/app');
    expect(first).toMatchObject({ code: 0, stdout: `Written  ${pipelineFiles[system]}\n` });
    expect((await ci(system, 'models', '--image', 'ghcr.io/me/app')).stderr).toContain('--force');
    expect((await ci(system, 'models', '--image', 'ghcr.io/me/app', '--stdout')).stdout).toBe(readFileSync(join(folder, pipelineFiles[system]), 'utf8'));
  });

  test.each([
    [['models', '--image', 'me/app:1'], 'leave the tag away'],
    [['models', '--image', 'app'], 'name the registry'],
    [['model', '--image', 'ghcr.io/me/app'], 'there is no model'],
    [['models', '--image', 'ghcr.io/me/app', '--gate', '--max-size 1MB; rm -rf /'], 'mean something to a shell'],
    [['models', '--image', 'ghcr.io/me/app', '--branch', 'a b'], '--branch'],
  ])('%j is told of', async (args, message) => {
    const { code, stderr } = await ci('github', ...args, '--stdout');
    expect([code, stderr]).toEqual([2, expect.stringContaining(message)]);
  });
});
