/** Runs a model that a test built on ONNX Runtime, from a file, as a server would. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Call } from '../../src/call.ts';
import type { ModelProto } from '../../src/onnx/model-proto.ts';
import { writeModelFile, type WriteOptions } from '../../src/onnx/write-model-file.ts';
import onnxRuntime from '../../src/runtimes/onnx/onnx-runtime.ts';
import type { Tensor } from '../../src/tensor.ts';

export async function runModel(model: ModelProto, inputs: Readonly<Record<string, Tensor>>, options: WriteOptions = {}): Promise<Record<string, Tensor>> {
  const directory = mkdtempSync(join(tmpdir(), 'modelport-run-'));
  try {
    writeModelFile(model, join(directory, 'model.onnx'), options);
    const loaded = await onnxRuntime.load({ format: 'onnx', directory, main: 'model.onnx', files: [], metadata: {} }, { threads: 1, parameters: {} });
    try {
      const response = await loaded.infer({ inputs: new Map(Object.entries(inputs)) }, new Call());
      return Object.fromEntries(response.outputs);
    } finally {
      await loaded[Symbol.asyncDispose]();
    }
  } finally {
    rmSync(directory, { recursive: true });
  }
}
