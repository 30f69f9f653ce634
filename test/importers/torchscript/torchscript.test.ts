import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { crc32 } from 'node:zlib';
import { afterAll, describe, expect, it } from 'vitest';
import { Call } from '../../../src/call.ts';
import { isModelportError } from '../../../src/errors.ts';
import { bytesSource } from '../../../src/formats/byte-source.ts';
import { ZipArchive } from '../../../src/formats/zip.ts';
import type { ImportOptions, InputDeclaration } from '../../../src/importer.ts';
import { parseSource } from '../../../src/importers/torchscript/parse-source.ts';
import { importTorchScript, torchScript } from '../../../src/importers/torchscript/torchscript.ts';
import { checkModel } from '../../../src/onnx/check-model.ts';
import onnxRuntime from '../../../src/runtimes/onnx/onnx-runtime.ts';
import { createTensor, datatypes, type Datatype, type Tensor } from '../../../src/tensor.ts';

interface Plain {
  readonly datatype: Exclude<Datatype, 'BYTES'>;
  readonly shape: readonly number[];
  readonly data: readonly (number | boolean)[];
}

interface Case {
  readonly file: string;
  readonly inputs?: readonly (readonly [string, Datatype, readonly (number | string)[]])[];
  readonly refused?: string;
  readonly notes?: string;
  readonly samples: readonly { readonly inputs: readonly Plain[]; readonly outputs: readonly Plain[] }[];
}

