import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Call } from '../../src/call.ts';
import type { Model } from '../../src/model.ts';
import { byteFeatures } from '../../src/tasks/file-classification/byte-features.ts';
import { fileClassification } from '../../src/tasks/file-classification/file-classification.ts';
import { artifactIn, factsOf, fakeModel, lifted, signatureOf, spec } from './fake-model.ts';

const plan = { beginSize: 4, endSize: 3, blockSize: 6, paddingToken: 256 };
const text = (value: string): Uint8Array => new TextEncoder().encode(value);
const features = (value: string): number[] => [...byteFeatures(text(value), plan).features];
const codes = (value: string): number[] => [...text(value)];

describe('features', () => {
  it('are the beginning after blanks and the end before blanks', () => {
    expect(features('abcdefgh')).toEqual([...codes('abcd'), ...codes('fgh')]);
    expect(features(' \n\tab')).toEqual([...codes('ab'), 256, 256, ...codes('\tab')]);
    expect(features('x')).toEqual([120, 256, 256, 256, 256, 256, 120]);
    expect(features('')).toEqual(new Array(7).fill(256));
  });

  it('look no further than a block for what is not blank', () => {
    expect(features('       abcdefg')).toEqual([256, 256, 256, 256, ...codes('efg')]);
    expect(byteFeatures(text('      a'), plan).beginLength).toBe(0);
  });
});

const labels = ['python', 'randomtxt', 'png', 'sql'];
const signature = signatureOf([spec('bytes', 'INT32', ['batch', 7])], [spec('target_label', 'FP32', ['batch', 4])]);
const config = {
  beg_size: 4, mid_size: 0, end_size: 3, use_inputs_at_offsets: false, block_size: 6, padding_token: 256, min_file_size_for_dl: 3, medium_confidence_threshold: 0.5,
  target_labels_space: labels, thresholds: { sql: 0.9 }, overwrite_map: { randomtxt: 'txt' },
};
const known = { python: { description: 'Python source', mime_type: 'text/x-python', group: 'code', is_text: true }, png: { description: 'PNG image', mime_type: 'image/png', group: 'image', is_text: false } };

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'modelport-file-'));
  writeFileSync(join(folder, 'config.min.json'), JSON.stringify(config));
  writeFileSync(join(folder, 'content_types_kb.min.json'), JSON.stringify(known));
});
afterAll(() => rmSync(folder, { recursive: true }));

const facts = () => factsOf(signature, { artifact: artifactIn(folder) });
const model = (scores: readonly number[], options: object = {}): Model => lifted(fileClassification, fakeModel(signature, () => [['target_label', { datatype: 'FP32', shape: [1, 4], data: Float32Array.from(scores) }]]), options, facts());
const ask = (one: Model, value: unknown): Promise<unknown> => one.predict!(value, new Call());

describe('answers', () => {
  it('say the type and what is known of it', async () => {
    expect(await ask(model([0.9, 0.1, 0, 0]), { file: text('import os'), topK: 2 })).toEqual({
      label: 'python', score: 0.9, description: 'Python source', mediaType: 'text/x-python', group: 'code',
      labels: [{ label: 'python', score: 0.9 }, { label: 'randomtxt', score: 0.1 }],
    });
  });

  it.each<[string, number[], string, string]>([
    ['a type that stands for another', [0, 0.9, 0.1, 0], 'hello world', 'txt'],
    ['not sure enough, of text', [0.4, 0.3, 0.3, 0], 'hello world', 'txt'],
    ['not sure enough, of no text', [0.3, 0.3, 0.4, 0], 'hello world', 'unknown'],
    ['a threshold of its own', [0.2, 0, 0, 0.8], 'select 1', 'txt'],
    ['above it', [0.05, 0, 0, 0.95], 'select 1', 'sql'],
  ])('%s', async (_, scores, content, label) => {
    expect(await ask(model(scores), text(content))).toMatchObject({ label });
  });

  it.each<[string, Uint8Array, string]>([
    ['nothing', new Uint8Array(0), 'empty'],
    ['two letters', text('ab'), 'txt'],
    ['two bytes', Uint8Array.of(0xff, 0xfe), 'unknown'],
    ['blanks', text('  \n  \n  x'), 'txt'],
  ])('%s is told without the model', async (_, file, label) => {
    expect(await ask(model([NaN, 0, 0, 0]), { file })).toEqual({ label, score: 1, labels: [] });
  });

  it('takes base64 and data URLs', async () => {
    expect(await ask(model([0.9, 0.1, 0, 0]), { file: `data:text/plain;base64,${Buffer.from('import os').toString('base64')}` })).toMatchObject({ label: 'python' });
    await expect(ask(model([1, 0, 0, 0]), { file: 'not base64!' })).rejects.toMatchObject({ code: 'INVALID_VALUE', at: 'file', message: expect.stringMatching(/neither a data URL nor base64/) as string });
    await expect(ask(model([1, 0, 0, 0]), {})).rejects.toMatchObject({ code: 'INVALID_VALUE', at: 'file' });
  });
});

describe('what a model is told to be', () => {
  it('is found by config.min.json', () => {
    expect(fileClassification.detect(facts())?.reason).toBe("config.min.json says that input 'bytes' takes the first 4 and the last 3 bytes of a file");
    expect(fileClassification.detect(factsOf(signature))).toBeUndefined();
  });

  it('needs as many numbers as the input takes', () => {
    expect(() => model([], { beginSize: 5 })).toThrow(expect.objectContaining({ code: 'INVALID_CONFIG', at: 'task.input', message: expect.stringMatching(/input 'bytes' is INT32 \[batch, 7\], but file-classification feeds 8 integers/) as string }) as Error);
  });

  it('says what is wrong with the config', () => {
    const broken = mkdtempSync(join(tmpdir(), 'modelport-file-'));
    try {
      writeFileSync(join(broken, 'config.min.json'), JSON.stringify({ ...config, mid_size: 512 }));
      expect(() => lifted(fileClassification, fakeModel(signature, () => []), {}, factsOf(signature, { artifact: artifactIn(broken) }))).toThrow(/config\.min\.json: mid_size/);
    } finally {
      rmSync(broken, { recursive: true });
    }
  });
});
