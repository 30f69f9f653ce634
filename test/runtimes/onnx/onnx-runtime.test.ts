import { execFile } from 'node:child_process';
import { copyFileSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, dirname, join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { promisify } from 'node:util';
import { Worker } from 'node:worker_threads';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import type { Artifact } from '../../../src/artifact.ts';
import { Call } from '../../../src/call.ts';
import { sklearn } from '../../../src/importers/sklearn/sklearn.ts';
import { inferSignature } from '../../../src/onnx/infer-signature.ts';
import onnxRuntime from '../../../src/runtimes/onnx/onnx-runtime.ts';
import { runtimes } from '../../../src/runtimes/index.ts';
import { createTensor, textTensor, type Tensor } from '../../../src/tensor.ts';
import { fixture, fixtureDirectory, fixturePath, realModels } from '../../onnx/fixtures.ts';
import { floats, request, runtimeConformance } from '../conformance.ts';

function artifactOf(path: string): Artifact {
  return { format: 'onnx', directory: dirname(path), main: basename(path), files: [], metadata: {} };
}

const load = (path: string, parameters: Readonly<Record<string, unknown>> = {}) => onnxRuntime.load(artifactOf(path), { threads: 1, parameters });

runtimeConformance('onnx', () => Promise.resolve({ runtime: onnxRuntime, artifact: (name) => artifactOf(fixturePath(`${name}.onnx`)) }));

let directory: string;
beforeAll(() => {
  directory = mkdtempSync(join(tmpdir(), 'modelport-runtime-'));
});
afterAll(() => rmSync(directory, { recursive: true }));

it('answers zero rows where a node of the model can not take them', async () => {
  const place = join(directory, 'words');
  mkdirSync(place);
  const words = join(import.meta.dirname, '../../../examples/models/spam/model.joblib');
  await using model = await onnxRuntime.load(await sklearn.import(artifactOf(words), place), { threads: 1, parameters: {} });
  const { outputs } = await model.infer(request({ text: textTensor([0], []) }), new Call());
  expect([...outputs].map(([name, { shape, data }]) => [name, shape, data.length])).toEqual([['label', [0], 0], ['probabilities', [0, 2], 0], ['decision_function', [0], 0]]);
  const one = await model.infer(request({ text: textTensor([1], ['hello']) }), new Call());
  expect(one.outputs.get('probabilities')!.shape).toEqual([1, 2]);
});

describe('models that are refused', () => {
  it.each([
    ['unknown-operator', /the operator "Frobnicate" does not exist in operator set 17, used by the node "frob"/],
    ['unknown-domain', /the operator "Frobnicate" of the domain "com\.example" is not part of ONNX.*used by the node "frob"/],
    ['missing-attribute', /cast.*attribute 'to' is missing/],
    ['future-opset', /operator set \(ai\.onnx 99\) is newer than the newest that ONNX Runtime knows \(\d+\)/],
    ['future-ir', /IR version 99\) is newer than the newest that ONNX Runtime reads \(\d+\)/],
    ['float8-output', /no output that can be returned \('y': its elements are tensor\(float8e4m3fn\)/],
    ['sequence-input', /the input 'parts' cannot be given: it is seq\(tensor\(float\)\)/],
    ['external/absent', /"absent\.bin", which is not beside the model/],
    ['external/absolute', /"\/etc\/passwd" outside the model's folder/],
    ['external/parent', /outside the model's folder/],
  ])('%s', async (name, message) => {
    const path = fixturePath(`${name}.onnx`);
    await expect(load(path)).rejects.toMatchObject({ code: 'INVALID_MODEL', message: expect.stringMatching(message) as string });
    await expect(load(path)).rejects.toThrow(path);
  });

  it('a file that is cut off, empty or something else', async () => {
    const path = join(directory, 'broken.onnx');
    const whole = readFileSync(fixturePath('mlp.onnx'));
    for (const bytes of [whole.subarray(0, 100), Buffer.alloc(0), Buffer.from('no model'), Buffer.from('PK\u0003\u0004')]) {
      writeFileSync(path, bytes);
      await expect(load(path)).rejects.toMatchObject({ code: 'INVALID_MODEL', message: expect.stringContaining(path) as string });
    }
  });

  it('writes nothing to stderr, neither at load nor at a failing run', async () => {
    const script = `
      import runtime from ${JSON.stringify(onnxRuntime.moduleUrl)};
      const artifact = (main) => ({ format: 'onnx', directory: ${JSON.stringify(fixtureDirectory)}, main, files: [], metadata: {} });
      const options = { threads: 1, parameters: {} };
      const failures = [];
      await runtime.load(artifact('unknown-operator.onnx'), options).catch((error) => failures.push(error.code));
      const model = await runtime.load(artifact('gather.onnx'), options);
      const index = { datatype: 'INT64', shape: [1], data: BigInt64Array.of(7n) };
      await model.infer({ inputs: new Map([['index', index]]) }).catch((error) => failures.push(error.code));
      console.log(failures.join());
    `;
    const { stdout, stderr } = await promisify(execFile)(process.execPath, ['--input-type=module', '--eval', script]);
    expect(stdout).toBe('INVALID_MODEL,RUN_FAILED\n');
    expect(stderr).toBe('');
  });
});

it('needs the native library with the first model, not before', async () => {
  const index = new URL('../index.js', onnxRuntime.moduleUrl);
  const script = `
    import { readFileSync } from 'node:fs';
    const loaded = () => readFileSync('/proc/self/maps', 'utf8').includes('onnxruntime');
    const { runtimes } = await import(${JSON.stringify(index.href)});
    const before = loaded();
    await runtimes[0].load({ format: 'onnx', directory: ${JSON.stringify(fixtureDirectory)}, main: 'mlp.onnx', files: [], metadata: {} }, { threads: 1, parameters: {} });
    console.log(before, loaded());
  `;
  expect(runtimes).toContain(onnxRuntime);
  if (process.platform !== 'linux') return;
  const { stdout } = await promisify(execFile)(process.execPath, ['--input-type=module', '--eval', script]);
  expect(stdout).toBe('false true\n');
});

it('works in a worker thread, whose outputs can be transferred and outlive it', async () => {
  const script = join(directory, 'worker.mjs');
  writeFileSync(
    script,
    `
    import { parentPort } from 'node:worker_threads';
    import runtime from ${JSON.stringify(onnxRuntime.moduleUrl)};
    const model = await runtime.load({ format: 'onnx', directory: ${JSON.stringify(fixtureDirectory)}, main: 'add.onnx', files: [], metadata: {} }, { threads: 1, parameters: {} });
    const a = { datatype: 'FP32', shape: [1, 3], data: Float32Array.of(1, 2, 3) };
    for (let run = 0; run < 100; run++) {
      const { outputs } = model.inferSync({ inputs: new Map([['a', a], ['b', a]]) });
      const sum = outputs.get('sum');
      parentPort.postMessage(sum, [sum.data.buffer]);
      if (sum.data.length !== 0) throw new Error('the output was copied');
    }
    await model[Symbol.asyncDispose]();
  `,
  );
  const worker = new Worker(pathToFileURL(script));
  const received: Tensor[] = [];
  worker.on('message', (tensor: Tensor) => received.push(tensor));
  await new Promise((resolve, reject) => worker.on('exit', resolve).on('error', reject));
  expect(received).toHaveLength(100);
  for (const tensor of received) expect({ ...tensor }).toEqual({ datatype: 'FP32', shape: [1, 3], data: Float32Array.of(2, 4, 6) });
});

describe('one run', () => {
  it('is over when infer returns', async () => {
    const model = await load(fixturePath('mlp.onnx'));
    let order = '';
    const answer = model.infer(request({ x: floats([1, 4], 1, 2, 3, 4) }), new Call()).then(() => (order += 'answer '));
    const turn = new Promise<void>((resolve) => setImmediate(() => resolve(void (order += 'turn '))));
    await Promise.all([answer, turn]);
    expect(order).toBe('answer turn ');
    await model[Symbol.asyncDispose]();
  });

  it('takes shared memory, by copying it', async () => {
    const model = await load(fixturePath('add.onnx'));
    const shared = new Float32Array(new SharedArrayBuffer(8));
    shared.set([1, 2]);
    const a = { datatype: 'FP32', shape: [1, 2], data: shared } as unknown as Tensor;
    expect(model.inferSync(request({ a, b: a })).outputs.get('sum')!.data).toEqual(Float32Array.of(2, 4));
    await model[Symbol.asyncDispose]();
  });

  it.each([['bytes that are not UTF-8', Uint8Array.of(0xff, 0xfe)], ['a NUL', Uint8Array.of(65, 0, 66)]])('refuses %s in text, which ONNX Runtime would change', async (_what, bytes) => {
    const model = await load(fixturePath('words.onnx'));
    const word = createTensor('BYTES', [2], [new Uint8Array(0), bytes]);
    await expect(model.infer(request({ word }))).rejects.toMatchObject({ code: 'INVALID_REQUEST', at: 'inputs.word.data[1]' });
    await model[Symbol.asyncDispose]();
  });

  it('computes with bfloat16', async () => {
    const model = await load(fixturePath('bfloat16.onnx'));
    const x = createTensor('BF16', [1, 2], Uint16Array.of(0x3f80, 0xc000));
    expect(model.inferSync(request({ x })).outputs.get('y')).toEqual({ datatype: 'BF16', shape: [1, 2], data: Uint16Array.of(0x4000, 0xc080) });
    await model[Symbol.asyncDispose]();
  });

  it('names the model where rows were promised that it does not take', async () => {
    const model = await load(fixturePath('claims-batch.onnx'));
    expect(model.signature.batch.maxSize).toBe(64);
    await expect(model.infer(request({ x: floats([2, 4], 1, 2, 3, 4, 5, 6, 7, 8) }))).rejects.toMatchObject({ code: 'RUN_FAILED', message: expect.stringMatching(/claims-batch\.onnx.*"to_one_row" \(Reshape\)/) as string });
    await model[Symbol.asyncDispose]();
  });
});

it('gives the signature that the graph says, completed where the file is silent', async () => {
  for (const name of ['mlp', 'datatypes', 'running-sum', 'zip-map', 'optional', 'tree']) {
    const model = await load(fixturePath(`${name}.onnx`));
    expect(model.signature).toEqual(inferSignature(fixture(name)).signature);
    await model[Symbol.asyncDispose]();
  }
  const model = await load(fixturePath('no-shapes.onnx'));
  expect(model.signature.outputs.map((output) => [output.name, output.shape])).toEqual([['reshaped', [-1]], ['y', ['batch', 2]]]);
  await model[Symbol.asyncDispose]();
});

it('drops a ZipMap whose weights lie in another file', async () => {
  // The model is rewritten in memory; what it names beside it is still found.
  const folder = join(directory, 'external');
  mkdirSync(folder);
  for (const name of ['model.onnx', 'weights.bin']) copyFileSync(fixturePath(`external/${name}`), join(folder, name));
  const { readModelFile } = await import('../../../src/onnx/read-model.ts');
  const { writeModelBytes } = await import('../../../src/onnx/write-model.ts');
  const model = readModelFile(join(folder, 'model.onnx'));
  const graph = model.graph!;
  graph.node.push({ input: ['y'], output: ['named'], opType: 'ZipMap', domain: 'ai.onnx.ml', attribute: [{ name: 'classlabels_strings', type: 8, strings: ['a', 'b', 'c'].map((label) => Buffer.from(label)) }] });
  graph.output = [{ name: 'named', type: { sequenceType: { elemType: { mapType: { keyType: 8, valueType: { tensorType: { elemType: 1 } } } } } } }];
  model.opsetImport.push({ domain: 'ai.onnx.ml', version: 1 });
  writeFileSync(join(folder, 'zipped.onnx'), writeModelBytes(model));
  const loaded = await load(join(folder, 'zipped.onnx'));
  expect(loaded.signature.outputs).toMatchObject([{ name: 'named', shape: ['batch', 3], labels: ['a', 'b', 'c'] }]);
  expect(loaded.inferSync(request({ x: floats([1, 4], 0, 0, 1, 0) })).outputs.get('named')!.data).toEqual(Float32Array.of(6, 7, 8));
  await loaded[Symbol.asyncDispose]();
});

describe('parameters', () => {
  it.each([{ graphOptimizationLevel: 'disabled' }, { allowSpinning: true }, { enableCpuMemArena: false, enableMemPattern: false }, { enable_mem_arena: '0', enable_mem_pattern: 'false' }])('%o', async (parameters) => {
    const model = await load(fixturePath('add.onnx'), parameters);
    expect(model.inferSync(request({ a: floats([1, 1], 1), b: floats([1, 1], 2) })).outputs.get('sum')!.data).toEqual(Float32Array.of(3));
    await model[Symbol.asyncDispose]();
  });

  it('that make no sense are refused', async () => {
    await expect(load(fixturePath('add.onnx'), { graphOptimizationLevel: 'most' })).rejects.toMatchObject({ code: 'INVALID_CONFIG', at: 'parameters.graphOptimizationLevel' });
    await expect(load(fixturePath('add.onnx'), { enableMemPattern: 'perhaps' })).rejects.toMatchObject({ code: 'INVALID_CONFIG' });
    await expect(load(fixturePath('add.onnx'), { executionProvider: 'gpu' })).rejects.toMatchObject({ code: 'INVALID_CONFIG', at: 'parameters.executionProvider' });
  });

  // The npm package comes without the providers of GPUs.
  it('that want a GPU say what it takes', async () => {
    await expect(load(fixturePath('add.onnx'), { executionProvider: 'cuda' })).rejects.toMatchObject({ code: 'MISSING_DEPENDENCY', message: expect.stringContaining('cuDNN') as unknown });
    vi.stubEnv('MODELPORT_EXECUTION_PROVIDER', 'cuda');
    try {
      await expect(load(fixturePath('add.onnx'))).rejects.toMatchObject({ code: 'MISSING_DEPENDENCY' });
      await (await load(fixturePath('add.onnx'), { executionProvider: 'cpu' }))[Symbol.asyncDispose]();
    } finally {
      vi.unstubAllEnvs();
    }
  });
});

describe.skipIf(realModels === undefined)('real models (skipped: MODELPORT_REAL_MODELS names no folder with them)', () => {
  it('silero hears silence in silence, and carries its state', async () => {
    const model = await load(join(realModels!, 'silero', 'silero_vad.onnx'));
    let state: Tensor = createTensor('FP32', [2, 1, 128], new Float32Array(256));
    for (let chunk = 0; chunk < 5; chunk++) {
      const { outputs } = await model.infer(request({ input: createTensor('FP32', [1, 576], new Float32Array(576)), state, sr: createTensor('INT64', [], BigInt64Array.of(16000n)) }));
      expect((outputs.get('output')!.data as Float32Array)[0]).toBeLessThan(0.1);
      expect(outputs.get('stateN')!.shape).toEqual([2, 1, 128]);
      expect(outputs.get('stateN')!.data).not.toEqual(state.data);
      state = outputs.get('stateN')!;
    }
    await model[Symbol.asyncDispose]();
  });

  it('magika gives each of several files the probabilities that it gets alone', async () => {
    const model = await load(join(realModels!, 'magika', 'model.onnx'));
    const bytesOf = (text: string) => Int32Array.from({ length: 2048 }, (_, index) => (index < text.length ? text.charCodeAt(index) : 256));
    const files = ['import os\nprint(os.getcwd())\n'.repeat(40), '<html><body><p>Hello</p></body></html>'.repeat(20)];
    const joined = Int32Array.from(files.flatMap((text) => [...bytesOf(text)]));
    const batch = (await model.infer(request({ bytes: createTensor('INT32', [2, 2048], joined) }))).outputs.get('target_label')!.data as Float32Array;
    for (const [index, text] of files.entries()) {
      const alone = (await model.infer(request({ bytes: createTensor('INT32', [1, 2048], bytesOf(text)) }))).outputs.get('target_label')!.data as Float32Array;
      for (let label = 0; label < 214; label++) expect(batch[index * 214 + label]).toBeCloseTo(alone[label]!, 4);
    }
    await model[Symbol.asyncDispose]();
  });
});
