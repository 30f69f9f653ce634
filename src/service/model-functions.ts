/** Models and other services as plain functions, bound to the request that calls them. */
import { isAbsolute } from 'node:path';
import type { Call } from '../call.ts';
import { ModelportError } from '../errors.ts';
import { suggestName } from '../lib/suggest-name.ts';
import type { Model, Parameters } from '../model.ts';
import type { Tensor } from '../tensor.ts';
import { endpointModelName } from './endpoint-name.ts';
import type { ModelFunction, Service } from './definition.ts';
import type { ServiceHost } from './host.ts';

type InferOptions = { readonly outputs?: readonly string[]; readonly parameters?: Parameters };

/** Functions in place of single models, for tests. */
export type ModelOverrides = Readonly<Record<string, (value: unknown) => unknown>>;

export function bindModels(service: Service, host: ServiceHost, call: Call, overrides: ModelOverrides): Record<string, ModelFunction> {
  const bound: Record<string, ModelFunction> = {};
  for (const [name, source] of Object.entries(service.models)) {
    const override = overrides[name];
    const find = (): { model: Model; name: string } => {
      if (override !== undefined) throw new ModelportError('UNSUPPORTED', `models.${name} is replaced by a function in this test: it takes values only`);
      const served = isAbsolute(source) ? host.nameOf(source) : source;
      return { model: host.lookup(served), name: served };
    };
    bound[name] = modelFunction(find, call, override);
  }
  return bound;
}

function modelFunction(find: () => { model: Model; name: string }, call: Call, override: ((value: unknown) => unknown) | undefined): ModelFunction {
  const predict = async (value: unknown): Promise<unknown> => {
    if (override !== undefined) return override(value);
    const { model, name } = find();
    if (model.predict === undefined) throw new ModelportError('UNSUPPORTED', `model '${name}' has no task, so it does not take values: call .infer with tensors, or say in its model.yaml what it does`);
    return model.predict(value, call.child({ name }));
  };
  const request = (inputs: Readonly<Record<string, Tensor>>, options: InferOptions) => ({ ...options, inputs: new Map(Object.entries(inputs)) });
  return Object.assign(predict, {
    async infer(inputs: Readonly<Record<string, Tensor>>, options: InferOptions = {}) {
      const { model, name } = find();
      if (model.infer === undefined) throw lacking(name, 'infer', model);
      const { outputs } = await model.infer(request(inputs, options), call.child({ name }));
      return Object.fromEntries(outputs);
    },
    stream(inputs: Readonly<Record<string, Tensor>>, options: InferOptions = {}) {
      const { model, name } = find();
      if (model.stream === undefined) throw lacking(name, 'stream', model);
      return model.stream(request(inputs, options), call.child({ name }));
    },
    generate(prompt: string, parameters?: Parameters) {
      const { model, name } = find();
      if (model.generate === undefined) throw lacking(name, 'generate', model);
      return model.generate({ prompt, ...(parameters === undefined ? {} : { parameters }) }, call.child({ name }));
    },
  });
}

function lacking(name: string, verb: string, model: Model): ModelportError {
  const verbs = (['infer', 'stream', 'generate', 'predict'] as const).filter((each) => model[each] !== undefined);
  return new ModelportError('UNSUPPORTED', `model '${name}' has no ${verb}: it has ${verbs.join(', ')}`);
}

type Functions = Readonly<Record<string, (value: unknown) => Promise<unknown>>>;

export function bindServices(service: Service, host: ServiceHost, call: Call): Record<string, Functions> {
  const bound: Record<string, Functions> = {};
  for (const [name, source] of Object.entries(service.services)) {
    const serviceName = typeof source === 'string' ? source : source.name;
    const known = typeof source === 'string' ? undefined : Object.keys(source.endpoints);
    bound[name] = new Proxy({} as Functions, {
      get: (_target, endpoint) => {
        // `await services.photos` must not take it for a promise.
        if (typeof endpoint !== 'string' || endpoint === 'then') return undefined;
        if (known?.includes(endpoint) === false) throw new ModelportError('NOT_FOUND', `service '${serviceName}' has no endpoint '${endpoint}'${suggestName(endpoint, known)}`);
        return async (value: unknown) => {
          const target = endpointModelName(serviceName, endpoint);
          return host.lookup(target).predict!(value, call.child({ name: target }));
        };
      },
    });
  }
  return bound;
}
