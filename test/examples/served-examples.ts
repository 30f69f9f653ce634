/** Example models as `modelport serve` loads them, without a listener in front. */
import { cp, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { createRepository } from '../../src/commands/compose.ts';
import type { FolderModelRepository } from '../../src/serving/model-repository.ts';

export const examples = fileURLToPath(new URL('../../examples/', import.meta.url));

export interface ServedExamples extends AsyncDisposable {
  readonly repository: FolderModelRepository;
  /** A copy of the examples, which tests may change. */
  readonly folder: string;
  /** What was logged as a warning or error. */
  readonly complaints: string[];
}

/** A copy of `examples/<folder>`, changed by `prepare`, all of it loaded; `cacheDirectory` holds what is fetched or made. Throws where one of the models does not load. */
export async function serveExamples(folder: string, prepare: (copy: string) => Promise<void> = async () => {}, cacheDirectory?: string): Promise<ServedExamples> {
  const copy = await mkdtemp(join(tmpdir(), 'modelport-examples-'));
  const complaints: string[] = [];
  const complain = (_: unknown, text?: string): void => void complaints.push(String(text));
  const quiet = (): void => {};
  await cp(join(examples, folder), copy, { recursive: true });
  await prepare(copy);
  const repository = createRepository({ paths: [copy], mode: 'explicit', loadModels: ['*'], pollMs: 1000, log: { debug: quiet, info: quiet, warn: complain, error: complain }, responseCacheBytes: 0, resources: {}, ...(cacheDirectory === undefined ? {} : { cacheDirectory }) });
  const dispose = async (): Promise<void> => {
    await repository[Symbol.asyncDispose]();
    await rm(copy, { recursive: true });
  };
  const failures = await repository.start();
  if (failures.length > 0) {
    await dispose();
    throw new Error(failures.map((failure) => failure.error.message).join('\n'));
  }
  return { repository, folder: copy, complaints, [Symbol.asyncDispose]: dispose };
}
