/** Models that scripts/parity/boosting.py trained, with rows and what their framework answered to them. */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { onTestFinished } from 'vitest';
import { Call } from '../../src/call.ts';
import { isModelportError } from '../../src/errors.ts';
import type { Importer } from '../../src/importer.ts';
import type { Model } from '../../src/model.ts';
import onnxRuntime from '../../src/runtimes/onnx/onnx-runtime.ts';
import { textOf, type Tensor } from '../../src/tensor.ts';
import { fuzzRuns, mutate, random } from '../fixtures/random.ts';

interface Packed {
  readonly shape: readonly number[];
  readonly base64?: string;
  readonly texts?: readonly string[];
}

export interface BoostingCase {
  readonly name: string;
  readonly file: string;
  readonly rows: Packed;
  readonly prediction?: Packed;
  readonly probabilities?: Packed;
  readonly label?: Packed;
}

export function fixtureFolder(framework: string): string {
  return join(import.meta.dirname, framework, 'fixtures');
}

export function boostingCases(framework: string): BoostingCase[] {
  return (JSON.parse(readFileSync(join(fixtureFolder(framework), 'cases.json'), 'utf8')) as { cases: BoostingCase[] }).cases;
}

export function readFixture(framework: string, file: string): Buffer {
  return readFileSync(join(fixtureFolder(framework), file));
}

function numbersOf({ base64 = '' }: Packed): Float64Array {
  const bytes = Buffer.from(base64, 'base64');
  return new Float64Array(bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.byteLength));
}

/** Imports the file at `path` and loads it. It is gone when the test ends. */
export async function importAndLoad(importer: Importer, directory: string, file: string): Promise<Model> {
  const folder = mkdtempSync(join(tmpdir(), 'modelport-import-'));
  const imported = await importer.import({ format: importer.name, directory, main: file, files: [], metadata: {} }, join(folder, 'imported'));
  const model = await onnxRuntime.load(imported, { threads: 1, parameters: {} });
  onTestFinished(async () => {
    await model[Symbol.asyncDispose]();
    rmSync(folder, { recursive: true });
  });
  return model;
}

export async function answers(model: Model, data: Float64Array, shape: readonly number[]): Promise<ReadonlyMap<string, Tensor>> {
  const input = model.signature.inputs[0]!;
  const tensor = { datatype: input.datatype, shape, data: input.datatype === 'FP64' ? data : Float32Array.from(data) } as Tensor;
  return (await model.infer!({ inputs: new Map([[input.name, tensor]]) }, new Call())).outputs;
}

/** What differs from the framework's answers, one line each. Numbers may differ by 1e-5, relative to themselves or, near zero, to what a float32 sum keeps. */
export async function disagreements(importer: Importer, framework: string, sample: BoostingCase): Promise<string[]> {
  const model = await importAndLoad(importer, fixtureFolder(framework), sample.file);
  const outputs = await answers(model, numbersOf(sample.rows), sample.rows.shape);
  const found: string[] = [];
  for (const name of ['prediction', 'probabilities', 'label'] as const) {
    const [output, expected] = [outputs.get(name), sample[name]];
    if ((output === undefined) !== (expected === undefined)) found.push(`${name} is ${output === undefined ? 'missing' : 'too much'}`);
    if (output === undefined || expected === undefined) continue;
    if (output.shape.join() !== expected.shape.join()) found.push(`${name} is [${output.shape.join()}] instead of [${expected.shape.join()}]`);
    if (expected.texts !== undefined) {
      if (textOf(output as Tensor<'BYTES'>).join() !== expected.texts.join()) found.push(`${name} is ${textOf(output as Tensor<'BYTES'>).join()} instead of ${expected.texts.join()}`);
      continue;
    }
    const wanted = numbersOf(expected);
    const scale = Math.max(0, ...wanted.filter(Number.isFinite).map(Math.abs));
    const least = name === 'label' ? 0 : scale * (output.datatype === 'FP64' ? 1e-8 : 0.05);
    const given = output.datatype === 'BYTES' ? textOf(output as Tensor<'BYTES'>).map(Number) : Array.from(output.data as ArrayLike<number | bigint>, Number);
    for (const [index, value] of wanted.entries()) {
      const other = given[index]!;
      if (Object.is(other, value) || other === value || Math.abs(other - value) <= 1e-5 * Math.max(Math.abs(value), least)) continue;
      found.push(`${name}[${index}] is ${other} instead of ${value}`);
    }
  }
  return found;
}

/** Reads `fuzzRuns` spoiled files: each is read, or refused with a message. Gives how many were refused. */
export function fuzzReader(files: readonly Uint8Array[], read: (bytes: Buffer) => unknown): number {
  const source = random(20);
  let refused = 0;
  for (let run = 0; run < fuzzRuns; run++) {
    const bytes = Buffer.from(mutate(source.pick(files), source));
    try {
      read(bytes);
    } catch (error) {
      if (!isModelportError(error) || error.code !== 'INVALID_MODEL') throw new Error(`run ${run}: ${String(error)}`, { cause: error });
      refused++;
    }
  }
  return refused;
}
