/** Small encoders that transformers saved, against what it answered. */
import { cpSync, existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import type { Artifact } from '../../../src/artifact.ts';
import { Call } from '../../../src/call.ts';
import { importArtifact } from '../../../src/commands/import-artifact.ts';
import { ModelportError } from '../../../src/errors.ts';
import { parseEncoderConfig } from '../../../src/importers/state-dict/encoder-config.ts';
import { stateDict } from '../../../src/importers/state-dict/state-dict.ts';
import onnxRuntime from '../../../src/runtimes/onnx/onnx-runtime.ts';
import type { Tensor } from '../../../src/tensor.ts';
import { fuzzRuns, mutate, random } from '../../fixtures/random.ts';
import { fixtures } from './tiny.ts';

const folder = join(fixtures, 'encoders');
const kinds = readdirSync(folder);

interface Samples {
  readonly samples: readonly { readonly inputs: Record<string, readonly (readonly number[])[]>; readonly outputs: Record<string, { readonly shape: readonly number[]; readonly data: readonly number[] }> }[];
}

function artifactOf(directory: string): Artifact {
  return { format: 'state-dict', directory, main: 'model.safetensors', files: [], metadata: {} };
}

function temporary(): string {
  const place = mkdtempSync(join(tmpdir(), 'modelport-encoder-'));
  onTestFinished(() => rmSync(place, { recursive: true }));
  return place;
}

/** A copy of an encoder with some of its config changed. */
function changed(kind: string, change: Record<string, unknown>): Artifact {
  const place = temporary();
  cpSync(join(folder, kind), place, { recursive: true });
  const config = JSON.parse(readFileSync(join(place, 'config.json'), 'utf8')) as Record<string, unknown>;
  writeFileSync(join(place, 'config.json'), JSON.stringify({ ...config, ...change }));
  return artifactOf(place);
}

test.each(kinds)('%s', async (kind) => {
  const place = temporary();
  const imported = await stateDict.import(artifactOf(join(folder, kind)), place);
  await using model = await onnxRuntime.load(imported, { threads: 1, parameters: {} });
  for (const { shape } of [...model.signature.inputs, ...model.signature.outputs]) expect(shape[0]).toBe('batch');
  for (const { name, shape } of model.signature.outputs) if (name !== 'logits') expect(shape[1]).toBe('sequence');
  const { samples } = JSON.parse(readFileSync(join(folder, kind, 'samples.json'), 'utf8')) as Samples;
  for (const { inputs, outputs: expected } of samples) {
    const tensors = Object.entries(inputs).map(([name, rows]): [string, Tensor] => [name, { datatype: 'INT64', shape: [rows.length, rows[0]!.length], data: BigInt64Array.from(rows.flat(), BigInt) }]);
    expect(model.signature.inputs.map(({ name }) => name)).toEqual(Object.keys(inputs));
    const { outputs } = await model.infer!({ inputs: new Map(tensors) }, new Call());
    expect([...outputs.keys()]).toEqual(Object.keys(expected));
    for (const [name, { shape, data }] of Object.entries(expected)) {
      const found = outputs.get(name)!;
      expect(found.shape).toEqual(shape);
      const scale = Math.max(...data.map(Math.abs));
      const elements = found.data as Float32Array;
      const mask = inputs['attention_mask']!.flat();
      const each = data.length / mask.length;
      const perToken = Number.isInteger(each) && shape[1] === inputs['attention_mask']![0]!.length;
      // What stands at the places of padding, nobody reads.
      for (const [index, value] of data.entries()) if (!perToken || mask[Math.floor(index / each)] === 1) expect(Math.abs(elements[index]! - value) / scale).toBeLessThan(5e-6);
    }
  }
});

test('the config goes with the model, for the names of its classes', async () => {
  const imported = await stateDict.import(artifactOf(join(folder, 'BertForSequenceClassification')), temporary());
  expect(imported.files.map(({ path }) => path)).toEqual(['model.onnx', 'config.json']);
  expect(existsSync(join(imported.directory, 'config.json'))).toBe(true);
});

test('an import that was kept is used again only with an equal config', async () => {
  const cache = temporary();
  const of = (artifact: Artifact) => importArtifact(artifact, stateDict, {}, cache).then(({ artifact: { directory } }) => directory);
  const first = await of(artifactOf(join(folder, 'BertForSequenceClassification')));
  expect(await of(changed('BertForSequenceClassification', {}))).not.toBe(first);
  expect(await of(artifactOf(join(folder, 'BertForSequenceClassification')))).toBe(first);
  const relabelled = await of(changed('BertForSequenceClassification', { id2label: { 0: 'a', 1: 'b', 2: 'c' } }));
  expect(readFileSync(join(relabelled, 'config.json'), 'utf8')).toContain('"c"');
  // Another number of heads is another program of the same weights.
  const heads = await of(changed('BertForSequenceClassification', { num_attention_heads: 4 }));
  expect(readFileSync(join(heads, 'model.onnx')).equals(readFileSync(join(first, 'model.onnx')))).toBe(false);
});

test.each<[Record<string, unknown>, RegExp]>([
  [{ model_type: 'llama' }, /config\.json is of a model of the type "llama"; built from weights and config\.json are bert, roberta,.*torch\.export/],
  [{ architectures: ['BertForMultipleChoice'] }, /is of "BertForMultipleChoice"; built .* ForSequenceClassification/],
  [{ num_hidden_layers: 3 }, /model\.safetensors does not fit its config\.json: 16 weights are missing \(bert\.encoder\.layer\.2\.attention/],
  [{ num_hidden_layers: 1 }, /16 are not used \(bert\.encoder\.layer\.1\./],
  [{ intermediate_size: 13 }, /have other shapes \(bert\.encoder\.layer\.0\.intermediate\.dense\.weight is \[12, 8\] instead of \[13, 8\]/],
  [{ num_attention_heads: 3 }, /3 attention heads, which do not divide 8/],
  [{ hidden_act: 'mish' }, /the activation "mish", which is not known/],
  [{ position_embedding_type: 'relative_key' }, /positions of the type "relative_key"/],
  [{ is_decoder: true }, /is of a decoder/],
  [{ hidden_size: '8' }, /says hidden_size: "8"; it should be a whole number/],
])('%j is refused', async (change, message) => {
  await expect(stateDict.import(changed('BertForSequenceClassification', change), temporary())).rejects.toThrow(message);
});

test('a config.json that names no kind of model says nothing', async () => {
  await expect(stateDict.import(changed('BertModel', { model_type: undefined }), temporary())).rejects.toThrow(/holds 39 weights and no program.*look like none of the architectures/);
});

test('configurations of nonsense are refused or read, never worse', () => {
  const source = random(8);
  const texts = kinds.map((kind) => readFileSync(join(folder, kind, 'config.json')));
  let refused = 0;
  for (let run = 0; run < fuzzRuns; run++) {
    try {
      parseEncoderConfig(Buffer.from(mutate(source.pick(texts), source)).toString('latin1'), 'config.json');
    } catch (error) {
      if (!(error instanceof ModelportError) || error.code !== 'INVALID_MODEL') throw error;
      refused++;
    }
  }
  expect(refused).toBeGreaterThan(fuzzRuns / 4);
});
