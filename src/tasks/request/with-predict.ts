/** A model with `predict` beside its own verbs. */
import type { Model, PredictSignature } from '../../model.ts';

/** The verbs of `model`, and `predict` as a task describes it. Owns `model`: disposing of the result disposes of it. */
export function withPredict(model: Model, signature: PredictSignature, predict: NonNullable<Model['predict']>, dispose?: () => Promise<void>): Model {
  return {
    signature: { ...model.signature, predict: signature },
    ...(model.infer === undefined ? {} : { infer: (request, call) => model.infer!(request, call) }),
    ...(model.stream === undefined ? {} : { stream: (request, call) => model.stream!(request, call) }),
    ...(model.generate === undefined ? {} : { generate: (request, call) => model.generate!(request, call) }),
    predict,
    [Symbol.asyncDispose]: async () => {
      await dispose?.();
      await model[Symbol.asyncDispose]();
    },
  };
}
