import { execFile } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { writeMatrixModel } from '../fixtures/matrix-model.ts';

const directory = mkdtempSync(join(tmpdir(), 'modelport-'));
// 5000² float32 weights are 100 MB.
beforeAll(() => writeMatrixModel(join(directory, 'model.onnx'), 5000));
afterAll(() => rmSync(directory, { recursive: true }));

interface Cycles {
  readonly beforeMb: number;
  readonly loadedMb: number[];
  readonly afterMb: number[];
  readonly answers: number[];
}

async function cycle(kind: string, cycles: number): Promise<Cycles> {
  const { stdout } = await promisify(execFile)(process.execPath, [join(import.meta.dirname, 'load-cycles.mjs'), directory, kind, String(cycles)]);
  const measured = JSON.parse(stdout) as Cycles;
  const rounded = (values: readonly number[]): string => values.map((value) => value.toFixed(0)).join(' ');
  console.log(`${kind}: ${measured.beforeMb.toFixed(0)} MB before, ${rounded(measured.afterMb)} MB after each cycle`);
  expect(measured.answers).toEqual(Array.from({ length: cycles }, (_, index) => index));
  return measured;
}

test.runIf(process.platform === 'linux')('with threads, 20 loads and unloads of 100 MB take no more memory than one', { timeout: 60_000 }, async () => {
  const { afterMb, loadedMb } = await cycle('thread', 20);
  expect(loadedMb[0]! - afterMb[0]!).toBeGreaterThan(90);
  const ratio = afterMb[19]! / afterMb[0]!;
  console.log(`thread: ratio of the last to the first ${ratio.toFixed(3)}`);
  expect(ratio).toBeLessThanOrEqual(1.3);
});

test.runIf(process.platform === 'linux')('with processes, all of it goes back to the system', async () => {
  const { beforeMb, afterMb, loadedMb } = await cycle('process', 2);
  // The server itself never holds the model.
  expect(Math.max(...loadedMb, ...afterMb)).toBeLessThan(beforeMb + 50);
});
