/** Runs ONNX models on ONNX Runtime. This module is light: the native library (45 MB) is loaded with the first model. */
import type { Artifact } from '../../artifact.ts';
import type { LoadOptions, Runtime } from '../../runtime.ts';
import type { OnnxModel } from './onnx-model.ts';

const onnxRuntime = {
  name: 'onnx',
  moduleUrl: import.meta.url,
  instanceKinds: ['inline', 'thread', 'process'],
  accepts: (artifact: Artifact) => artifact.format === 'onnx',
  /** Parameters: `executionProvider`, `graphOptimizationLevel`, `enableCpuMemArena`, `enableMemPattern`, `allowSpinning`. */
  async load(artifact: Artifact, options: LoadOptions): Promise<OnnxModel> {
    const { loadOnnx } = await import('./load-onnx.ts');
    return loadOnnx(artifact, options);
  },
} satisfies Runtime;

export default onnxRuntime;
