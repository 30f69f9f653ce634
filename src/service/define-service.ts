/** The functions with which people define services. They check and note; nothing runs yet. */
import { callSite } from './call-site.ts';
import { checkService } from './check-definition.ts';
import { serviceMark, type DefineEndpoint, type Dependencies, type Dependency, type DependencyContext, type DependencyOptions, type DependencyValues, type EndpointDefinition, type Endpoints, type HandlerContext, type ModelReference, type ModelSources, type Service, type ServiceOptions, type ServiceSources } from './definition.ts';
import { definedAt } from './defined-at.ts';

type None = Readonly<Record<string, never>>;

/** Throws `INVALID_CONFIG`, with file and line, where the definition is wrong. */
export function defineService<const E extends Endpoints, const Models extends ModelSources = None, const Deps extends Dependencies = None, const Services extends ServiceSources = None>(
  options: ServiceOptions<E, Models, Deps, Services>,
): Service<E> {
  return checkService(options as unknown as ServiceOptions<Endpoints>, endpoint) as unknown as Service<E>;
}

/** For endpoints that are defined apart from their service, or use no models and dependencies of it. */
export const endpoint: DefineEndpoint<HandlerContext> = (definition: EndpointDefinition) => {
  if (typeof definition === 'object' && definition !== null) definedAt.set(definition, callSite());
  return definition as never;
};

/** Names a model with the types of its values: `models: { iris: model<Flower, { label: string }>('./iris.onnx') }`. */
export function model<Input, Output>(source: string): ModelReference<Input, Output> {
  return { source };
}

type Create<Value, Uses extends Dependencies> = (uses: DependencyValues<Uses>, context: DependencyContext) => Value | Promise<Value> | AsyncGenerator<Value, void> | Generator<Value, void>;

/** A generator function yields the value once; what stands after `yield` runs when it is no longer needed. */
export function dependency<Value>(create: Create<Value, Dependencies>): Dependency<Value>;
export function dependency<Value, const Uses extends Dependencies>(options: DependencyOptions<Uses>, create: Create<Value, Uses>): Dependency<Value>;
export function dependency(first: DependencyOptions<Dependencies> | Create<unknown, Dependencies>, second?: Create<unknown, Dependencies>): Dependency {
  const options = typeof first === 'function' ? {} : first;
  const create = typeof first === 'function' ? first : second!;
  return { scope: options.scope ?? 'service', uses: options.uses ?? {}, create: create as Dependency['create'] };
}

export function isService(value: unknown): value is Service {
  return typeof value === 'object' && value !== null && serviceMark in value;
}
