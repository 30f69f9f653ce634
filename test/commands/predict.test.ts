/** `modelport predict` from outside: what a person types, what stands in the files after it. */
import { spawn } from 'node:child_process';
import { copyFileSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { cli, root, runModelport, startModelport, type RunningModelport } from '../start-modelport.ts';

const models = join(root, 'examples/models');
const iris = join(models, 'iris');
const digits = join(models, 'digits');
const flower = { sepal_length: 6, sepal_width: 2.2, petal_length: 4, petal_width: 1 };
const tensors = JSON.stringify({ inputs: [{ name: 'measurements', datatype: 'FP32', shape: [2, 4], data: [6, 2.2, 4, 1, 5.8, 4, 1.2, 0.2] }] });
const header = 'sepal_length,sepal_width,petal_length,petal_width';

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'modelport-predict-'));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const predict = (args: readonly string[], input?: string) => runModelport(['predict', ...args], { cwd: folder, ...(input === undefined ? {} : { input }) });
const write = (name: string, content: string | Buffer): string => {
  const path = join(folder, name);
  writeFileSync(path, content);
  return path;
};
const lines = (name: string): string[] => readFileSync(join(folder, name), 'utf8').split('\n').filter((line) => line !== '');
const jsonLines = (name: string) => lines(name).map((line) => JSON.parse(line) as Record<string, unknown>);
/** `count` rows of setosas and virginicas in turn. */
const flowers = (count: number): string[] => Array.from({ length: count }, (_, index) => (index % 2 === 0 ? '5.1,3.5,1.4,0.2' : '6.3,3.3,6.0,2.5'));

describe('one input', () => {
  test('JSON on the command line, in a file and at standard input give the same', async () => {
    const file = write('flower.json', JSON.stringify(flower));
    const results = await Promise.all([predict([iris, JSON.stringify(flower), '--json']), predict([iris, `@${file}`, '--json']), predict([iris, file, '--json']), predict([iris, '-', '--json'], JSON.stringify(flower))]);
    for (const { code, stdout } of results) {
      expect(code).toBe(0);
      expect(JSON.parse(stdout)).toMatchObject({ label: 'versicolor', probabilities: { setosa: expect.any(Number) as number } });
    }
    expect(new Set(results.map(({ stdout }) => stdout)).size).toBe(1);
  });

  test('people see bars, the best class first, and no colours in a pipe', async () => {
    const { stdout, code } = await predict([iris, JSON.stringify(flower)]);
    expect(code).toBe(0);
    expect(stdout).toMatch(/label {2}versicolor\n[\s\S]*versicolor +█+[\s\S]*virginica[\s\S]*setosa/);
    expect(stdout).not.toContain('\u001b');
  });

  test('a picture, with a field beside it', async () => {
    const { stdout } = await predict([digits, join(digits, 'sample.png'), '--set', 'topK=5', '--json']);
    const answer = JSON.parse(stdout) as { label: string; labels: unknown[] };
    expect([answer.label, answer.labels.length]).toEqual(['7', 5]);
  });

  test('an ensemble out of a folder of models, its steps with it', async () => {
    const { stdout } = await predict([models, '--model', 'iris-ensemble', JSON.stringify(flower), '--json']);
    expect(JSON.parse(stdout)).toMatchObject({ label: 'versicolor' });
  });

  test('tensors, for models without a task', async () => {
    const { stdout } = await predict([iris, '--tensors', tensors, '--json']);
    expect(JSON.parse(stdout)).toMatchObject({ model_name: 'iris', outputs: [{ name: 'probabilities', shape: [2, 3], datatype: 'FP32' }] });
    const shown = await predict([iris, '--tensors', tensors]);
    expect(shown.stdout).toMatch(/probabilities {2}FP32 \[2, 3\]\n {2}\S+ +\S+ +\S+\n {2}\S+ +\S+ +\S+\n/);
  });
});

