import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { RunGate } from '../../src/serving/run-gate.ts';
import { writeMatrixModel } from '../fixtures/matrix-model.ts';

test('a server that exits while a thread is inside a run waits for it, and is not aborted', () => {
  const directory = mkdtempSync(join(tmpdir(), 'modelport-'));
  writeMatrixModel(join(directory, 'model.onnx'), 2500);
  const { status, signal, stdout, stderr } = spawnSync(process.execPath, [join(import.meta.dirname, 'exit-inside-run.mjs'), directory], { encoding: 'utf8' });
  rmSync(directory, { recursive: true });
  // Nothing was answered: it was inside the run.
  expect({ status, signal, stdout, stderr }).toEqual({ status: 5, signal: null, stdout: '', stderr: '' });
});

test('nothing enters a closed gate, and a wait for a run that does not end is given up', () => {
  const server = new RunGate();
  const thread = new RunGate(server.memory);
  expect(thread.enter()).toBe(true);
  server.close();
  expect(thread.enter()).toBe(false);
  const startedAtMs = performance.now();
  server.waitUntilEmpty(startedAtMs + 20);
  expect(performance.now() - startedAtMs).toBeGreaterThanOrEqual(19);
  thread.leave();
  server.waitUntilEmpty(Infinity);
  expect(new RunGate(server.memory).enter()).toBe(false);
});
