/** The runtimes, one line each. Their modules are light; what they run on is loaded with the first model. */
import type { Runtime } from '../runtime.ts';
import onnxRuntime from './onnx/onnx-runtime.ts';
import remoteRuntime from './remote/remote-runtime.ts';

export const runtimes: readonly Runtime[] = [onnxRuntime, remoteRuntime];
