/** From the files of an ONNX model to a session that runs it. */
import { basename, dirname, join } from 'node:path';
import type { Artifact } from '../../artifact.ts';
import { isModelportError, ModelportError } from '../../errors.ts';
import { externalFiles } from '../../onnx/external-data.ts';
import { inferSignature, type InferredSignature } from '../../onnx/infer-signature.ts';
import type { ModelProto, ValueInfoProto } from '../../onnx/model-proto.ts';
import { readModelFile } from '../../onnx/read-model.ts';
import { writeModelBytes } from '../../onnx/write-model.ts';
import type { LoadOptions } from '../../runtime.ts';
import { adaptModel } from './adapt-model.ts';
import { explainLoadError } from './explain-error.ts';
import { createSession, FATAL_SEVERITY, type NativeSession, type NativeValueMetadata } from './native.ts';
import { OnnxModel } from './onnx-model.ts';

/** Blocks the thread while ONNX Runtime optimizes the graph. Throws `INVALID_MODEL` naming file, node or operator. */
export function loadOnnx(artifact: Artifact, options: LoadOptions): OnnxModel {
  const path = join(artifact.directory, artifact.main);
  const model = readModelFile(path);
  const external = checkExternalFiles(model, path);
  const adaptation = adaptModel(model, inferSignature(model), dirname(path));
  const sessionOptions = sessionOptionsOf(options);
  const session = createSession();
  try {
    if (adaptation.model === undefined) {
      session.loadModel(path, sessionOptions);
    } else {
      const bytes = writeModelBytes(adaptation.model);
      const extra = external ? { session: { ...sessionOptions.extra.session, model_external_initializers_file_folder_path: dirname(path) } } : sessionOptions.extra;
      session.loadModel(bytes.buffer, bytes.byteOffset, bytes.byteLength, { ...sessionOptions, extra });
    }
  } catch (error) {
    throw explainProviderError(error, sessionOptions) ?? explainLoadError(error, path, model);
  }
  try {
    const { signature } = usable(inferSignature(completed(model, session)), path);
    return new OnnxModel({ session, signature, name: basename(path), nativeNames: adaptation.nativeNames, defaults: adaptation.defaults });
  } catch (error) {
    session.dispose();
    throw error;
  }
}

function checkExternalFiles(model: ModelProto, path: string): boolean {
  try {
    return externalFiles(model, dirname(path)).length > 0;
  } catch (error) {
    if (!isModelportError(error)) throw error;
    throw new ModelportError(error.code, `${path}: ${error.message}`, { cause: error, ...(error.at === undefined ? {} : { at: error.at }) });
  }
}

/** Types and shapes that the file leaves out, from ONNX Runtime's own inference. */
function completed(model: ModelProto, session: NativeSession): ModelProto {
  const graph = model.graph!;
  const incomplete = (value: ValueInfoProto) => value.type === undefined || (value.type.tensorType !== undefined && value.type.tensorType.shape === undefined);
  if (!graph.output.some(incomplete)) return model;
  const known = new Map(session.outputMetadata.map((metadata) => [metadata.name, metadata]));
  const output = graph.output.map((value): ValueInfoProto => {
    const metadata = known.get(value.name ?? '');
    if (!incomplete(value) || metadata === undefined || !metadata.isTensor) return value;
    // An empty shape stands for a scalar and for a rank that is not known.
    const shape = metadata.shape.length === 0 ? {} : { shape: { dim: metadata.shape.map((size, axis) => dimension(metadata, size, axis)) } };
    return { ...value, type: { tensorType: { elemType: metadata.type, ...shape } } };
  });
  return { ...model, graph: { ...graph, output } };
}

function dimension(metadata: NativeValueMetadata, size: number, axis: number): { dimValue?: number; dimParam?: string } {
  if (size >= 0) return { dimValue: size };
  const name = metadata.symbolicDimensions[axis];
  return name === undefined || name === '' ? {} : { dimParam: name };
}

