import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { Call } from '../../../src/call.ts';
import { isModelportError } from '../../../src/errors.ts';
import { bytesSource } from '../../../src/formats/byte-source.ts';
import { ZipArchive } from '../../../src/formats/zip.ts';
import { openExportArchive } from '../../../src/importers/torch-export/archive.ts';
import { buildProgram } from '../../../src/importers/torch-export/build-program.ts';
import { parseProgramJson, readProgram } from '../../../src/importers/torch-export/program.ts';
import { sourceLineOf } from '../../../src/importers/torch-export/source-line.ts';
import { Symbols } from '../../../src/importers/torch-export/symbols.ts';
import { torchExport } from '../../../src/importers/torch-export/torch-export.ts';
import { checkModel } from '../../../src/onnx/check-model.ts';
import { removeDeadCode } from '../../../src/onnx/remove-dead-code.ts';
import onnxRuntime from '../../../src/runtimes/onnx/onnx-runtime.ts';
import { createTensor, datatypes, type Datatype, type Tensor } from '../../../src/tensor.ts';
import { fuzzRuns, mutate, random } from '../../fixtures/random.ts';
import { zipFile } from '../../fixtures/zip-file.ts';

interface Plain {
  readonly datatype: Exclude<Datatype, 'BYTES'>;
  readonly shape: readonly number[];
  /** int64 as texts. */
  readonly data: readonly (number | boolean | string)[];
}

interface Case {
  readonly file: string;
  readonly refused?: string;
  readonly samples: readonly { readonly inputs: readonly Plain[]; readonly outputs: readonly Plain[] }[];
}

