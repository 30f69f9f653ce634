/** An instance on this event loop: the runtime's model itself. A run blocks everything else, so it is for very short ones. */
import type { Model } from '../model.ts';
import type { Instance, InstanceStart } from './instance.ts';
import { measureRun } from './measure-run.ts';

export async function startInlineInstance(start: InstanceStart): Promise<Instance> {
  const model = await start.runtime.load(start.artifact, start.load);
  return {
    ...verbsOf(model),
    signature: model.signature,
    measure: (request) => measureRun(model, request),
    // It cannot die without the server.
    onLost: () => {},
    [Symbol.asyncDispose]: () => model[Symbol.asyncDispose](),
  };
}

/** The verbs that a model has, as functions that need no receiver. */
export function verbsOf(model: Model): Pick<Model, 'infer' | 'stream' | 'generate' | 'predict'> {
  return {
    ...(model.infer === undefined ? {} : { infer: (request, call) => model.infer!(request, call) }),
    ...(model.stream === undefined ? {} : { stream: (request, call) => model.stream!(request, call) }),
    ...(model.generate === undefined ? {} : { generate: (request, call) => model.generate!(request, call) }),
    ...(model.predict === undefined ? {} : { predict: (value, call) => model.predict!(value, call) }),
  };
}