describe('mistakes are told in a sentence that says what the model takes', () => {
  test.each([
    [[], 2, 'no model'],
    [[iris], 2, '"sepal_length"'],
    [[iris, 'what is this'], 2, 'neither JSON nor a file'],
    [[iris, 'nothing.csv'], 2, 'there is no file nothing.csv'],
    [[iris, '{"sepal_length": '], 1, 'not valid JSON'],
    [[iris, '{"sepal_lenght": 1}'], 1, "did you mean 'sepal_length'?"],
    [[models, '{}'], 2, '--model digits'],
    [[models, '--model', 'iri', '{}'], 2, "did you mean 'iris'?"],
    [[digits, '{"a": 1}', '--format', 'csv'], 1, "there is no field 'a'"],
    [[iris, '--tensors', '{"inputs": [{"name": "x", "datatype": "FP32", "shape": [1, 4], "data": [1, 2, 3, 4]}]}'], 1, 'measurements'],
    [[iris, '{}', '--resume'], 2, 'needs the output'],
    [[iris, '{}', '-o', 'x.csv'], 2, 'for many inputs'],
    [[iris, '{}', '--set', 'topK'], 2, 'write name=value'],
    [['--url', 'http://127.0.0.1:9', '--model', 'x', '{}'], 2, 'does not answer'],
  ] as const)('%j', async (args, code, text) => {
    const result = await predict(args);
    expect(result.stderr).toContain(text);
    expect(result.stderr).not.toMatch(/\n\s+at /);
    expect(result.code).toBe(code);
  });

  test('a header that lacks a column of the model', async () => {
    const { code, stderr } = await predict([iris, write('lacking.csv', 'sepal_length,sepal_widht,petal_length,petal_width\n1,2,3,4\n'), '-o', 'lacking-out.csv']);
    expect([code, stderr]).toEqual([2, expect.stringContaining("no column 'sepal_width'")]);
    expect(stderr).toContain("did you mean 'sepal_widht'?");
    expect(existsSync(join(folder, 'lacking-out.csv.part'))).toBe(false);
  });
});

describe('a CSV file', () => {
  test('becomes one of answers, in order, with the columns of the input; bad rows go aside', async () => {
    const rows = flowers(300).map((row, index) => `${row},"flower ${index}, ""x"""`);
    rows[10] = '5.1,abc,1.4,0.2,bad';
    rows[20] = '5.1,3.5';
    rows[30] = '5.1,,1.4,0.2,empty';
    const { code, stderr } = await predict([iris, write('many.csv', `\uFEFF${header},label\r\n${rows.join('\r\n')}\r\n`), '-o', 'many-out.csv']);
    expect(code).toBe(1);
    expect(stderr).toContain("column 'label' is no input of the model");
    expect(stderr).toContain('297 rows answered, 3 rows failed');
    const [head, ...answers] = lines('many-out.csv');
    expect(head).toBe(`row,${header},label,predicted.label,score,probabilities.setosa,probabilities.versicolor,probabilities.virginica`);
    const numbers = answers.map((line) => Number(line.split(',')[0]));
    expect(numbers).toEqual(Array.from({ length: 300 }, (_, index) => index + 1).filter((number) => ![11, 21, 31].includes(number)));
    for (const line of answers) expect(line).toMatch(Number(line.split(',')[0]) % 2 === 1 ? /""x""",setosa,0\.\d+/ : /""x""",virginica,0\.\d+/);
    expect(jsonLines('many-out.errors.jsonl')).toEqual([
      { row: 11, place: 'line 12', code: 'INVALID_VALUE', at: 'sepal_width', error: expect.stringContaining("the text 'abc'") as string, input: expect.objectContaining({ sepal_width: 'abc', label: 'bad' }) as object },
      { row: 21, place: 'line 22', code: 'INVALID_VALUE', error: expect.stringContaining('2 cells, but the header names 5') as string },
      { row: 31, place: 'line 32', code: 'INVALID_VALUE', at: 'sepal_width', error: expect.stringContaining('is empty') as string, input: expect.objectContaining({ sepal_width: '' }) as object },
    ]);
    expect(existsSync(join(folder, 'many-out.csv.part'))).toBe(false);
  });

  test('of one row is shown as one answer is; of several, a line each', async () => {
    const one = await predict([iris, write('one.csv', `${header}\n${flowers(1)[0]!}\n`)]);
    expect(one.stdout).toMatch(/setosa +█/);
    const several = await predict([iris, write('several.csv', `${header}\n${flowers(3).join('\n')}\n`)]);
    expect(several.stdout.trim().split('\n').length).toBe(3);
    const json = await predict([iris, '-', '--format', 'csv', '--json'], `${header}\n${flowers(3).join('\n')}\n`);
    expect(json.stdout.trim().split('\n').map((line) => (JSON.parse(line) as { label: string }).label)).toEqual(['setosa', 'virginica', 'setosa']);
  });

  test('a good run leaves no file of bad rows, not even an old one', async () => {
    write('clean.errors.jsonl', '{"row":1,"place":"line 2","error":"old"}\n');
    const { code } = await predict([iris, write('clean-in.csv', `${header}\n${flowers(2).join('\n')}\n`), '-o', 'clean.csv']);
    expect([code, existsSync(join(folder, 'clean.errors.jsonl')), lines('clean.csv').length]).toEqual([0, false, 3]);
  });
});

