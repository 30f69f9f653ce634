import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { createClient, type Client } from '../../src/client.ts';
import { declareModels } from '../../src/commands/write-types.ts';
import { typeOfSchema } from '../../src/commands/schema-types.ts';
import { root, runModelport, startModelport, type RunningModelport } from '../start-modelport.ts';

let server: RunningModelport;
let client: Client;
beforeAll(async () => {
  server = await startModelport({ arguments: [join(root, 'examples/models'), join(root, 'test/fixtures/onnx/words.onnx')] });
  client = createClient(`${server.url}/`);
});
afterAll(() => server.stop());

describe('the client', () => {
  test('infers: shape and datatype come from the model', async () => {
    const { probabilities } = await client.infer('iris', { measurements: Float32Array.of(5.1, 3.5, 1.4, 0.2, 6.3, 3.3, 6, 2.5) });
    expect(probabilities!.shape).toEqual([2, 3]);
    const [first, second] = [probabilities!.data.slice(0, 3), probabilities!.data.slice(3)] as Float32Array[];
    expect(first!.indexOf(Math.max(...first!))).toBe(0);
    expect(second!.indexOf(Math.max(...second!))).toBe(2);
  });

  test('takes a shape where it is given, and text for BYTES', async () => {
    const { inputs } = await client.metadata('words');
    const count = inputs[0]!.shape.reduce((product, size) => product * (size === -1 ? 2 : size), 1);
    const outputs = await client.infer('words', { [inputs[0]!.name]: Array.from({ length: count }, (_, index) => (index === 0 ? 'grüße 🙂' : new TextEncoder().encode('b'))) });
    expect(Object.keys(outputs).length).toBeGreaterThan(0);
    const { probabilities } = await client.infer('iris', { measurements: { shape: [1, 4], data: Float32Array.of(1, 2, 3, 4) } });
    expect(probabilities!.shape).toEqual([1, 3]);
  });

  test('predicts', async () => {
    expect(await client.predict('iris', { sepal_length: 5.1, sepal_width: 3.5, petal_length: 1.4, petal_width: 0.2 })).toMatchObject({ label: 'setosa' });
    expect(await client.ready()).toBe(true);
  });

  test('mistakes are ModelportErrors, from here and from there', async () => {
    await expect(client.infer('nobody', {})).rejects.toMatchObject({ code: 'NOT_FOUND', message: expect.stringContaining('nobody') as string });
    await expect(client.infer('iris', { nothing: Float32Array.of(1) })).rejects.toMatchObject({ at: 'nothing', message: expect.stringContaining('measurements') as string });
    await expect(client.infer('iris', { measurements: Float64Array.of(1, 2, 3, 4) })).rejects.toThrow('Float32Array');
    await expect(client.infer('iris', { measurements: Float32Array.of(1, 2, 3) })).rejects.toThrow('give the shape');
    await expect(client.infer('iris', {})).rejects.toMatchObject({ code: 'INVALID_REQUEST' });
    await expect(client.predict('iris', { sepal_length: 1 })).rejects.toMatchObject({ code: 'INVALID_VALUE' });
    await expect(client.infer('iris', { measurements: Float32Array.of(1, 2, 3, 4) }, { signal: AbortSignal.abort() })).rejects.toThrow();
  });
});

describe('declarations', () => {
  const folder = mkdtempSync(join(root, 'test/client/.types-'));
  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  /** What the compiler says of a program that uses the client with the declarations of the served models. */
  function compile(program: string): string {
    writeFileSync(join(folder, 'program.ts'), program);
    writeFileSync(join(folder, 'tsconfig.json'), JSON.stringify({ compilerOptions: { module: 'nodenext', target: 'es2023', lib: ['es2023', 'dom'], types: [], strict: true, noEmit: true, skipLibCheck: false }, files: ['program.ts', 'models.d.ts'] }));
    try {
      execFileSync(join(root, 'node_modules/.bin/tsc'), ['-p', folder], { encoding: 'utf8' });
      return '';
    } catch (error) {
      return (error as { stdout: string }).stdout;
    }
  }

  test('from a running server and from files they are the same, and a wrong name or array does not compile', async () => {
    const file = join(folder, 'models.d.ts');
    const fromServer = await runModelport(['types', server.url, '-o', file]);
    expect([fromServer.code, fromServer.stderr]).toEqual([0, expect.stringContaining('9 models declared')]);
    const fromFiles = await runModelport(['types', join(root, 'examples/models')]);
    expect(fromFiles.code).toBe(0);
    expect(fromFiles.stdout).toContain("inputs: { \"measurements\": InputOf<'FP32'> }");

    const start = "import { createClient } from 'modelport/client';\nconst client = createClient('http://127.0.0.1:1');\n";
    expect(compile(`${start}const { probabilities } = await client.infer('iris', { measurements: Float32Array.of(1, 2, 3, 4) });\nconst numbers: Float32Array = probabilities.data;\nconst { label } = await client.predict('digits', { image: 'data:,' });\nconst digit: '0' | '1' | '2' | '3' | '4' | '5' | '6' | '7' | '8' | '9' = label;\nexport { numbers, digit };\n`)).toBe('');
    expect(compile(`${start}await client.infer('irsi', { measurements: Float32Array.of(1) });\nexport {};\n`)).toContain('irsi');
    expect(compile(`${start}await client.infer('iris', { measurement: Float32Array.of(1) });\nexport {};\n`)).toContain('measurement');
    expect(compile(`${start}await client.infer('iris', { measurements: Float64Array.of(1) });\nexport {};\n`)).toContain('Float64Array');
    expect(compile(`${start}await client.predict('iris', { sepal_length: 'long' });\nexport {};\n`)).toContain('error');
    expect(compile(`${start}const { scores } = await client.infer('iris', { measurements: Float32Array.of(1) });\nexport { scores };\n`)).toContain('scores');
    expect(compile(`${start}await client.predict('iris-scale', {});\nexport {};\n`)).toContain('error');
  });

  test('nobody there is a sentence', async () => {
    const result = await runModelport(['types', 'http://127.0.0.1:9']);
    expect([result.code, result.stderr]).toEqual([2, expect.stringMatching(/does not answer/)]);
    expect(result.stderr).not.toMatch(/\n\s+at /);
  });

  test.each([
    [{ type: 'string', enum: ['a', 'b'] }, '"a" | "b"'],
    [{ type: ['number', 'null'] }, 'number | null'],
    [{ type: 'array', items: { anyOf: [{ type: 'string' }, { type: 'integer' }] } }, '(string | number)[]'],
    [{ type: 'object', properties: { a: { type: 'string' }, 'b-c': { $ref: '#/$defs/d' } }, required: ['a'], $defs: { d: { const: 1 } } }, '{ "a": string; "b-c"?: 1 }'],
    [{ type: 'array', prefixItems: [{ type: 'number' }], items: false }, '[number]'],
    [{ type: 'object', additionalProperties: { type: 'number' } }, 'Record<string, number>'],
    [{}, 'unknown'],
    [{ $ref: '#' }, 'unknown'],
  ])('%j is %s', (schema, type) => expect(typeOfSchema(schema)).toBe(type));

  test('names with quotes stay names', () => {
    expect(declareModels([{ name: 'a"b', signature: { inputs: [{ name: "it's", datatype: 'BYTES', shape: [-1] }], outputs: [] } }])).toContain('"a\\"b": {\n      inputs: { "it\'s": InputOf<\'BYTES\'> }');
  });
});
