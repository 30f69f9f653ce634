/** `modelport test` from outside: gates that hold, gates that don't, and what pipelines read of it. */
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { answerDifference } from '../../src/commands/test/compare-answers.ts';
import { junitReport, markdownReport } from '../../src/commands/test/reports.ts';
import { root, runModelport, startModelport } from '../start-modelport.ts';

const iris = join(root, 'examples/models/iris');
const flower = { sepal_length: 6, sepal_width: 2.2, petal_length: 4, petal_width: 1 };
const header = 'sepal_length,sepal_width,petal_length,petal_width,label';

interface Result {
  readonly model: string;
  readonly name: string;
  readonly problem?: string;
  readonly fact?: string;
}

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'modelport-test-'));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const run = (...args: string[]) => runModelport(['test', ...args], { cwd: folder });
const check = async (...args: string[]): Promise<{ code: number | null; results: readonly Result[] }> => {
  const { code, stdout, stderr } = await run(...args, '--json');
  expect(stderr).toBe('');
  return { code, results: JSON.parse(stdout) as Result[] };
};
const write = (name: string, content: string): string => {
  writeFileSync(join(folder, name), content);
  return name;
};
const failures = (results: readonly Result[]): string[] => results.filter(({ problem }) => problem !== undefined).map(({ name }) => name);

test('without a flag every model must load and answer its examples', async () => {
  const { code, results } = await check(join(root, 'examples/models'));
  expect(code).toBe(0);
  expect(results.filter(({ model }) => model === 'iris').map(({ name }) => name)).toEqual(['loads', 'answers example 1', 'answers example 2', 'answers example 3']);
});

test('a model that does not load fails, the others are tested', async () => {
  mkdirSync(join(folder, 'mixed/broken'), { recursive: true });
  cpSync(iris, join(folder, 'mixed/iris'), { recursive: true });
  cpSync(join(iris, 'model.onnx'), join(folder, 'mixed/broken/model.onnx'));
  writeFileSync(join(folder, 'mixed/broken/model.onnx'), readFileSync(join(iris, 'model.onnx')).subarray(0, 200));
  const { code, results } = await check('mixed');
  expect(code).toBe(1);
  expect(results.filter(({ problem }) => problem !== undefined).map(({ model, name }) => `${model} ${name}`)).toEqual(['broken loads']);
  expect(results.filter(({ model }) => model === 'iris')).toHaveLength(4);
});

describe('golden answers', () => {
  test('are written by --update, hold after it, and fail when the model answers otherwise', async () => {
    const file = write('golden-cases.json', JSON.stringify([{ name: 'a flower', input: flower }]));
    const before = await check(iris, '--golden', file);
    expect([before.code, failures(before.results)]).toEqual([1, ['a flower']]);
    expect((await check(iris, '--golden', file, '--update')).code).toBe(0);
    expect((await check(iris, '--golden', file)).code).toBe(0);
    const cases = JSON.parse(readFileSync(join(folder, file), 'utf8')) as { output: { label: string; score: number } }[];
    expect(cases[0]!.output.label).toBe('versicolor');
    cases[0]!.output.score += 0.01;
    write(file, JSON.stringify(cases));
    const after = await check(iris, '--golden', file);
    expect(after.results.find(({ name }) => name === 'a flower')!.problem).toMatch(/^score is 0\.99\d+, not 1\.00\d+$/);
    expect((await check(iris, '--golden', file, '--tolerance', '0.05')).code).toBe(0);
  });

  test('in a model\'s own folder need no flag', async () => {
    cpSync(iris, join(folder, 'own'), { recursive: true });
    writeFileSync(join(folder, 'own/golden.jsonl'), `${JSON.stringify({ input: flower, output: 'setosa' })}\n`);
    const { code, results } = await check('own');
    expect([code, failures(results)]).toEqual([1, ['golden.jsonl 1']]);
  });

  test.each([
    ['[{"input": 1', 'not valid JSON'],
    ['[{"output": 1}]', 'has no "input"'],
    ['[{"input": 1, "ouput": 2}]', "has 'ouput'"],
    ['[7]', 'is no object'],
    ['[{"input": 1, "tolerance": "x"}]', '"tolerance" must be a number'],
    ['[{"input": 1, "model": "tulip"}]', "is about a model 'tulip'"],
  ])('%s is told of', async (text, message) => {
    const { code, stderr } = await run(iris, '--golden', write('bad.json', text));
    expect([code, stderr]).toEqual([2, expect.stringContaining(message)]);
  });
});

