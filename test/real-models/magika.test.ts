import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { Call } from '../../src/call.ts';
import type { Tensor } from '../../src/tensor.ts';
import { describeReal, expected, loadReal, realFile } from './real-models.ts';

interface Expected {
  readonly cases: Readonly<Record<string, { readonly text: string; readonly label: string; readonly score: number }>>;
  readonly raw: { readonly text: string; readonly top3: readonly (readonly [label: string, score: number])[] };
}

const ends = 1024;
const padding = 256;
const blank = new Set([0x20, 0x09, 0x0a, 0x0b, 0x0c, 0x0d]);

/** The first 1024 bytes after leading white space, padded behind, and the last 1024 before trailing white space, padded in front. */
function features(texts: readonly string[]): Tensor {
  const data = new Int32Array(texts.length * 2 * ends).fill(padding);
  texts.forEach((text, row) => {
    const bytes = new TextEncoder().encode(text);
    let start = 0;
    while (start < bytes.length && blank.has(bytes[start]!)) start++;
    let end = bytes.length;
    while (end > 0 && blank.has(bytes[end - 1]!)) end--;
    const head = bytes.subarray(start, start + ends);
    const tail = bytes.subarray(Math.max(0, end - ends), end);
    data.set(head, row * 2 * ends);
    data.set(tail, (row + 1) * 2 * ends - tail.length);
  });
  return { datatype: 'INT32', shape: [texts.length, 2 * ends], data };
}

describeReal('magika names file types', ['magika/model.onnx', 'magika/config.min.json'], () => {
  const { cases, raw } = expected('magika') as Expected;
  const labels = (): string[] => (JSON.parse(readFileSync(realFile('magika/config.min.json'), 'utf8')) as { target_labels_space: string[] }).target_labels_space;

  /** Label and score of each row, best first. */
  async function classify(texts: readonly string[]): Promise<[string, number][][]> {
    await using model = await loadReal('magika/model.onnx');
    const { outputs } = await model.infer!({ inputs: new Map([['bytes', features(texts)]]) }, new Call());
    const { shape, data } = outputs.get('target_label')!;
    const names = labels();
    expect(shape).toEqual([texts.length, names.length]);
    return texts.map((_, row) =>
      names.map((name, index): [string, number] => [name, (data as Float32Array)[row * names.length + index]!]).sort((a, b) => b[1] - a[1]),
    );
  }

  test('the raw scores are those of its own package', async () => {
    const [scores] = await classify([raw.text]);
    for (const [index, [label, score]] of raw.top3.entries()) {
      expect(scores![index]![0]).toBe(label);
      expect(scores![index]![1]).toBeCloseTo(score, 6);
    }
  });

  const names = Object.keys(cases);
  const best = (scores: readonly [string, number][]): [string, number] => scores[0]!;

  test.each(names)('%s', async (name) => {
    const [label, score] = best((await classify([cases[name]!.text]))[0]!);
    expect(label).toBe(cases[name]!.label);
    expect(score).toBeCloseTo(cases[name]!.score, 6);
  });

  test('all of them in one batch', async () => {
    const results = (await classify(names.map((name) => cases[name]!.text))).map(best);
    expect(results.map(([label]) => label)).toEqual(names.map((name) => cases[name]!.label));
    // ONNX Runtime adds up in another order where there are more rows.
    for (const [index, name] of names.entries()) expect(Math.abs(results[index]![1] - cases[name]!.score)).toBeLessThan(1e-3);
  });
});
