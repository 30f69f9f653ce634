/** The folders of test/fixtures/text, as they are found and loaded. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Artifact } from '../../src/artifact.ts';
import { Call } from '../../src/call.ts';
import type { Model, Signature } from '../../src/model.ts';
import onnxRuntime from '../../src/runtimes/onnx/onnx-runtime.ts';
import { chooseTask, type TaskFacts } from '../../src/task.ts';
import { tasks } from '../../src/tasks/index.ts';

export const textFixtures = process.env['MODELPORT_TEXT_FIXTURES'] ?? join(import.meta.dirname, '..', 'fixtures', 'text');

export function artifactOf(name: string): Artifact {
  return { format: 'onnx', directory: join(textFixtures, name), main: 'onnx/model.onnx', files: [], metadata: {} };
}

export function expectedOf(name: string): unknown {
  return JSON.parse(readFileSync(join(textFixtures, name, 'expected.json'), 'utf8'));
}

/** A folder's model, loaded in this thread, with a batch axis. */
export async function loadFolder(name: string, maxSize = 32): Promise<{ model: Model; facts: TaskFacts }> {
  const artifact = artifactOf(name);
  const loaded = await onnxRuntime.load(artifact, { threads: 1, parameters: {} });
  const signature: Signature = { ...loaded.signature, batch: { maxSize, reason: 'said by the test' } };
  const model: Model = { signature, infer: (request, call) => loaded.infer(request, call), [Symbol.asyncDispose]: () => loaded[Symbol.asyncDispose]() };
  return { model, facts: { signature, artifact, examples: [] } };
}

/** The folder as its task, which is the evident one unless `configured` says another. */
export async function openFolder(name: string, configured?: Record<string, unknown> & { name: string }): Promise<Model> {
  const { model, facts } = await loadFolder(name);
  const chosen = chooseTask(tasks, configured, facts)!;
  return chosen.task.lift(model, chosen.options, facts);
}

export function ask<Answer>(model: Model, value: unknown): Promise<Answer> {
  return model.predict!(value, new Call()) as Promise<Answer>;
}