const fixtures = join(import.meta.dirname, 'fixtures');
const cases = ['expected.json', 'expected-old.json'].flatMap((file) => (JSON.parse(readFileSync(join(fixtures, file), 'utf8')) as { cases: Case[] }).cases);
const folder = mkdtempSync(join(tmpdir(), 'torchscript-test-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

function optionsOf({ inputs }: Case): ImportOptions {
  return inputs === undefined ? {} : { inputs: inputs.map(([name, datatype, shape]): InputDeclaration => ({ name, datatype, shape })) };
}

function tensorOf({ datatype, shape, data }: Plain): Tensor {
  const { array } = datatypes[datatype];
  const values = datatype === 'INT64' || datatype === 'UINT64' ? data.map((value) => BigInt(Number(value))) : data.map(Number);
  return createTensor(datatype, shape, (array as unknown as { from(values: readonly unknown[]): never }).from(values));
}

function differences(given: Tensor | undefined, expected: Plain): string[] {
  if (given === undefined) return ['it is missing'];
  if (given.datatype !== expected.datatype || given.shape.join() !== expected.shape.join()) return [`it is ${given.datatype} [${given.shape.join()}], not ${expected.datatype} [${expected.shape.join()}]`];
  const own = Array.from(given.data as ArrayLike<number | bigint>, Number);
  const scale = Math.max(1, ...expected.data.map((value) => Math.abs(Number(value))));
  return own.flatMap((value, index) => (Math.abs(value - Number(expected.data[index])) <= 2e-6 * scale ? [] : [`element ${index} is ${value}, not ${Number(expected.data[index])}`]));
}

async function load(file: string, options: ImportOptions = {}) {
  const directory = mkdtempSync(join(folder, 'imported-'));
  const artifact = await torchScript.import({ format: 'unknown', directory: fixtures, main: file, files: [], metadata: {} }, directory, options);
  return onnxRuntime.load(artifact, { threads: 1, parameters: {} });
}

describe('programs answer as PyTorch does', () => {
  it('has cases of two versions', () => {
    expect(cases.filter(({ file }) => file.startsWith('old-')).length).toBeGreaterThan(8);
    expect(cases.length).toBeGreaterThan(20);
  });

  it.each(cases.filter(({ refused }) => refused === undefined).map((sample) => [sample.file, sample] as const))('%s', async (file, sample) => {
    const bytes = readFileSync(join(fixtures, file));
    expect(torchScript.accepts(bytes.subarray(0, 1 << 16), bytes.length)).toBe(true);
    const notes: string[] = [];
    const options = { ...optionsOf(sample), note: (sentence: string) => void notes.push(sentence) };
    expect(checkModel(importTorchScript(bytes, file, options))).toEqual([]);
    const model = await load(file, options);
    try {
      expect(sample.samples.length).toBeGreaterThan(0);
      for (const { inputs, outputs } of sample.samples) {
        const specs = model.signature.inputs;
        expect(specs.length).toBe(inputs.length);
        const response = await model.infer!({ inputs: new Map(specs.map((spec, index) => [spec.name, tensorOf(inputs[index]!)])) }, new Call());
        const names = model.signature.outputs.map(({ name }) => name);
        expect(names.length).toBe(outputs.length);
        for (const [index, expected] of outputs.entries()) expect(differences(response.outputs.get(names[index]!), expected), `${file}: ${names[index]}`).toEqual([]);
      }
    } finally {
      await model[Symbol.asyncDispose]();
    }
    if (sample.notes !== undefined) expect(notes.join('\n')).toContain(sample.notes);
  });
});

describe('what could be wrong is refused, by name and line', () => {
  const refused = cases.filter((sample) => sample.refused !== undefined);
  it.each(refused.map((sample) => [sample.file, sample] as const))('%s', (file, sample) => {
    const bytes = readFileSync(join(fixtures, file));
    let message = '';
    try {
      importTorchScript(bytes, file, optionsOf(sample));
    } catch (error) {
      if (!isModelportError(error)) throw error;
      message = error.message;
    }
    expect(message).toMatch(new RegExp(sample.refused!));
    expect(message).toMatch(new RegExp(`^${file}`));
  });

  it('an input whose shape the program does not tell, with what to type', () => {
    expect(() => importTorchScript(readFileSync(join(fixtures, 'loops.pt')), 'loops.pt')).toThrow(/input 'x' .*--input 'x:/);
  });

  it('declarations that do not fit', () => {
    const bytes = readFileSync(join(fixtures, 'convolution-traced.pt'));
    const declared = (...inputs: InputDeclaration[]) => () => importTorchScript(bytes, 'model.pt', { inputs });
    expect(declared({ name: 'pictures', datatype: 'FP32', shape: ['n', 2, 8, 8] })).toThrow(/forward takes no input 'pictures'; did you mean 'picture'/);
    expect(declared({ datatype: 'FP32', shape: ['n', 2, 8, 8] }, { datatype: 'FP32', shape: [1] })).toThrow(/2 inputs are declared, but forward takes 1/);
    expect(declared({ datatype: 'FP32', shape: ['n', 5, 8, 8] })).toThrow(/convolution|Conv/);
    expect(() => importTorchScript(bytes, 'model.pt', { architecture: 'resnet18' })).toThrow(/holds its program/);
    expect(() => importTorchScript(bytes, 'model.pt', { precision: 'float64' })).toThrow(/leave the precision out/);
  });

  it.each([
    ['a quantized operator', 'ops.quantized.conv2d(x, x)', /quantized::conv2d \(code\/__torch__\.py, line \d+\): quantized models/],
    ['detection', 'ops.torchvision.nms(x, x, 0.5)', /torchvision::nms .*detection operators/],
    ['one backend', 'ops.prepacked.conv2d_clamp_run(x, x)', /prepacked::conv2d_clamp_run .*without optimize_for_mobile/],
    ['an operator that nobody has', 'torch.frobnicate(x)', /aten::frobnicate \(code\/__torch__\.py, line \d+\)/],
    ['a variable that is not set', 'torch.relu(y)', /line \d+\): the variable y is read, but not set/],
    ['a class that is not there', '__torch__.other.Thing(x)', /__torch__\.other\.Thing is not in the archive/],
    ['a loop without end', 'torch.relu(x)\n    while True:\n      z = torch.add(1, 1)', /more than \d+ rounds/],
    ['an endless call', '(self).forward(x, )', /call each other more than/],
    ['a list that explodes', 'torch.mul([1, 2, 3], 1000000000)', /more than \d+ elements/],
  ])('%s', (_, expression, message) => {
    expect(() => importTorchScript(archiveOf(`y0 = ${expression}\n    return x`), 'model.pt', { inputs: [{ datatype: 'FP32', shape: ['n', 3] }] })).toThrow(message);
  });
});

it('tells its own archives from tensors alone', () => {
  const accepts = (bytes: Uint8Array) => torchScript.accepts(bytes.subarray(0, 1 << 16), bytes.length);
  expect(accepts(zip([['archive/data.pkl', Buffer.from('\x80\x02}q\x00.', 'latin1')], ['archive/data/0', Buffer.alloc(4)]]))).toBe(false);
  expect(accepts(Buffer.from('PK\x03\x04'))).toBe(false);
  expect(accepts(Buffer.from('{}'))).toBe(false);
  expect(() => importTorchScript(zip([['m/data.pkl', Buffer.from('\x80\x02}q\x00.', 'latin1')], ['m/data/0', Buffer.alloc(4)]]), 'model.pt')).toThrow(/no TorchScript code/);
});

it.each([
  ['[x]', 'list', true],
  ['[x]', 'tuple', false],
  ['(x, 1)', 'tuple', true],
  ['x', 'list', false],
  ['[x]', 'List[Tensor]', true],
])('tells whether %s is a %s', (value, type, answer) => {
  const [yes, no] = answer ? ['relu', 'frobnicate'] : ['frobnicate', 'relu'];
  const model = importTorchScript(archiveOf(`y = ${value}\n    if isinstance(y, ${type}):\n      z = torch.${yes}(x)\n    else:\n      z = torch.${no}(x)\n    return z`), 'model.pt', { inputs: [{ name: 'x', datatype: 'FP32', shape: ['n', 3] }] });
  expect(model.graph!.node.map(({ opType }) => opType)).toEqual(['Relu']);
});

describe('checks of a program', () => {
  const inputs: InputDeclaration[] = [{ name: 'x', datatype: 'FP32', shape: ['n', 3] }];
  const notesOf = (bytes: Uint8Array): string[] => {
    const notes: string[] = [];
    importTorchScript(bytes, 'model.pt', { inputs, note: (sentence) => void notes.push(sentence) });
    return notes;
  };

  it('that depend on the input are left out, and each is told with its line and message; what is known to hold is not told', () => {
    const notes = notesOf(readFileSync(join(fixtures, 'checks.pt')));
    expect(notes).toEqual([
      expect.stringMatching(/^A check of the program is left out, because it depends on the input \(code\/__torch__\.py, line \d+: .*the sum is not positive.*\)\.$/),
      expect.stringMatching(/^A check of the program is left out, .* line \d+: .*a number is too large.*\)\.$/),
    ]);
  });

  it('are told of assert statements, too', () => {
    expect(notesOf(archiveOf('assert bool(torch.gt(torch.sum(x), 0))\n    return x'))).toEqual([expect.stringMatching(/^A check of the program is left out, because it depends on the input \(code\/__torch__\.py, line 4\)\.$/)]);
    expect(notesOf(archiveOf('assert torch.eq(torch.dim(x), 2)\n    return x'))).toEqual([]);
  });

  it('that never hold are refused', () => {
    expect(() => notesOf(archiveOf('assert torch.eq(torch.dim(x), 3)\n    return x'))).toThrow(/the program raises for every input: AssertionError/);
  });
});

it('names outputs by keys and fields, and inputs as forward does', async () => {
  const names = async (file: string, options?: ImportOptions) => {
    const model = await load(file, options);
    await model[Symbol.asyncDispose]();
    const { inputs, outputs } = model.signature;
    return { inputs: inputs.map(({ name, shape }) => [name, ...shape]), outputs: outputs.map(({ name }) => name) };
  };
  expect(await names('recurrent.pt')).toEqual({ inputs: [['x', 'batch', 'sequence', 3]], outputs: ['last', 'hidden', 'cell'] });
  expect(await names('kinds.pt')).toEqual({ inputs: [['x', 'batch', 3]], outputs: ['x_output', 'label'] });
  expect(await names('convolution-traced.pt')).toEqual({ inputs: [['picture', 'batch', 2, 'height', 'width']], outputs: ['output'] });
  expect(await names('recurrent.pt', { inputs: [{ name: 'x', datatype: 'FP32', shape: ['n', 't', 3] }, { name: 'state_0', datatype: 'FP32', shape: [1, 'n', 4] }, { name: 'state_1', datatype: 'FP32', shape: [1, 'n', 4] }] })).toMatchObject({
    inputs: [['x', 'n', 't', 3], ['state_0', 1, 'n', 4], ['state_1', 1, 'n', 4]],
  });
});

describe('source', () => {
  it('is parsed with its lines', () => {
    const { classes, functions } = parseSource('class A(Module):\n  x : Tensor\n  __annotations__["0"] = int\n  n : Final[int] = 3\n  def forward(self: __torch__.A,\n    x: Tensor,\n    *,\n    y: Optional[int]=None) -> Tensor:\n    a, b, = (x, "\\"\\n\\x41\\101")\n    return (x).f(a, k=-1.5e-3, )\ndef g() -> NoneType:\n  pass\n', 'code/a.py');
    const forward = classes.get('A')!.methods.get('forward')!;
    expect([...classes.get('A')!.attributes.keys()]).toEqual(['x', '0', 'n']);
    expect(forward.parameters.map(({ name }) => name)).toEqual(['self', 'x', 'y']);
    expect(forward.body[0]).toMatchObject({ kind: 'assign', unpack: true, place: { file: 'code/a.py', line: 9 }, value: { elements: [{ name: 'x' }, { kind: 'string', value: '"\nAA' }] } });
    expect(forward.body[1]).toMatchObject({ kind: 'return', value: { kind: 'call', keywords: [{ name: 'k', value: { kind: 'float', value: -0.0015 } }] } });
    expect(functions.get('g')!.body).toMatchObject([{ kind: 'pass' }]);
  });

  it.each([
    ['def f():\n    x = "abc', /line 2: a string has no end/],
    ['def f():\n  x = $', /line 2: there is \$/],
    ['def f():\n  x = (1', /line 2/],
    ['def f():\n    x = 1\n  y = 2', /line 3: the indentation fits no block/],
    ['def f():\n  import os\n', /line 2/],
    ['def f():\n  x = lambda: 1\n', /line 2/],
    [`def f():\n  x = ${'('.repeat(2000)}`, /nested more than/],
    ['x', /line 1/],
    ['def f():\n  x = 1j\n', /complex/],
  ])('%j is refused', (source, message) => {
    expect(() => parseSource(source, 'code/a.py')).toThrow(message);
  });
});

// ---- archives made here

function zip(members: readonly (readonly [string, Uint8Array])[]): Buffer {
  const parts: Buffer[] = [];
  const directory: Buffer[] = [];
  let offset = 0;
  for (const [name, bytes] of members) {
    const path = Buffer.from(name);
    const fixed = Buffer.alloc(26);
    fixed.writeUInt16LE(20, 0);
    fixed.writeUInt32LE(crc32(bytes), 10);
    fixed.writeUInt32LE(bytes.length, 14);
    fixed.writeUInt32LE(bytes.length, 18);
    fixed.writeUInt16LE(path.length, 22);
    const local = Buffer.concat([Buffer.from('PK\x03\x04', 'latin1'), fixed, path, bytes]);
    const tail = Buffer.alloc(14);
    tail.writeUInt32LE(offset, 10);
    directory.push(Buffer.concat([Buffer.from('PK\x01\x02\x14\x00', 'latin1'), fixed, tail, path]));
    parts.push(local);
    offset += local.length;
  }
  const central = Buffer.concat(directory);
  const end = Buffer.alloc(22);
  end.write('PK\x05\x06', 0, 'latin1');
  end.writeUInt16LE(members.length, 8);
  end.writeUInt16LE(members.length, 10);
  end.writeUInt32LE(central.length, 12);
  end.writeUInt32LE(offset, 16);
  return Buffer.concat([...parts, central, end]);
}

/** A module without attributes whose forward has the body. */
function archiveOf(body: string): Buffer {
  const source = `class M(Module):\n  def forward(self: __torch__.M,\n    x: Tensor) -> Tensor:\n    ${body}\n`;
  return zip([['m/data.pkl', Buffer.from('\x80\x02c__torch__\nM\nq\x00)\x81}b.', 'latin1')], ['m/code/__torch__.py', Buffer.from(source)], ['m/constants.pkl', Buffer.from('\x80\x02).', 'latin1')]]);
}

/** xorshift32 */
function random(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return (state >>> 0) % below;
  };
}

