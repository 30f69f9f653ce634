/**
 * Tiny random models of transformers, in folders as Hugging Face has them and with no word of configuration, against the answers of
 * transformers' own pipelines (scripts/parity/tasks_media.py).
 */
import { cpSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import sharp from 'sharp';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Call } from '../../src/call.ts';
import { createRepository } from '../../src/commands/compose.ts';
import type { FolderModelRepository } from '../../src/serving/model-repository.ts';

const fixtures = join(import.meta.dirname, '..', 'fixtures');
/** Where scripts/parity/tasks.mjs made them anew. */
const made = process.env['MODELPORT_TASK_FIXTURES'] ?? join(fixtures, 'tasks');
const models = join(made, 'models');
const photo = new Uint8Array(readFileSync(join(fixtures, 'images', 'photo.jpg')));
const sound = new Uint8Array(readFileSync(join(made, 'sound.wav')));

interface Scored {
  readonly label: string;
  readonly score: number;
}
const expected = <Value>(name: string): Value => JSON.parse(readFileSync(join(models, name, 'expected.json'), 'utf8')) as Value;

let folder: string;
let repository: FolderModelRepository;
beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'modelport-parity-'));
  cpSync(models, folder, { recursive: true });
  const quiet = (): void => {};
  repository = createRepository({ paths: [folder], mode: 'explicit', loadModels: ['*'], pollMs: 1000, log: { debug: quiet, info: quiet, warn: quiet, error: quiet }, responseCacheBytes: 0, resources: {} });
  const failures = await repository.start();
  expect(failures.map(({ error }) => error.message)).toEqual([]);
}, 60_000);
afterAll(async () => {
  await repository[Symbol.asyncDispose]();
  rmSync(folder, { recursive: true });
});

async function ask<Answer>(name: string, value: unknown): Promise<Answer> {
  return (await repository.get(name).model.predict!(value, new Call())) as Answer;
}

function expectScores(answer: readonly Scored[], wanted: readonly Scored[]): void {
  expect(answer.map(({ label }) => label)).toEqual(wanted.map(({ label }) => label));
  for (const [index, { score }] of answer.entries()) expect(Math.abs(score - wanted[index]!.score), wanted[index]!.label).toBeLessThan(1e-4);
}

describe('the task is found from the folder', () => {
  const tasks: Record<string, string> = {
    ast: 'audio-classification',
    clip: 'zero-shot-image-classification',
    detr: 'object-detection',
    segformer: 'image-segmentation',
    vit: 'image-classification',
    'vit-crop': 'image-classification',
    wav2vec2: 'audio-classification',
  };
  it.each(readdirSync(models))('%s', (name) => {
    expect(repository.get(name).model.signature.predict?.task).toBe(tasks[name]);
  });
});

describe('the answers of the pipelines', () => {
  it.each(['vit', 'vit-crop'])('image-classification: %s', async (name) => {
    const { labels } = await ask<{ labels: Scored[] }>(name, { image: photo });
    expectScores(labels, expected(name));
  });

  it.each(['wav2vec2', 'ast'])('audio-classification: %s', async (name) => {
    const { labels } = await ask<{ labels: Scored[] }>(name, { audio: sound });
    expectScores(labels, expected(name));
  });

  it('object-detection: detr', async () => {
    type Found = Scored & { readonly box: Readonly<Record<string, number>> };
    const byScore = (found: readonly Found[]): Found[] => [...found].sort((a, b) => b.score - a.score);
    const wanted = byScore(expected<Found[]>('detr'));
    const { objects } = await ask<{ objects: Found[] }>('detr', { image: photo, threshold: 0.1 });
    expectScores(objects, wanted);
    for (const [index, { box }] of objects.entries()) {
      // Cut-off fractions may fall on either side.
      for (const [corner, pixel] of Object.entries(box)) expect(Math.abs(pixel - wanted[index]!.box[corner]!)).toBeLessThanOrEqual(1);
    }
  });

  it('image-segmentation: segformer', async () => {
    const { width, height, segments: wanted } = expected<{ width: number; height: number; segments: { label: string; bits: string }[] }>('segformer');
    const { segments } = await ask<{ segments: (Scored & { share: number; mask: string })[] }>('segformer', { image: photo });
    expect(segments.map(({ label }) => label)).toEqual(wanted.map(({ label }) => label));
    expect(segments.reduce((sum, { share }) => sum + share, 0)).toBeCloseTo(1, 5);
    let different = 0;
    for (const [index, { mask }] of segments.entries()) {
      const { data, info } = await sharp(Buffer.from(mask.slice(mask.indexOf(',') + 1), 'base64')).toColourspace('b-w').raw().toBuffer({ resolveWithObject: true });
      expect([info.width, info.height, info.channels]).toEqual([width, height, 1]);
      const bits = Buffer.from(wanted[index]!.bits, 'base64');
      data.forEach((level, place) => {
        if ((level === 255 ? 1 : 0) !== ((bits[place >> 3]! >> (7 - (place & 7))) & 1)) different++;
      });
    }
    expect(different / (width * height)).toBeLessThan(0.002);
  });

  it('zero-shot-image-classification: clip', async () => {
    const wanted = expected<{ plain: Scored[]; template: Scored[] }>('clip');
    const labels = ['cat', 'dog on a sofa', 'the sea', 'remote control'];
    expectScores((await ask<{ labels: Scored[] }>('clip', { image: photo, labels })).labels, wanted.plain);
    expectScores((await ask<{ labels: Scored[] }>('clip', { image: photo, labels: labels.join(', '), template: 'the sky and {}' })).labels, wanted.template);
  });
});