function usable(inferred: InferredSignature, path: string): InferredSignature {
  const needed = inferred.leftOut.find((value) => value.kind === 'required input');
  if (needed !== undefined) throw new ModelportError('INVALID_MODEL', `${path}: the input '${needed.name}' cannot be given: ${needed.reason}`, { at: path });
  if (inferred.signature.outputs.length === 0) {
    const reasons = inferred.leftOut.map((value) => `'${value.name}': ${value.reason}`).join('; ');
    throw new ModelportError('INVALID_MODEL', `${path}: it has no output that can be returned${reasons === '' ? '' : ` (${reasons})`}`, { at: path });
  }
  return inferred;
}

const optimizationLevels = new Set(['disabled', 'basic', 'extended', 'layout', 'all']);

/** Of those that ONNX Runtime's builds for Node have. What a provider does not know the CPU does. */
const executionProviders = new Set(['cpu', 'cuda', 'tensorrt']);

interface SessionOptions {
  readonly executionProviders: readonly string[];
  readonly extra: { readonly session: Readonly<Record<string, unknown>> };
  readonly [name: string]: unknown;
}

function sessionOptionsOf({ threads, parameters }: LoadOptions): SessionOptions {
  const level = parameters['graphOptimizationLevel'] ?? 'all';
  if (typeof level !== 'string' || !optimizationLevels.has(level)) {
    throw new ModelportError('INVALID_CONFIG', `parameters.graphOptimizationLevel is ${JSON.stringify(level)}; it can be ${[...optimizationLevels].join(', ')}`, {
      at: 'parameters.graphOptimizationLevel',
    });
  }
  const provider = parameters['executionProvider'] ?? process.env['MODELPORT_EXECUTION_PROVIDER'] ?? 'cpu';
  if (typeof provider !== 'string' || !executionProviders.has(provider)) {
    throw new ModelportError('INVALID_CONFIG', `parameters.executionProvider (or MODELPORT_EXECUTION_PROVIDER in the environment) is ${JSON.stringify(provider)}; it can be ${[...executionProviders].join(', ')}`, { at: 'parameters.executionProvider' });
  }
  return {
    executionProviders: [provider],
    executionMode: 'sequential',
    intraOpNumThreads: threads,
    interOpNumThreads: 1,
    graphOptimizationLevel: level,
    enableCpuMemArena: flag(parameters, 'enableCpuMemArena', 'enable_mem_arena', true),
    enableMemPattern: flag(parameters, 'enableMemPattern', 'enable_mem_pattern', true),
    logSeverityLevel: FATAL_SEVERITY,
    // A pool that waits in a busy loop takes the cores from the event loop and from other models. Alone on a machine it is a little faster.
    extra: { session: { intra_op: { allow_spinning: flag(parameters, 'allowSpinning', 'session.intra_op.allow_spinning', false) ? '1' : '0' } } },
  };
}

/** By our name or by the one of Triton's ONNX Runtime backend, as a boolean or as text or number in the way that config.pbtxt says it. */
function flag(parameters: Readonly<Record<string, unknown>>, name: string, tritonName: string, otherwise: boolean): boolean {
  const value = parameters[name] ?? parameters[tritonName];
  if (value === undefined) return otherwise;
  if (value === true || value === 1 || value === '1' || value === 'true') return true;
  if (value === false || value === 0 || value === '0' || value === 'false') return false;
  throw new ModelportError('INVALID_CONFIG', `parameters.${name} is ${JSON.stringify(value)}; it can be true or false`, { at: `parameters.${name}` });
}

/** Undefined where the provider is not to blame. */
function explainProviderError(error: unknown, { executionProviders: [provider] }: SessionOptions): ModelportError | undefined {
  const message = error instanceof Error ? error.message : String(error);
  if (provider === 'cpu' || !/providers_(?:shared|cuda|tensorrt)|CUDA|cudnn|TensorRT/i.test(message)) return undefined;
  return new ModelportError('MISSING_DEPENDENCY', `ONNX Runtime can't use the execution provider ${provider}: ${message.replaceAll(/\s+/g, ' ').trim().slice(0, 400)}. It needs its provider's library, CUDA 12, cuDNN 9 and a GPU, as the image of build --dockerfile --gpu cuda has them; executionProvider: cpu goes without`, { cause: error });
}