describe('JSON lines and folders', () => {
  test('lines of JSON, blank and bad ones among them', async () => {
    const file = write('rows.jsonl', `${JSON.stringify(flower)}\n\nnot json\n${JSON.stringify(flower)}`);
    const { code } = await predict([iris, file, '-o', 'rows-out.jsonl']);
    expect(code).toBe(1);
    expect(jsonLines('rows-out.jsonl')).toEqual([1, 3].map((row) => ({ row, output: expect.objectContaining({ label: 'versicolor' }) as object })));
    expect(jsonLines('rows-out.errors.jsonl')).toMatchObject([{ row: 2, place: 'line 3', error: expect.stringContaining('not valid JSON') as string }]);
  });

  test('lines of tensors', async () => {
    const { code } = await predict([iris, '--tensors', write('tensors.jsonl', `${tensors}\n${tensors}\n`), '-o', 'tensors-out.jsonl']);
    expect(code).toBe(0);
    expect(jsonLines('tensors-out.jsonl').map(({ row, output }) => [row, (output as { outputs: { shape: number[] }[] }).outputs[0]!.shape])).toEqual([[1, [2, 3]], [2, [2, 3]]]);
  });

  test('a folder or a pattern of pictures; one that is none goes aside', async () => {
    const pictures = join(folder, 'pictures', 'deep');
    mkdirSync(pictures, { recursive: true });
    for (const name of ['a.png', 'deep/b.png']) copyFileSync(join(digits, 'sample.png'), join(folder, 'pictures', name));
    writeFileSync(join(folder, 'pictures', 'notes.txt'), 'no picture');
    writeFileSync(join(folder, 'pictures', 'broken.png'), 'no picture either');
    const { code } = await predict([digits, 'pictures', '-o', 'pictures.csv']);
    expect(code).toBe(1);
    expect(lines('pictures.csv').map((line) => line.split(',').slice(0, 2))).toEqual([['file', 'label'], ['pictures/a.png', '7'], ['pictures/deep/b.png', '7']]);
    expect(jsonLines('pictures.errors.jsonl')).toMatchObject([{ file: 'pictures/broken.png' }]);
    const pattern = await predict([digits, 'pictures/**/[b].png', '--json']);
    expect(pattern.code).toBe(2);
    const matched = await predict([digits, 'pictures/**/?.png', '-o', 'matched.jsonl']);
    expect([matched.code, jsonLines('matched.jsonl').map(({ file }) => file)]).toEqual([0, ['pictures/a.png', 'pictures/deep/b.png']]);
  });
});

describe('a run that was stopped', () => {
  test('keeps what it did, says so with 130, and --resume does the rest once', async () => {
    const child = spawn(process.execPath, [cli, 'predict', iris, '-', '--format', 'csv', '-o', 'stopped.csv'], { cwd: folder, stdio: ['pipe', 'ignore', 'pipe'], env: { ...process.env, NO_COLOR: '1' } });
    let stderr = '';
    child.stderr.on('data', (chunk: Buffer) => (stderr += chunk.toString()));
    const all = flowers(500);
    all[5] = 'x,3.5,1.4,0.2';
    // Standard input stays open and silent after the first rows.
    child.stdin.write(`${header}\n${all.slice(0, 100).join('\n')}\n`);
    const part = join(folder, 'stopped.csv.part');
    while (child.exitCode === null && (!existsSync(part) || lines('stopped.csv.part').length < 100)) await sleep(20);
    child.kill('SIGINT');
    expect(await new Promise((resolve) => child.on('exit', resolve)), stderr).toBe(130);
    expect(stderr).toContain('--resume');
    expect(existsSync(join(folder, 'stopped.csv'))).toBe(false);
    // As if the power had gone in the middle of a line.
    writeFileSync(part, '100,6.3,"cut o', { flag: 'a' });
    const input = write('stopped-in.csv', `${header}\n${all.join('\n')}\n`);
    const again = await predict([iris, input, '-o', 'stopped.csv']);
    expect([again.code, again.stderr]).toEqual([2, expect.stringContaining('--resume')]);
    const resumed = await predict([iris, input, '-o', 'stopped.csv', '--resume']);
    expect(resumed.stderr).toContain('400 rows answered, 100 rows done before');
    expect(resumed.code).toBe(1);
    expect(lines('stopped.csv').slice(1).map((line) => Number(line.split(',')[0]))).toEqual(Array.from({ length: 500 }, (_, index) => index + 1).filter((row) => row !== 6));
    expect(jsonLines('stopped.errors.jsonl').map(({ row }) => row)).toEqual([6]);
  });

  test('a whole output is gone on with when its input has grown', async () => {
    const rows = flowers(6);
    await predict([iris, write('grown-in.csv', `${header}\n${rows.slice(0, 4).join('\n')}\n`), '-o', 'grown.jsonl']);
    await predict([iris, write('grown-in.csv', `${header}\n${rows.join('\n')}\n`), '-o', 'grown.jsonl', '--resume']);
    expect(jsonLines('grown.jsonl').map(({ row }) => row)).toEqual([1, 2, 3, 4, 5, 6]);
  });

  test("another input's output is not gone on with", async () => {
    write('other.csv', 'a,b\n1,2\n');
    const { code, stderr } = await predict([iris, write('mine.csv', `${header}\n${flowers(2).join('\n')}\n`), '-o', 'other.csv', '--resume']);
    expect([code, stderr]).toEqual([2, expect.stringContaining('is no output of this input')]);
    expect(lines('other.csv')).toEqual(['a,b', '1,2']);
  });
});

