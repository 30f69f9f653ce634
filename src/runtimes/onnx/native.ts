/**
 * ONNX Runtime's native module, without the JavaScript around it: that wraps a synchronous call in a promise and an extra turn of
 * the event loop, which costs more than a small model's run. Loaded once per thread, on first use.
 */
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { isMainThread } from 'node:worker_threads';
import { ModelportError } from '../../errors.ts';
import { FetchedTensor } from './fetched-tensor.ts';

/** A tensor as the native module reads it. `data` is a typed array of the type's kind, or an array of strings. */
export interface FedTensor {
  readonly type: string;
  readonly location: 'cpu';
  dims: readonly number[];
  data: ArrayBufferView | readonly string[] | undefined;
}

export interface NativeValueMetadata {
  readonly name: string;
  readonly isTensor: boolean;
  /** The number of the element type in onnx.proto. */
  readonly type: number;
  /** -1 where the size is free; its name, or '', is then in `symbolicDimensions`. */
  readonly shape: readonly number[];
  readonly symbolicDimensions: readonly string[];
}

export interface NativeSession {
  loadModel(path: string, options: object): void;
  loadModel(buffer: ArrayBufferLike, byteOffset: number, byteLength: number, options: object): void;
  readonly inputMetadata: readonly NativeValueMetadata[];
  readonly outputMetadata: readonly NativeValueMetadata[];
  /** Runs now, on this thread. Values of `fetches` are null: the module allocates. */
  run(feeds: Readonly<Record<string, FedTensor>>, fetches: Readonly<Record<string, null>>): Record<string, FetchedTensor>;
  dispose(): void;
}

interface NativeModule {
  readonly InferenceSession: new () => NativeSession;
  initOrtOnce(logSeverity: number, tensorConstructor: typeof FetchedTensor, isMainThread: boolean): void;
}

/** Of ONNX Runtime's log severities the highest: what it writes to stderr below it is in the errors that it throws, or about optimizations. */
export const FATAL_SEVERITY = 4;

let native: NativeModule | undefined;

/** Throws `MISSING_DEPENDENCY` where no binary for this platform is installed. */
export function createSession(): NativeSession {
  native ??= loadNative();
  return new native.InferenceSession();
}

function loadNative(): NativeModule {
  const loaded = requireNative();
  loaded.initOrtOnce(FATAL_SEVERITY, FetchedTensor, isMainThread);
  return loaded;
}

function requireNative(): NativeModule {
  const require = createRequire(import.meta.url);
  const platform = `${process.platform}-${process.arch}`;
  const packageName = `@modelport/onnxruntime-${platform}`;
  const attempts: (() => string)[] = [
    () => require.resolve(packageName),
    () => join(dirname(require.resolve('onnxruntime-node/package.json')), 'bin', 'napi-v6', process.platform, process.arch, 'onnxruntime_binding.node'),
  ];
  for (const resolve of attempts) {
    let path: string;
    try {
      path = resolve();
    } catch {
      continue;
    }
    try {
      return require(path) as NativeModule;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'MODULE_NOT_FOUND') continue;
      throw new ModelportError('MISSING_DEPENDENCY', `ONNX Runtime is installed, but cannot be loaded from ${path}: ${(error as Error).message}`, { cause: error });
    }
  }
  throw new ModelportError('MISSING_DEPENDENCY', `ONNX Runtime is not installed for ${platform}: npm install ${packageName}`);
}
