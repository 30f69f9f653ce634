/**
 * Runtimes for models that no graph can be. Loaded into the command line with `node --import`. The model's file says of its
 * metadata `runtime` which one runs it, and what its tensors are.
 *
 * `repeat` answers a request once for each element of IN, DELAY milliseconds after the one before, and ends WAIT milliseconds
 * later; neither is more than a second. `identity` answers bytes as they came, text or not.
 */
import { isMainThread } from 'node:worker_threads';
import { readOnnxFacts } from '../../../dist/onnx/onnx-facts.js';
import { runtimes } from '../../../dist/runtimes/index.js';

/** Ends early where the call is cancelled. */
function delay(durationMs, call) {
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, Math.min(durationMs, 1000));
    call.onCancel(() => {
      clearTimeout(timer);
      resolve();
    });
  });
}

const verbs = {
  repeat: {
    async *stream({ inputs }, call) {
      const delays = inputs.get('DELAY').data;
      for (const [index, value] of inputs.get('IN').data.entries()) {
        if (call.cancelled) return;
        yield { outputs: new Map([['OUT', { datatype: 'INT32', shape: [1], data: Int32Array.of(value) }]]) };
        await delay(delays[index] ?? 0, call);
      }
      await delay(inputs.get('WAIT').data[0], call);
    },
  },
  identity: {
    async infer({ inputs }) {
      return { outputs: new Map([['OUTPUT0', inputs.get('INPUT0')]]) };
    },
  },
};

function runtime(name) {
  return {
    name,
    moduleUrl: import.meta.url,
    instanceKinds: ['inline'],
    accepts: (artifact) => artifact.metadata.runtime === name,
    async load(artifact) {
      return { signature: readOnnxFacts(artifact).signature, ...verbs[name], async [Symbol.asyncDispose]() {} };
    },
  };
}

if (isMainThread) runtimes.unshift(...Object.keys(verbs).map(runtime));
