/**
 * Models that need no runtime: a file of a few lines that says what it takes and gives, and a world that counts which are
 * loaded, so that tests of the repository see what it does with them.
 */
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { onTestFinished } from 'vitest';
import type { Artifact } from '../../src/artifact.ts';
import { Call } from '../../src/call.ts';
import { ModelportError } from '../../src/errors.ts';
import { isTritonConfigJson, readTritonConfigJson, readTritonConfigText } from '../../src/formats/triton-model-config.ts';
import type { Model, Signature } from '../../src/model.ts';
import type { StatisticsSnapshot } from '../../src/repository.ts';
import type { AssembleRequest, LoadFunctions } from '../../src/serving/load-version.ts';
import type { ForeignConfigFormat } from '../../src/serving/model-config-file.ts';
import type { ModelFormat } from '../../src/serving/model-format.ts';
import { FolderModelRepository, type FolderModelRepositoryOptions } from '../../src/serving/model-repository.ts';
import type { AssembledModel } from '../../src/serving/served-version.ts';

export interface Toy {
  /** What the model answers, to tell versions apart. */
  readonly answer?: number;
  readonly inputs?: Signature['inputs'];
  readonly outputs?: Signature['outputs'];
  readonly batch?: Signature['batch'];
  /** Loading fails with this. */
  readonly failure?: string;
  /** How long a run takes. */
  readonly runMs?: number;
}

const standard = {
  inputs: [{ name: 'x', datatype: 'FP32', shape: [-1, 4], batchAxis: 0 }],
  outputs: [{ name: 'y', datatype: 'FP32', shape: [-1, 3], batchAxis: 0 }],
  batch: { maxSize: 64, reason: 'can batch: every tensor has a free first axis' },
} as const satisfies Pick<Signature, 'inputs' | 'outputs' | 'batch'>;

export function toyText(toy: Toy = {}): string {
  return `TOY\n${JSON.stringify(toy)}\nEND\n`;
}

export const toyFormat: ModelFormat = {
  name: 'onnx',
  extensions: ['.onnx'],
  defaultFiles: ['model.onnx'],
  recognize: (start) => Buffer.from(start).toString('latin1').startsWith('TOY\n'),
};

export const tritonConfigs: ForeignConfigFormat = {
  fileName: 'config.pbtxt',
  readText: readTritonConfigText,
  recognizesJson: isTritonConfigJson,
  readJson: readTritonConfigJson,
};

/** A folder with these files, gone after the test. */
export async function folder(files: Readonly<Record<string, string>> = {}): Promise<string> {
  const directory = await mkdtemp(join(tmpdir(), 'modelport-repository-'));
  onTestFinished(() => rm(directory, { recursive: true, force: true }));
  await write(directory, files);
  return directory;
}

export async function write(directory: string, files: Readonly<Record<string, string>>): Promise<void> {
  for (const [name, text] of Object.entries(files)) {
    await mkdir(dirname(join(directory, name)), { recursive: true });
    if (!name.endsWith('/')) await writeFile(join(directory, name), text);
  }
}

export class ToyWorld implements LoadFunctions {
  readonly formats = [toyFormat];
  /** `name:version=answer`, in the order of loading. */
  readonly loaded: string[] = [];
  readonly released: string[] = [];
  /** Models that are loaded now. */
  alive = 0;
  mostAlive = 0;
  loadingNow = 0;
  mostLoading = 0;
  /** Awaited before a load ends. */
  gate: (request: AssembleRequest) => Promise<void> = async () => {};

  open = async (artifact: Artifact) => {
    const path = join(artifact.directory, artifact.main);
    const text = await readFile(path, 'utf8');
    if (!text.endsWith('END\n')) throw new ModelportError('INVALID_MODEL', `${path} ends in the middle: it is truncated`, { at: path });
    const toy = JSON.parse(text.slice(4, -4)) as Toy;
    const { inputs = standard.inputs, outputs = standard.outputs, batch = standard.batch } = toy;
    return { artifact: { ...artifact, metadata: { toy: JSON.stringify(toy) } }, facts: { signature: { inputs, outputs, batch }, source: `${artifact.main} (graph)` }, platform: 'onnxruntime_onnx' };
  };

  assemble = async (request: AssembleRequest): Promise<AssembledModel> => {
    this.loadingNow++;
    this.mostLoading = Math.max(this.mostLoading, this.loadingNow);
    try {
      await this.gate(request);
    } finally {
      this.loadingNow--;
    }
    const toy = JSON.parse(request.artifact.metadata['toy'] ?? '{}') as Toy;
    if (toy.failure !== undefined) throw new ModelportError('INVALID_MODEL', toy.failure);
    const label = `${request.name}:${request.version}=${toy.answer ?? 0}`;
    this.loaded.push(label);
    this.alive++;
    this.mostAlive = Math.max(this.mostAlive, this.alive);
    let disposed = false;
    const running = new Set<Promise<unknown>>();
    const model: Model = {
      signature: request.explanation.signature,
      infer: (inference) => {
        if (disposed) return Promise.reject(new ModelportError('UNAVAILABLE', `${label} was called after it was disposed of`));
        const run = (async () => {
          await new Promise((resolve) => setTimeout(resolve, toy.runMs ?? 0));
          const rows = inference.inputs.get('x')?.shape[0] ?? 1;
          return { outputs: new Map([['y', { datatype: 'FP32' as const, shape: [rows, 1], data: new Float32Array(rows).fill(toy.answer ?? 0) }]]) };
        })();
        running.add(run);
        void run.finally(() => running.delete(run));
        return run;
      },
      [Symbol.asyncDispose]: async () => {
        disposed = true;
        await Promise.all(running);
        this.alive--;
        this.released.push(label);
      },
    };
    return { model, config: request.explanation.config, statistics: () => noStatistics, ready: () => !disposed };
  };

  repository(options: Partial<FolderModelRepositoryOptions> & Pick<FolderModelRepositoryOptions, 'paths'>): FolderModelRepository {
    const repository = new FolderModelRepository({
      mode: 'none',
      formats: this.formats,
      open: this.open,
      assemble: this.assemble,
      foreignConfigs: [tritonConfigs],
      retireDelayMs: 5,
      ...options,
    });
    onTestFinished(() => repository[Symbol.asyncDispose]());
    return repository;
  }
}

export async function ask(repository: FolderModelRepository, name: string, version?: string): Promise<number> {
  return await askModel(repository.get(name, version).model);
}

export async function askModel(model: Model): Promise<number> {
  const inputs = new Map([['x', { datatype: 'FP32' as const, shape: [1, 4], data: new Float32Array(4) }]]);
  const { outputs } = await model.infer!({ inputs }, new Call());
  return Number(outputs.get('y')!.data[0]);
}

/** Waits until `condition` holds; what it waited for is in the error when it never does. */
export async function until(condition: () => boolean | Promise<boolean>, what: () => string = () => String(condition)): Promise<void> {
  const endMs = performance.now() + 15_000;
  while (!(await condition())) {
    if (performance.now() > endMs) throw new Error(`this never came true: ${what()}`);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

const nothing = { count: 0, ns: 0 };
const noStatistics: StatisticsSnapshot = {
  lastInferenceMs: 0, inferenceCount: 0, executionCount: 0, success: nothing, fail: nothing, cancel: nothing, queue: nothing,
  computeInput: nothing, computeInfer: nothing, computeOutput: nothing, cacheHit: nothing, cacheMiss: nothing, batches: [],
};
