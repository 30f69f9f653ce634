import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { Call } from '../../../src/call.ts';
import { torchExport } from '../../../src/importers/torch-export/torch-export.ts';
import { torchScript } from '../../../src/importers/torchscript/torchscript.ts';
import { modelConfigSchema } from '../../../src/model-config.ts';
import onnxRuntime from '../../../src/runtimes/onnx/onnx-runtime.ts';
import { sequenceBatching } from '../../../src/serving/sequence-batching.ts';
import { createTensor, datatypes, type Datatype, type Tensor } from '../../../src/tensor.ts';

interface Plain {
  readonly datatype: Exclude<Datatype, 'BYTES'>;
  readonly shape: readonly number[];
  readonly data: readonly number[];
}

interface Case {
  readonly file: string;
  readonly refused?: string;
  readonly states: Readonly<Record<string, string>>;
  /** One after the other. */
  readonly calls: readonly { readonly input: Plain; readonly outputs: readonly Plain[] }[];
}

const fixtures = join(import.meta.dirname, 'fixtures');
const { cases } = JSON.parse(readFileSync(join(fixtures, 'expected.json'), 'utf8')) as { cases: Case[] };
const folder = mkdtempSync(join(tmpdir(), 'torch-states-test-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

function tensorOf({ datatype, shape, data }: Plain): Tensor {
  const { array } = datatypes[datatype];
  return createTensor(datatype, shape, (array as unknown as { from(values: readonly unknown[]): never }).from(datatype === 'INT64' ? data.map(BigInt) : data));
}

function expectEqual(given: Tensor | undefined, wanted: Plain): void {
  expect(given?.datatype).toBe(wanted.datatype);
  expect(given!.shape).toEqual(wanted.shape);
  const values = Array.from(given!.data as ArrayLike<number | bigint>, Number);
  for (const [index, value] of values.entries()) expect(value).toBeCloseTo(wanted.data[index]!, 5);
}

async function load(file: string, notes: string[] = []) {
  const directory = mkdtempSync(join(folder, 'imported-'));
  const isScript = file.endsWith('.pt');
  const inputs = [{ name: 'x', datatype: 'FP32', shape: ['batch', 3] }] as const;
  const artifact = await (isScript ? torchScript : torchExport).import({ format: 'unknown', directory: fixtures, main: file, files: [], metadata: {} }, directory, { note: (sentence) => void notes.push(sentence), ...(isScript ? { inputs } : {}) });
  return onnxRuntime.load(artifact, { threads: 1, parameters: {} });
}

const imported = cases.filter(({ refused }) => refused === undefined).map((sample) => [sample.file, sample] as const);

describe('states of PyTorch programs are inputs and outputs', () => {
  it.each(imported)('%s', async (file, { states, calls }) => {
    const notes: string[] = [];
    await using model = await load(file, notes);
    expect(Object.fromEntries(model.signature.states!.map(({ input, output }) => [input, output]))).toEqual(states);
    expect(model.signature.batch.maxSize).toBe(0);
    expect(notes.join('\n')).toContain('from one call to the next');
    const names = model.signature.outputs.map(({ name }) => name).filter((name) => !Object.values(states).includes(name));
    // Zeros at first, whatever the program begins with.
    let held = new Map(Object.keys(states).map((name): [string, Tensor] => {
      const { datatype, shape } = model.signature.inputs.find((input) => input.name === name)!;
      const size = (shape as number[]).reduce((product, count) => product * count, 1);
      return [name, tensorOf({ datatype: datatype as Plain['datatype'], shape: shape as number[], data: Array.from({ length: size }, () => 0) })];
    }));
    for (const { input, outputs } of calls) {
      const answer = await model.infer!({ inputs: new Map([...held, ['x', tensorOf(input)]]) }, new Call());
      expect(names.length).toBe(outputs.length);
      for (const [index, name] of names.entries()) expectEqual(answer.outputs.get(name), outputs[index]!);
      held = new Map(Object.entries(states).map(([from, to]) => [from, answer.outputs.get(to)!]));
    }
  });

  it.each(imported)('a sequence carries them: %s', async (file, { states, calls }) => {
    const config = modelConfigSchema.parse({ sequences: { strategy: 'oldest' } });
    await using model = sequenceBatching(await load(file), { modelName: file, sequences: config.sequences!, concurrency: 1 });
    expect(model.signature.inputs.map(({ name }) => name)).toEqual(['x']);
    // Two sequences at once do not see each other.
    for (const [index, { input, outputs }] of calls.entries()) {
      for (const id of ['one', 'two']) {
        const call = new Call({ sequence: { id, start: index === 0, end: index === calls.length - 1 } });
        const answer = await model.infer!({ inputs: new Map([['x', tensorOf(input)]]) }, call);
        expect([...answer.outputs.keys()].some((name) => Object.values(states).includes(name))).toBe(false);
        for (const [place, { name }] of model.signature.outputs.entries()) expectEqual(answer.outputs.get(name), outputs[place]!);
      }
    }
  });

  it.each(cases.filter(({ refused }) => refused !== undefined).map(({ file, refused }) => [file, refused!]))('%s is refused: %s', async (file, refused) => {
    await expect(load(file)).rejects.toThrow(refused);
  });
});