describe('a running server', () => {
  let server: RunningModelport;
  const others: Server[] = [];
  beforeAll(async () => {
    server = await startModelport({ arguments: [models] });
  });
  afterAll(async () => server.stop());
  afterEach(() => others.splice(0).forEach((other) => other.close()));

  test('answers as the files do: values, pictures, tensors and rows', async () => {
    const value = await predict(['--url', server.url, '--model', 'iris', JSON.stringify(flower), '--json']);
    expect(value.stdout).toBe((await predict([iris, JSON.stringify(flower), '--json'])).stdout);
    const picture = await predict([server.url, '--model', 'digits', join(digits, 'sample.png'), '--json']);
    expect(JSON.parse(picture.stdout)).toMatchObject({ label: '7' });
    const raw = await predict(['--url', server.url, '--model', 'iris-classify', '--tensors', '--json', tensors.replace('measurements', 'scaled')]);
    expect(JSON.parse(raw.stdout)).toMatchObject({ model_name: 'iris-classify' });
    const many = await predict(['--url', server.url, '--model', 'iris', write('remote.csv', `${header}\n${flowers(200).join('\n')}\n1,2,3,x\n`), '-o', 'remote-out.jsonl']);
    expect([many.code, jsonLines('remote-out.jsonl').length, jsonLines('remote-out.errors.jsonl').length]).toEqual([1, 200, 1]);
  });

  test('that is busy for a while is asked again; one that is gone stops the run, which --resume goes on with', async () => {
    let busy = 5;
    let gone = false;
    const proxy = createServer((request, response) => {
      const chunks: Buffer[] = [];
      request.on('data', (chunk: Buffer) => chunks.push(chunk));
      request.on('end', () => {
        if (gone) return response.destroy();
        if (request.method === 'POST' && busy-- > 0) return response.writeHead(503, { 'content-type': 'application/json' }).end('{"error":"full","code":"QUEUE_FULL"}');
        void fetch(`${server.url}${request.url!}`, { method: request.method!, headers: { 'content-type': 'application/json' }, ...(request.method === 'POST' ? { body: Buffer.concat(chunks) } : {}) }).then(async (answer) => {
          response.writeHead(answer.status, { 'content-type': 'application/json' }).end(await answer.text());
          if (request.method === 'POST') answered++;
          gone ||= answered === 50;
        });
        return undefined;
      });
    });
    let answered = 0;
    others.push(proxy);
    await new Promise<void>((resolve) => proxy.listen(0, '127.0.0.1', resolve));
    const url = `http://127.0.0.1:${(proxy.address() as AddressInfo).port}`;
    const args = ['--url', url, '--model', 'iris', write('gone.csv', `${header}\n${flowers(300).join('\n')}\n`), '-o', 'gone-out.csv'];
    const stopped = await predict(args);
    expect(stopped.stderr).toContain('does not answer');
    expect(stopped.stderr).toContain('--resume');
    expect(stopped.code).toBe(1);
    [gone, answered] = [false, 51];
    const resumed = await predict([...args, '--resume']);
    expect(resumed.code).toBe(0);
    expect(lines('gone-out.csv').slice(1).map((line) => Number(line.split(',')[0])).sort((a, b) => a - b)).toEqual(Array.from({ length: 300 }, (_, index) => index + 1));
  });
});