const fixtures = join(import.meta.dirname, 'fixtures');
const { cases } = JSON.parse(readFileSync(join(fixtures, 'expected.json'), 'utf8')) as { cases: Case[] };
const folder = mkdtempSync(join(tmpdir(), 'torch-export-test-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

function tensorOf({ datatype, shape, data }: Plain): Tensor {
  const { array } = datatypes[datatype];
  const values = datatype === 'INT64' || datatype === 'UINT64' ? data.map((value) => BigInt(value)) : data.map(Number);
  return createTensor(datatype, shape, (array as unknown as { from(values: readonly unknown[]): never }).from(values));
}

function differences(given: Tensor | undefined, plain: Plain): string[] {
  if (given === undefined) return ['it is missing'];
  const expected = tensorOf(plain);
  if (given.datatype !== expected.datatype || given.shape.join() !== expected.shape.join()) return [`it is ${given.datatype} [${given.shape.join()}], not ${expected.datatype} [${expected.shape.join()}]`];
  const wanted = Array.from(expected.data as ArrayLike<number | bigint>);
  const scale = Math.max(1, ...wanted.map((value) => (typeof value === 'number' ? Math.abs(value) : 0)));
  return Array.from(given.data as ArrayLike<number | bigint>).flatMap((value, index) => {
    const same = typeof value === 'bigint' ? value === wanted[index] : Math.abs(value - Number(wanted[index])) <= 2e-6 * scale;
    return same ? [] : [`element ${index} is ${value}, not ${wanted[index]}`];
  });
}

async function importFile(file: string, from = fixtures, notes: string[] = []) {
  const directory = mkdtempSync(join(folder, 'imported-'));
  return await torchExport.import({ format: 'unknown', directory: from, main: file, files: [], metadata: {} }, directory, { note: (sentence) => void notes.push(sentence) });
}

async function load(file: string) {
  return await onnxRuntime.load(await importFile(file), { threads: 1, parameters: {} });
}

function archiveOf(bytes: Uint8Array) {
  return openExportArchive(bytesSource(bytes, 'm.pt2'), undefined);
}

function build(bytes: Uint8Array) {
  const archive = archiveOf(bytes);
  return buildProgram(readProgram(archive.document), archive, () => {}, () => {}).model;
}

/** The archive with its program changed. */
function withProgram(file: string, change: (json: string) => string): Buffer {
  const archive = ZipArchive.open(bytesSource(readFileSync(join(fixtures, file)), file));
  return zipFile(
    archive.members.map(({ path }) => {
      const content = archive.read(path);
      return { path, content: /models\/[^/]+\.json$/.test(path) ? Buffer.from(change(Buffer.from(content).toString())) : content };
    }),
  );
}

describe('programs answer as PyTorch does', () => {
  it('has cases', () => {
    expect(cases.filter(({ refused }) => refused === undefined).length).toBeGreaterThan(9);
  });

  it.each(cases.filter(({ refused }) => refused === undefined).map((sample) => [sample.file, sample] as const))('%s', async (file, sample) => {
    const bytes = readFileSync(join(fixtures, file));
    expect(torchExport.accepts(bytes.subarray(0, 1 << 16), bytes.length)).toBe(true);
    expect(checkModel(build(bytes))).toEqual([]);
    await using model = await load(file);
    for (const { inputs, outputs } of sample.samples) {
      const { signature } = model;
      expect(signature.inputs.length).toBe(inputs.length);
      expect(signature.outputs.length).toBe(outputs.length);
      const response = await model.infer!({ inputs: new Map(signature.inputs.map(({ name }, index) => [name, tensorOf(inputs[index]!)])) }, new Call());
      expect(signature.outputs.flatMap(({ name }, index) => differences(response.outputs.get(name), outputs[index]!).map((text) => `${name}: ${text}`))).toEqual([]);
    }
  });
});

describe('what cannot be imported is refused by name', () => {
  it.each(cases.flatMap(({ file, refused }) => (refused === undefined ? [] : [[file, refused] as const])))('%s', async (file, refused) => {
    await expect(importFile(file)).rejects.toThrow(refused);
  });

  it('an operator of another library, with its line', () => {
    const bytes = withProgram('perceptron.pt2', (json) => json.replace('torch.ops.aten.gelu.default', 'torch.ops.torchvision.deform_conv2d.default'));
    expect(() => build(bytes)).toThrow(/torch\.ops\.torchvision\.deform_conv2d\.default \(torch_export\.py line \d+: .*\): this operator is not covered/);
  });

  it('a result that is not what the program says', () => {
    const bytes = withProgram('perceptron.pt2', (json) => json.replace(/("gelu": \{"dtype": )7/, '$18'));
    expect(() => build(bytes)).toThrow(/aten::gelu|gelu\.default/);
  });

  it('a schema of another version', () => {
    const bytes = withProgram('perceptron.pt2', (json) => json.replace('"schema_version": {"major": 8', '"schema_version": {"major": 9'));
    expect(() => build(bytes)).toThrow(/version 9 of torch\.export's schema; versions 5 to 8 are read/);
  });

  it('options that mean nothing here', async () => {
    const artifact = { format: 'unknown', directory: fixtures, main: 'perceptron.pt2', files: [], metadata: {} };
    await expect(torchExport.import(artifact, folder, { architecture: 'resnet18' })).rejects.toThrow(/leave --architecture out/);
    await expect(torchExport.import(artifact, folder, { inputs: [] })).rejects.toThrow(/leave --input out/);
    await expect(torchExport.import(artifact, folder, { precision: 'float32' })).rejects.toThrow(/leave --precision out/);
  });
});

describe('the signature is the program', () => {
  it('has its names, and sizes that vary', async () => {
    const notes: string[] = [];
    const artifact = await importFile('perceptron.pt2', fixtures, notes);
    expect(artifact.metadata).toMatchObject({ framework: 'PyTorch', program: 'torch.export' });
    await using model = await onnxRuntime.load(artifact, { threads: 1, parameters: {} });
    expect(model.signature.inputs).toMatchObject([{ name: 'x', datatype: 'FP32', shape: ['batch', 4] }]);
    expect(model.signature.outputs).toMatchObject([{ name: 'scores', shape: ['batch', 3] }, { name: 'rows', datatype: 'INT64', shape: [] }]);
    expect(notes).toEqual(['The size batch was exported for at most 64.']);
  });

  it('names a sequence', async () => {
    await using model = await load('attention.pt2');
    expect(model.signature.inputs).toMatchObject([{ datatype: 'INT64', shape: ['batch', 'sequence'] }]);
    expect(model.signature.outputs).toMatchObject([{ name: 'output', shape: ['batch', 'sequence', 8] }]);
  });

  it('holds no node that only tells sizes where one size varies', () => {
    const operators = removeDeadCode(build(readFileSync(join(fixtures, 'convolution.pt2')))).graph!.node.map((node) => node.opType);
    expect(operators).toEqual(['Conv', 'BatchNormalization', 'Relu', 'Add', 'GlobalAveragePool', 'Reshape', 'Gemm']);
  });
});

describe('archives', () => {
  it('a damaged weight is seen', async () => {
    const bytes = Buffer.from(readFileSync(join(fixtures, 'perceptron.pt2')));
    const archive = ZipArchive.open(bytesSource(bytes, 'm'));
    const weight = archive.members.find(({ path }) => path.endsWith('weight_0'))!;
    bytes[archive.storedOffset(weight.path)!]! ^= 1;
    writeFileSync(join(folder, 'damaged.pt2'), bytes);
    await expect(importFile('damaged.pt2', folder)).rejects.toThrow(/checksum differs/);
  });

  it('a weight that is missing or too short is named', () => {
    const archive = ZipArchive.open(bytesSource(readFileSync(join(fixtures, 'perceptron.pt2')), 'm'));
    const members = archive.members.map(({ path }) => ({ path, content: archive.read(path) }));
    expect(() => build(zipFile(members.filter(({ path }) => !path.endsWith('weight_1'))))).toThrow(/the file of layers\.0\.bias is not in the archive/);
    expect(() => build(zipFile(members.map((member) => (member.path.endsWith('weight_1') ? { ...member, content: new Uint8Array(4) } : member))))).toThrow(/does not lie in its storage/);
  });

  it('several programs are refused', () => {
    const archive = ZipArchive.open(bytesSource(readFileSync(join(fixtures, 'perceptron.pt2')), 'm'));
    const members = archive.members.map(({ path }) => ({ path, content: archive.read(path) }));
    const root = members[0]!.path.split('/')[0]!;
    expect(() => archiveOf(zipFile([...members, { path: `${root}/models/other.json`, content: Buffer.from('{}') }]))).toThrow(/holds 2 programs/);
  });

  it('is not asked for other archives', () => {
    for (const path of ['m/data.pkl', 'm/code/__torch__.py', 'word/document.xml']) {
      const bytes = zipFile([{ path, content: Buffer.from('x') }]);
      expect(torchExport.accepts(bytes, bytes.length)).toBe(false);
    }
    expect(torchExport.accepts(Buffer.from(''), 0)).toBe(false);
  });
});

describe('the JSON of programs', () => {
  it('keeps whole numbers that no double holds, and numbers that JSON does not have', () => {
    expect(parseProgramJson('{"a": 9223372036854775807, "b": -Infinity, "c": "9223372036854775807 NaN", "d": [1.5, 0.12345678901234567, NaN, 1e-05]}')).toEqual({
      a: { $int: '9223372036854775807' },
      b: { $float: '-Infinity' },
      c: '9223372036854775807 NaN',
      d: [1.5, 0.12345678901234567, { $float: 'NaN' }, 1e-5],
    });
  });

  it('reads sizes as sympy writes them', () => {
    const symbols = new Symbols();
    symbols.name('s77', 'batch');
    expect(symbols.dimension("Add(Mul(Integer(2), Symbol('s77', positive=True, integer=True)), Integer(-1))")).toBe('2*batch - 1');
    expect(symbols.dimension("FloorDiv(Symbol('s77', positive=True, integer=True), Integer(2))")).toBe('floor(batch/2)');
    expect(symbols.dimension('s77')).toBe('batch');
    expect(symbols.dimension("Symbol('u0', integer=True)")).toBeUndefined();
    expect(symbols.dimension("__import__('os').system('x')")).toBeUndefined();
  });

  it('finds the line of the program', () => {
    const trace = 'File "/home/a/model.py", line 7, in forward\n    y = self.fc(x)\n  File "/lib/site-packages/torch/nn/modules/linear.py", line 134, in forward\n    return F.linear(input)';
    expect(sourceLineOf(trace)).toBe('a/model.py line 7: y = self.fc(x)');
    expect(sourceLineOf('')).toBeUndefined();
  });
});

describe('fuzz', () => {
  const acceptable = (error: unknown): boolean => isModelportError(error) && (error.code === 'INVALID_MODEL' || error.code === 'INVALID_USAGE');
  const files = ['perceptron.pt2', 'noise.pt2', 'branches.pt2', 'indices.pt2'];

  it('spoiled programs are read or refused', () => {
    const source = random(20_261_121);
    const programs = files.map((file) => {
      const archive = ZipArchive.open(bytesSource(readFileSync(join(fixtures, file)), file));
      const path = archive.members.find((member) => /models\/[^/]+\.json$/.test(member.path))!.path;
      return { json: Buffer.from(archive.read(path)), archive: archiveOf(readFileSync(join(fixtures, file))) };
    });
    let refused = 0;
    for (let run = 0; run < fuzzRuns; run++) {
      const { json, archive } = source.pick(programs);
      const text = Buffer.from(run % 2 === 0 ? mutate(json, source) : spoilValue(json.toString(), source)).toString('utf8');
      try {
        buildProgram(readProgram(parseProgramJson(text)), archive, () => {}, () => {});
      } catch (error) {
        if (!acceptable(error)) throw new Error(`run ${run}: ${(error as Error).stack}`, { cause: error });
        refused++;
      }
    }
    expect(refused).toBeGreaterThan(fuzzRuns / 10);
  }, 120_000);

  /** Stays JSON: a value becomes another. */
  function spoilValue(text: string, source: ReturnType<typeof random>): Buffer {
    const places = [...text.matchAll(/(?<=[:[,] ?)(?:-?\d+(?:\.\d+)?|true|false|null|"[^"\\]{0,60}")(?=[,\]}])/g)];
    let result = text;
    for (let change = source.integer(1, 2); change > 0; change--) {
      const place = source.pick(places);
      const other = source.pick(['0', '-1', '1', '7', '64', '1e30', '9223372036854775807', 'null', 'true', '""', '"x"', '[]', '{}', '"aten::relu"', source.pick(places)[0]]);
      if (result.slice(place.index, place.index + place[0].length) === place[0]) result = result.slice(0, place.index) + other + result.slice(place.index + place[0].length);
    }
    return Buffer.from(result);
  }

  it('spoiled archives are read or refused', () => {
    const source = random(7);
    const archives = ['noise.pt2', 'layout-2.4.pt2'].map((file) => readFileSync(join(fixtures, file)));
    for (let run = 0; run < fuzzRuns / 4; run++) {
      try {
        build(mutate(source.pick(archives), source));
      } catch (error) {
        if (!acceptable(error)) throw new Error(`run ${run}: ${(error as Error).stack}`, { cause: error });
      }
    }
  }, 120_000);
});
