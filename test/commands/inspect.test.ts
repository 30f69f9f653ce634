import { copyFileSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { inspect } from '../../src/commands/inspect.ts';
import { visibleLength } from '../../src/lib/terminal.ts';
import { humanBytes, humanCount } from '../../src/lib/human-number.ts';
import { readOnnxFacts } from '../../src/onnx/onnx-facts.ts';
import { writeModelBytes } from '../../src/onnx/write-model.ts';
import { fixture, fixtureDirectory, fixturePath } from '../onnx/fixtures.ts';
import { root, runModelport } from '../start-modelport.ts';

let directory: string;
beforeAll(() => {
  directory = mkdtempSync(join(tmpdir(), 'modelport-inspect-'));
});
afterAll(() => rmSync(directory, { recursive: true }));

describe('the facts of a model', () => {
  it('count operators, parameters and bytes, and name producer and metadata', () => {
    expect(readOnnxFacts({ directory: fixtureDirectory, main: 'mlp.onnx' })).toMatchObject({
      opsets: { '': 17 },
      irVersion: 8,
      producer: { name: 'modelport-fixtures', version: '' },
      operators: [{ domain: '', operator: 'Gemm', count: 1 }, { domain: '', operator: 'Softmax', count: 1 }],
      nodeCount: 2,
      parameterCount: 15,
      metadata: {},
      warnings: [],
    });
    const everything = readOnnxFacts({ directory: fixtureDirectory, main: 'everything.onnx' });
    expect(everything.metadata).toEqual({ author: 'modelport', language: '日本語' });
    expect(everything.operators).toContainEqual({ domain: 'example', operator: 'Everything', count: 1 });
    expect(everything.warnings).toContain('it holds graphs for training, which serving leaves out');
  });

  it('count weights that lie in other files, and the models of ai.onnx.ml', () => {
    const { sizeBytes, parameterCount, externalFiles } = readOnnxFacts({ directory: join(fixtureDirectory, 'external'), main: 'model.onnx' });
    expect([parameterCount, externalFiles.map((file) => file.location)]).toEqual([12, ['weights.bin']]);
    expect(sizeBytes).toBeGreaterThan(48 + 100);
    expect(readOnnxFacts({ directory: fixtureDirectory, main: 'zip-map.onnx' }).parameterCount).toBe(9);
  });
});

describe('inspect', () => {
  it('tells signature, batching and graph', async () => {
    const text = await inspect(fixturePath('running-sum.onnx'));
    expect(text).toContain("Inputs\n  x       FP32  [batch, 2]     rows on axis 0\n  state   FP32  [1, batch, 2]  rows on axis 1 · a state, which 'stateN' gives anew\n");
    expect(text).toContain("Batching  yes, up to 64 rows a run\n  the axis 'batch' is in input and output");
    expect(text).toMatch(/Graph {2}3 nodes of 3 kinds\n {2}opset ai\.onnx 17/);
    expect(text).not.toContain('\u001b');
  });

  it('tells why a model cannot batch, its classes and what is left out', async () => {
    expect(await inspect(fixturePath('fixed.onnx'))).toMatch(/Batching {2}no\n {2}the first axis of 'x' is fixed at 1/);
    expect(await inspect(fixturePath('zip-map.onnx'), { columns: 200 })).toMatch(/3 classes: setosa, versicolor, virginica/);
    expect(await inspect(fixturePath('sequence-output.onnx'))).toMatch(/! the output 'parts' cannot be used: it is seq\(tensor\(float\)\)/);
  });

  it('colours where it is asked to, and keeps to the columns', async () => {
    const colored = await inspect(fixturePath('zip-map.onnx'), { color: true, columns: 60 });
    expect(colored).toContain('\u001b[1m');
    for (const line of colored.split('\n').slice(1)) expect(visibleLength(line)).toBeLessThanOrEqual(60);
    // eslint-disable-next-line no-control-regex
    expect(colored.split('\n').map((line) => [...line.matchAll(/\u001b\[(\d+)m/g)].length % 2)).not.toContain(1);
  });

  it('as JSON holds the same', async () => {
    const facts = JSON.parse(await inspect(fixturePath('zip-map.onnx'), { json: true })) as Record<string, unknown>;
    expect(facts).toMatchObject({ format: 'onnx', opsets: { '': 17, 'ai.onnx.ml': 3 }, zipMaps: [{ output: 'output_probability' }], signature: { batch: { maxSize: 64 } } });
  });

  it('tells the config in force with where each value comes from', async () => {
    const config = { instances: { kind: 'inline' as const, count: 1 } };
    const text = await inspect(fixturePath('mlp.onnx'), {
      config: { config, origins: [{ path: 'instances.kind', source: 'measured at warm-up', reason: 'a run takes 20 µs' }], warnings: ['a field is not honoured'] },
    });
    expect(text).toMatch(/Config in force\n {2}instances\.kind {2}inline {2}measured at warm-up: a run takes 20 µs/);
    expect(text).toMatch(/! a field is not honoured/);
  });

  it('gives origins their room at every width, long values a line of their own, and defaults the end', async () => {
    const config = { task: { name: 'tabular-classification', labels: ['setosa', 'versicolor', 'virginica'] }, batching: { maxSize: 64 }, cache: false };
    const reason = 'the axis of rows is in input and output, always first, so requests can be joined into one run';
    const origins = [
      { path: 'cache', source: 'default' as const },
      { path: 'batching.maxSize', source: 'the graph', reason },
      { path: 'task', source: 'model.yaml:4' },
    ];
    for (const columns of [80, 100, 120]) {
      const lines = (await inspect(fixturePath('mlp.onnx'), { columns, config: { config, origins, warnings: [] } })).split('\n');
      const table = lines.slice(lines.indexOf('Config in force') + 1);
      expect(table.every((line) => line.length <= columns)).toBe(true);
      expect(table[0]).toMatch(/^ {2}batching\.maxSize {2}64 +the graph: the axis of rows is/);
      const task = table.findIndex((line) => line.startsWith('  task'));
      expect(table[task + 1]!.trim()).toBe('model.yaml:4');
      expect(table.slice(task + 2, task + 4)).toEqual(['  by default', expect.stringMatching(/^ {2}cache +false$/)]);
      // The origin of two words a line would be one of twenty columns.
      expect(table.slice(0, task).length).toBeLessThanOrEqual(3);
    }
  });

  it('of an ensemble alone says which folder to name', async () => {
    const { code, stderr } = await runModelport(['inspect', 'examples/models/iris-ensemble']);
    expect([code, stderr]).toEqual([1, expect.stringContaining(`modelport inspect ${join(root, 'examples/models')}`)]);
  });

  it('finds the model in a folder, the newest version first', async () => {
    const folder = join(directory, 'versions');
    for (const version of ['2', '10']) {
      mkdirSync(join(folder, version), { recursive: true });
      copyFileSync(fixturePath(version === '10' ? 'add.onnx' : 'mlp.onnx'), join(folder, version, 'model.onnx'));
    }
    expect(await inspect(folder)).toMatch(/\bsum\b/);
    await expect(inspect(join(directory, 'nothing'))).rejects.toMatchObject({ code: 'INVALID_USAGE' });
    await expect(inspect(fixtureDirectory)).rejects.toMatchObject({ code: 'INVALID_USAGE', message: expect.stringMatching(/holds several models/) as string });
  });

  it('lets no name move the cursor', async () => {
    const model = fixture('mlp');
    model.graph!.input[0]!.name = 'x\u001b[2J\ny';
    model.graph!.node[0]!.input[0] = 'x\u001b[2J\ny';
    model.docString = 'a\u001b]0;title\u0007b';
    const path = join(directory, 'names.onnx');
    writeFileSync(path, writeModelBytes(model));
    const text = await inspect(path);
    expect(text).toContain('x [2J y');
    // eslint-disable-next-line no-control-regex
    expect(text).not.toMatch(/[\u0000-\u0009\u000b-\u001f]/);
  });
});

it('numbers as people read them', () => {
  expect([0, 999, 1000, 3_163_737, 999_600, 1e12].map(humanBytes)).toEqual(['0 B', '999 B', '1 KB', '3.16 MB', '1 MB', '1 TB']);
  expect([131, 9999, 10_000, 24_959_312].map(humanCount)).toEqual(['131', '9999', '10 K', '25 M']);
});
