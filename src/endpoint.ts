/**
 * What people, forms, tools and programs call: values in, values out, described by JSON Schema. A model with a task and an
 * endpoint of a typed service are the same thing here, so a protocol that lists endpoints serves both.
 */
import type { Model, PredictSignature } from './model.ts';
import type { ModelRepository, ServedModel } from './repository.ts';

export interface Endpoint {
  /** Unique on this server: `iris`, or `photos.classify` for the endpoint `classify` of the service `photos`. */
  readonly name: string;
  readonly served: ServedModel;
  /** Input, output, examples; `part` where the answer comes in parts. */
  readonly signature: PredictSignature;
  readonly predict: NonNullable<Model['predict']>;
  readonly predictStream?: NonNullable<Model['predictStream']>;
}

/** All of them by name, each in the newest version that is ready. Cheap; ask again after a change of the repository. */
export function listEndpoints(repository: ModelRepository): readonly Endpoint[] {
  return repository.ready().flatMap((served) => (served.versions.at(-1) === served.version ? (asEndpoint(served) ?? []) : []));
}

/** The endpoint of that name. Undefined where the model takes no values. Throws as `repository.get` does. */
export function getEndpoint(repository: ModelRepository, name: string): Endpoint | undefined {
  return asEndpoint(repository.get(name));
}

export function asEndpoint(served: ServedModel): Endpoint | undefined {
  const { model } = served;
  const signature = model.signature.predict;
  if (model.predict === undefined || signature === undefined) return undefined;
  return {
    name: served.name,
    served,
    signature,
    predict: (value, call) => served.model.predict!(value, call),
    ...(model.predictStream === undefined ? {} : { predictStream: (value, call) => served.model.predictStream!(value, call) }),
  };
}

/** What the endpoint is called where there is room for one line. */
export function endpointSummary({ name, signature }: Endpoint): string {
  return signature.summary ?? `${signature.task} with ${name}`;
}
