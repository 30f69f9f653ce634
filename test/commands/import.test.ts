import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { parse } from 'yaml';
import { importFile } from '../../src/commands/import-file.ts';
import { explainModels } from '../../src/commands/explain-models.ts';

const fixtures = fileURLToPath(new URL('../importers/sklearn/fixtures/', import.meta.url));
const pipeline = join(fixtures, readdirSync(fixtures).find((name) => /^\d+-Pipeline/.test(name))!);

let directory: string;
beforeAll(() => {
  directory = mkdtempSync(join(tmpdir(), 'modelport-import-test-'));
});
afterAll(() => rmSync(directory, { recursive: true }));

it('writes a folder that can be served', async () => {
  const folder = join(directory, 'written');
  const { model, config } = await importFile(pipeline, folder);
  expect(readdirSync(folder).sort()).toEqual(['model.onnx', 'model.yaml']);
  expect([model, config]).toEqual([join(folder, 'model.onnx'), join(folder, 'model.yaml')]);
  const [labels] = (parse(readFileSync(config, 'utf8')) as { outputs: { labels: string[] }[] }).outputs;
  expect(labels!.labels.length).toBeGreaterThan(1);
  const [explained] = await explainModels(folder);
  expect(explained!.name).toBe('written');
  expect(explained!.config.config.task).toBe('tabular-classification');
});

it('writes over nothing that it was not told to', async () => {
  const folder = join(directory, 'kept');
  await importFile(pipeline, folder);
  writeFileSync(join(folder, 'model.yaml'), 'description: mine\n');
  await expect(importFile(pipeline, folder)).rejects.toMatchObject({ code: 'INVALID_USAGE', message: expect.stringContaining('--force') as string });
  expect(readFileSync(join(folder, 'model.yaml'), 'utf8')).toBe('description: mine\n');
  await importFile(pipeline, folder, true);
  expect(readFileSync(join(folder, 'model.yaml'), 'utf8')).not.toContain('mine');
});

it('leaves nothing behind where the file is refused', async () => {
  const folder = join(directory, 'refused');
  const file = join(directory, 'unknown.pkl');
  writeFileSync(file, Buffer.from('\x80\x02csklearn.manifold._t_sne\nTSNE\n)\x81}b.', 'latin1'));
  await expect(importFile(file, folder)).rejects.toMatchObject({ code: 'INVALID_MODEL', message: expect.stringContaining('TSNE') as string });
  expect(readdirSync(folder)).toEqual([]);
  writeFileSync(file, 'a text');
  await expect(importFile(file, join(directory, 'other'))).rejects.toMatchObject({ code: 'INVALID_MODEL' });
  await expect(importFile(join(directory, 'absent'), folder)).rejects.toMatchObject({ code: 'INVALID_USAGE' });
  expect(existsSync(join(directory, 'other'))).toBe(false);
});
