/** Where the trained models of other people are, and how tests load them. `npm run real-models` fetches them. */
import { existsSync, readFileSync, statSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { describe } from 'vitest';
import type { Artifact } from '../../src/artifact.ts';
import onnxRuntime from '../../src/runtimes/onnx/onnx-runtime.ts';
import { instanceGroup, type InstanceGroup } from '../../src/serving/instance-group.ts';
import type { InstanceKind } from '../../src/runtime.ts';

const folder = process.env['MODELPORT_REAL_MODELS'];

export function realFile(file: string): string {
  return join(folder!, file);
}

/** Tests that need these files; where they are not, they are skipped and the reason is printed. */
export function describeReal(name: string, files: readonly string[], tests: () => void): void {
  const missing = folder === undefined ? [] : files.filter((file) => !existsSync(join(folder, file)));
  const reason = folder === undefined ? 'MODELPORT_REAL_MODELS names no folder' : missing.length > 0 ? `${folder} lacks ${missing.join(', ')}` : undefined;
  if (reason !== undefined) console.warn(`skipped: ${name}: ${reason} (npm run real-models fetches the files)`);
  describe.skipIf(reason !== undefined)(name, tests);
}

export function realArtifact(file: string): Artifact {
  const path = realFile(file);
  return { format: 'onnx', directory: dirname(path), main: basename(path), files: [{ path: basename(path), sizeBytes: statSync(path).size }], metadata: {} };
}

export function loadReal(file: string, options: { readonly kind?: InstanceKind; readonly count?: number } = {}): Promise<InstanceGroup> {
  return instanceGroup(onnxRuntime, realArtifact(file), { kind: options.kind ?? 'thread', count: options.count ?? 1, load: { threads: 1, parameters: {} } });
}

/** What the model's own package answered, from `test/fixtures/real-models/`. */
export function expected(name: string): unknown {
  return JSON.parse(readFileSync(new URL(`../fixtures/real-models/${name}.json`, import.meta.url), 'utf8'));
}