it('fuzz: spoiled archives, pickles and programs are imported or refused', { timeout: 600_000 }, () => {
  const runs = Number(process.env['MODELPORT_FUZZ_RUNS'] ?? 2000);
  const next = random(20_261_121);
  const archives = cases.filter(({ file }) => !file.startsWith('old-conv')).map((sample) => {
    const bytes = readFileSync(join(fixtures, sample.file));
    const archive = ZipArchive.open(bytesSource(bytes, sample.file));
    return { sample, bytes, members: archive.members.filter(({ path }) => !path.endsWith('debug_pkl')).map(({ path }): [string, Uint8Array] => [path, archive.read(path)]) };
  });
  const words = archives.flatMap(({ members }) => members.filter(([path]) => path.endsWith('.py')).flatMap(([, source]) => Buffer.from(source).toString().match(/torch\.\w+|\w+|[^\s\w]|\n *| +/g) ?? []));
  const insertions = [...words, '-1', '9223372036854775807', '0', '[]', 'None', 'inf', '1.5', 'True', 'while True:', 'range(1000000)', '(', ')', ':', '\n', '"', 'CONSTANTS.c0', 'self', 'torch.append'];
  const outcomes = { imported: 0, refused: 0 };
  for (let run = 0; run < runs; run++) {
    const { sample, bytes, members } = archives[next(archives.length)]!;
    const spoil = (given: Uint8Array): Uint8Array => {
      const copy = Buffer.from(given);
      for (let count = 1 + next(4); count > 0; count--) copy[next(Math.max(1, copy.length))] = next(256);
      return next(5) === 0 ? copy.subarray(0, next(copy.length + 1)) : copy;
    };
    const rewrite = (given: Uint8Array): Uint8Array => {
      const tokens: string[] = Buffer.from(given).toString().match(/torch\.\w+|\w+|[^\s\w]|\n *| +/g) ?? [];
      for (let count = 1 + next(3); count > 0; count--) {
        const at = next(tokens.length + 1);
        const kind = next(4);
        if (kind === 0) tokens.splice(at, 1);
        else if (kind === 1) tokens.splice(at, 0, insertions[next(insertions.length)]!);
        else if (kind === 2 && at < tokens.length) tokens[at] = insertions[next(insertions.length)]!;
        else tokens.splice(at, 0, ...tokens.slice(next(tokens.length + 1)).slice(0, next(12)));
      }
      return Buffer.from(tokens.join(''));
    };
    const way = next(10);
    const changed = way === 0 ? spoil(bytes) : zip(members.map(([path, content]) => [path, path.endsWith('.py') && way > 2 && next(2) === 0 ? rewrite(content) : path.endsWith('.pkl') && way <= 2 ? spoil(content) : content]));
    try {
      importTorchScript(changed, 'spoiled.pt', next(3) === 0 ? {} : optionsOf(sample));
      outcomes.imported++;
    } catch (error) {
      if (!isModelportError(error) || error.code === 'INTERNAL') throw new Error(`run ${run}, ${sample.file}: ${(error as Error).message}`, { cause: error });
      outcomes.refused++;
    }
  }
  expect(outcomes.refused).toBeGreaterThan(runs / 10);
  expect(outcomes.imported).toBeGreaterThan(runs / 50);
});