describe('gates', () => {
  const holdout = (): string => write('holdout.csv', `${header}\n6,2.2,4,1,versicolor\n5.8,4,1.2,0.2,setosa\n5.7,2.5,5,2,virginica\n5.7,2.5,5,2,setosa\n`);

  test('accuracy on a file of right answers', async () => {
    expect((await check(iris, '--labelled', holdout(), '--min-accuracy', '75%')).code).toBe(0);
    const { code, results } = await check(iris, '--labelled', holdout(), '--min-accuracy', '0.8');
    expect(code).toBe(1);
    expect(results.at(-1)).toMatchObject({ name: 'accuracy on holdout.csv', fact: '75.00 % of 4 rows right, at least 80 %', problem: '75.00 % are right, below 80 %\nline 5 is setosa, the model says virginica' });
    const lines = write('holdout.jsonl', `${JSON.stringify({ ...flower, kind: 'versicolor' })}\n`);
    expect((await check(iris, '--labelled', lines, '--label-column', 'kind', '--min-accuracy', '1')).code).toBe(0);
  });

  test('accuracy on pictures in folders that are named by their class', async () => {
    for (const label of ['7', '8']) {
      mkdirSync(join(folder, 'pictures', label), { recursive: true });
      cpSync(join(root, 'examples/models/digits/sample.png'), join(folder, 'pictures', label, 'a.png'));
    }
    const { results } = await check(join(root, 'examples/models/digits'), '--labelled', 'pictures', '--min-accuracy', '0.9');
    expect(results.at(-1)!.problem).toMatch(/^50\.00 % are right[^]*is 8, the model says 7$/);
  });

  test('size, and a latency that nothing can miss or keep', async () => {
    const kept = await check(iris, '--max-size', '1MB', '--max-latency', '1h');
    expect([kept.code, kept.results.slice(-2).map(({ name }) => name)]).toEqual([0, ['latency', 'size']]);
    const missed = await check(iris, '--max-size', '10B', '--max-latency', '0.0001ms');
    expect([missed.code, failures(missed.results)]).toEqual([1, ['latency', 'size']]);
  });

  test('answers that differ from the version before, here or at a server', async () => {
    cpSync(iris, join(folder, 'changed/iris'), { recursive: true });
    const config = readFileSync(join(iris, 'model.yaml'), 'utf8').replace('[setosa, versicolor, virginica]', '[virginica, versicolor, setosa]');
    writeFileSync(join(folder, 'changed/iris/model.yaml'), config);
    expect((await check(iris, '--previous', iris, '--max-changed', '0')).code).toBe(0);
    const { code, results } = await check('changed', '--previous', iris, '--max-changed', '10%');
    expect(code).toBe(1);
    expect(results.at(-1)!.problem).toMatch(/^100\.00 % of answers differ, more than 10 %\nexample 1: /);
    const server = await startModelport({ arguments: [iris] });
    const remote = await check('changed', '--previous', server.url);
    expect(remote.results.at(-1)).toMatchObject({ fact: '3 of 3 answers differ, 2 in their class' });
    expect((await check('--url', server.url, '--labelled', holdout(), '--min-accuracy', '75%')).code).toBe(0);
    await server.stop();
  });

  test.each([
    [[], 'nothing to test'],
    [[iris, '--url', 'http://x'], 'choose one'],
    [[iris, '--min-accuracy', '0.9'], 'needs right answers'],
    [[iris, '--max-changed', '0.1'], 'needs what to compare with'],
    [[iris, '--model', 'irsi'], 'iris'],
    [[join(root, 'examples/models'), '--labelled', 'x.csv'], 'say with --model'],
    [[iris, '--labelled', 'nothing.csv'], 'there is no file'],
  ])('%j is told of', async (args, message) => {
    const { code, stderr } = await run(...args);
    expect([code, stderr]).toEqual([2, expect.stringContaining(message)]);
  });
});

describe('reports', () => {
  const results = [
    { model: 'a<b', name: 'x & "y"', problem: 'is <1>\nnot\u0000 2', fact: 'one | two', durationMs: 12 },
    { model: 'a<b', name: 'z', problem: undefined, durationMs: 1 },
  ];

  test('JUnit is XML, whatever is said', () => {
    expect(junitReport(results)).toBe(`<?xml version="1.0" encoding="UTF-8"?>
<testsuites name="modelport test" tests="2" failures="1" errors="0" time="0.013">
  <testsuite name="a&lt;b" tests="2" failures="1" errors="0" skipped="0" time="0.013">
    <testcase classname="a&lt;b" name="x &amp; &quot;y&quot;" time="0.012">
      <system-out>one | two</system-out>
      <failure message="is &lt;1&gt;">is &lt;1&gt;
not\uFFFD 2</failure>
    </testcase>
    <testcase classname="a&lt;b" name="z" time="0.001"/>
  </testsuite>
</testsuites>
`);
  });

  test('Markdown is one line a check', () => {
    expect(markdownReport(results).split('\n').slice(4)).toEqual(['| a&lt;b | ❌ x & "y" | one \\| two. is &lt;1> |', '| a&lt;b | ✅ z |  |', '']);
  });

  test('are written beside what is printed', async () => {
    const { code } = await run(iris, '--junit', 'report.xml', '--markdown', 'report.md');
    expect(code).toBe(0);
    expect(readFileSync(join(folder, 'report.xml'), 'utf8')).toContain('tests="4" failures="0"');
    expect(readFileSync(join(folder, 'report.md'), 'utf8')).toContain('### Models: 4 checks passed');
  });
});

test('answers are the same up to a tolerance for numbers, and nothing else', () => {
  expect(answerDifference({ a: [1, 'x', null] }, { a: [1.00001, 'x', null] }, 1e-4)).toBeUndefined();
  expect(answerDifference(1e9, 1e9 + 1, 1e-6)).toBeUndefined();
  expect(answerDifference({ a: 1 }, { a: 1, b: 2 }, 1)).toBe('b is missing');
  expect(answerDifference({ a: 1, b: 2 }, { a: 1 }, 1)).toBe('b was not there');
  expect(answerDifference([1, 2], [1], 1)).toBe('the answer has 2 elements, not 1');
  expect(answerDifference('1', 1, 1)).toBe('the answer is "1", not 1');
  expect(answerDifference({ a: { b: [0, 0.2] } }, { a: { b: [0, 0.1] } }, 0.01)).toBe('a.b[1] is 0.2, not 0.1');
  expect(answerDifference(null, {}, 1)).toBe('the answer is null, not an object');
});
